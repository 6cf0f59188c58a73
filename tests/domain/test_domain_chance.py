"""Keyed chance is Philox, is the same everywhere, and does not depend on who else drew.

Rule of this file: the golden numbers were computed once; when one changes, every recorded digest changes with it.
"""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from router.domain.chance import generator, key_of, philox, uniform, uniforms

GOLDEN_KEY = (4848428321852807495, 3437776597540634786)
GOLDEN_UNIFORMS = (0.6717588629644559, 0.18870445445434092, 0.6145744532360862, 0.17068000941874095)
GOLDEN_FAR = 0.5711843514755605

WORD = st.integers(0, 2**64 - 1)


@settings(max_examples=60, deadline=None)
@given(k0=WORD, k1=WORD, block=st.integers(1, 4))
def test_blocks_are_those_of_numpy(k0: int, k1: int, block: int) -> None:
    theirs = np.random.Philox(key=np.array([k0, k1], dtype=np.uint64)).random_raw(4 * block)[-4:]
    assert philox((k0, k1), block) == tuple(int(word) for word in theirs)


@settings(max_examples=60, deadline=None)
@given(k0=WORD, k1=WORD, counter=st.integers(0, 2**128 - 2))
def test_any_block_can_be_reached_directly(k0: int, k1: int, counter: int) -> None:
    words = np.array([counter & (2**64 - 1), counter >> 64, 0, 0], dtype=np.uint64)
    theirs = np.random.Philox(key=np.array([k0, k1], dtype=np.uint64), counter=words).random_raw(4)
    assert philox((k0, k1), counter + 1) == tuple(int(word) for word in theirs)


def test_generator_draws_the_same_uniforms() -> None:
    drawn = generator(7, "XNYS", "flow").random(8)
    assert tuple(drawn) == uniforms(7, "XNYS", "flow", 0) + uniforms(7, "XNYS", "flow", 1)


def test_golden_values_do_not_change() -> None:
    assert key_of(1, "XNYS", "order_entry") == GOLDEN_KEY
    assert uniforms(1, "XNYS", "order_entry", 0) == GOLDEN_UNIFORMS
    assert uniform(1, "XNYS", "order_entry", 10**12) == GOLDEN_FAR


def test_draw_does_not_depend_on_the_order_of_drawing() -> None:
    streams = [(seed, entity, n) for seed in (1, 2) for entity in ("A", "B") for n in range(20)]
    forward = {key: uniform(key[0], key[1], "p", key[2]) for key in streams}
    backward = {key: uniform(key[0], key[1], "p", key[2]) for key in reversed(streams)}
    assert forward == backward
    assert len(dict.fromkeys(forward.values())) == len(streams)


def test_draw_does_not_depend_on_the_process() -> None:
    script = "from router.domain.chance import uniform; print(uniform(3, 'P1', 'fade', 9).hex())"
    drawn = [
        subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout.strip()
        for seed in ("1", "2")
    ]
    assert drawn == [uniform(3, "P1", "fade", 9).hex()] * 2


def test_key_parts_do_not_run_into_each_other() -> None:
    keys = [key_of(1, "1", "x"), key_of(11, "", "x"), key_of(1, "1x", ""), key_of(1, "", "1x"), key_of(11, "x", "")]
    assert len(dict.fromkeys(keys)) == len(keys)


def test_uniforms_are_uniform() -> None:
    drawn = np.array([uniforms(5, "E", "u", n) for n in range(5_000)])
    assert 0.0 <= drawn.min() < 0.001
    assert 0.999 < drawn.max() < 1.0
    # Six standard errors of a mean of 5,000, and of a correlation of 5,000 pairs.
    assert np.abs(drawn.mean(axis=0) - 0.5).max() < 6 * (1 / 12 / 5_000) ** 0.5
    assert np.abs(np.corrcoef(drawn.T) - np.eye(4)).max() < 6 / 5_000**0.5
    counts, _ = np.histogram(drawn, bins=20, range=(0, 1))
    assert ((counts - 1_000) ** 2 / 1_000).sum() < 60


def test_neighbouring_streams_are_independent() -> None:
    drawn = np.array([[uniform(5, f"E{entity}", "u", n) for n in range(4_000)] for entity in range(4)])
    assert np.abs(np.corrcoef(drawn) - np.eye(4)).max() < 6 / 4_000**0.5
