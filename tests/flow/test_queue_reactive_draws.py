"""The drawer of background events: the same bits as its plain twin, the rates it was given, a feedback by definition.

Rule of this file: laws are examined on fixed streams with bounds of five standard errors.
"""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from router.domain.errors import ConfigError
from router.domain.units import SECOND
from venues.flow.chance import block, block_plain, stream_key, uniforms4, uniforms4_plain
from venues.flow.made_up import made_up_parameters
from venues.flow.parameter_text import parameters_toml, parse_parameters
from venues.flow.parameters import ADD, CANCEL, IMPROVE, TRADE, Feedback, SignMemory, exponentials, flow_arrays
from venues.flow.queue_reactive import (
    NOTHING,
    REFRESH_NS,
    draw_event,
    draw_event_plain,
    feedback_at,
    feedback_exact,
    feedback_trade,
    new_memory,
)

FLOW = flow_arrays(made_up_parameters())
KEY = stream_key(3, "XLTA", "test")


def test_philox_gives_the_published_words() -> None:
    words = [f"{int(word):08x}" for word in block(np.uint64(0), 0)]
    assert words == ["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"]


@pytest.mark.parametrize("counter", [0, 1, 2**32 - 1, 2**32, 2**40 + 3])
def test_kernel_and_twin_draw_the_same_bits(counter: int) -> None:
    for key in (0, int(KEY), 2**64 - 1):
        assert tuple(int(word) for word in block(np.uint64(key), counter)) == block_plain(key, counter)
        assert uniforms4(np.uint64(key), counter) == uniforms4_plain(key, counter)


def test_event_and_twin_agree() -> None:
    stepped = flow_arrays(msgspec.structs.replace(made_up_parameters(), steps=(0.5, 0.5)), lot=1, intensity=0.1)
    rng = np.random.default_rng(1)
    factored = flow_arrays(
        msgspec.structs.replace(
            made_up_parameters(),
            spread_factors=tuple(tuple(row) for row in rng.uniform(0.5, 2.0, (9, 4)).tolist()),
            queue_factors=tuple(tuple(row) for row in rng.uniform(0.5, 2.0, (8, 4)).tolist()),
            wide_steps=((1.0,),) * 3 + ((0.2, 0.8),) * 6,
        )
    )
    for flow in (FLOW, stepped, factored):
        for n in range(3_000):
            book = (100 * (n % 7), 100 * ((n // 7) % 5), 1 + n % 4)
            lean = (0.3 * (n % 5 - 2), 0.5 + n % 3, 0.4 * (n % 3 - 1))
            assert draw_event(flow, KEY, n, *book, *lean) == draw_event_plain(flow, int(KEY), n, book, *lean)


def drawn(n: int, feedback: float = 0.0, sign_factor: float = 0.0, spread: int = 1) -> list[tuple[int, ...]]:
    return [draw_event(FLOW, KEY, i, 400, 400, spread, feedback, 1.0, sign_factor) for i in range(n)]


def test_events_come_at_the_rates_of_their_bin() -> None:
    events = drawn(40_000)
    rates = FLOW.rates[0, 10]
    total = float(rates[:6].sum())
    assert abs(np.mean([wait for wait, *_ in events]) / 1e9 * total - 1.0) < 5 / 200
    for column in range(6):
        kind, side = column // 2, 1 - 2 * (column % 2)
        share = np.mean([event[1] == kind and event[2] == side for event in events])
        assert abs(share - rates[column] / total) < 5 * 0.5 / 200


def test_feedback_makes_the_opposite_side_e_to_the_b_as_frequent() -> None:
    sides = [event[2] for event in drawn(60_000, feedback=1.5) if event[1] == TRADE]
    buys = sides.count(1)
    assert sides.count(-1) / buys == pytest.approx(np.exp(1.5), rel=5 / buys**0.5)


def test_sign_factor_leans_trading_and_nothing_else() -> None:
    events = drawn(60_000, sign_factor=0.5)
    buys, sells = (sum(event[1:3] == (TRADE, side) for event in events) for side in (1, -1))
    adds = [event[2] for event in events if event[1] == ADD]
    assert buys / sells == pytest.approx(3.0, rel=0.2)
    assert abs(np.mean(adds)) < 5 / len(adds) ** 0.5


def test_nobody_improves_inside_a_spread_of_one_tick() -> None:
    assert all(event[1] != IMPROVE for event in drawn(5_000))
    inside = [event[3] for event in drawn(5_000, spread=3) if event[1] == IMPROVE]
    assert set(inside) == {1, 2}


def test_an_empty_side_is_not_cancelled_from() -> None:
    events = [draw_event(FLOW, KEY, i, 0, 400, 1, 0.0, 1.0, 0.0) for i in range(5_000)]
    assert all(event[1:3] != (CANCEL, 1) for event in events)


def test_without_rates_nothing_happens_but_a_refresh() -> None:
    flow = flow_arrays(made_up_parameters(), intensity=0.0)
    assert draw_event(flow, KEY, 0, 400, 400, 1, 0.0, 1.0, 0.0) == (REFRESH_NS, NOTHING, 0, 0, 0)


def trades() -> list[tuple[int, int]]:
    rng = np.random.default_rng(5)
    at = np.cumsum(rng.exponential(2.0 * SECOND, 400)).astype(np.int64)
    qty = rng.integers(1, 6, 400) * 100 * rng.choice((-1, 1), 400)
    return list(zip(at.tolist(), qty.tolist(), strict=True))


def test_feedback_is_its_definition_within_one_percent_of_what_it_sums() -> None:
    memory, done = new_memory(), trades()
    for at, qty in done:
        feedback_trade(FLOW, memory, at, qty)
    later = done[-1][0] + 3 * SECOND
    given = [(at / SECOND, qty) for at, qty in done]
    of = Feedback()
    exact = feedback_exact(given, later / SECOND, of.m, of.tau_s, of.beta, of.volume_unit_lots * 100)
    summed = feedback_exact(
        [(at, abs(qty)) for at, qty in given], later / SECOND, of.m, of.tau_s, of.beta, of.volume_unit_lots * 100
    )
    assert abs(feedback_at(FLOW, memory, later) - exact) < 0.01 * summed


def test_feedback_does_not_know_how_often_it_is_asked() -> None:
    seldom, often = new_memory(), new_memory()
    for at, qty in trades():
        feedback_trade(FLOW, seldom, at, qty)
        for part in range(4):
            feedback_at(FLOW, often, at - (4 - part) * 10_000_000)
        feedback_trade(FLOW, often, at, qty)
    np.testing.assert_array_equal(seldom, often)


@pytest.mark.parametrize("beta", [0.8, 1.5, 3.0])
def test_exponentials_follow_the_power_law(beta: float) -> None:
    weights, speeds = exponentials(beta)
    x = np.linspace(0.0, 40.0, 200)
    ours = (weights * np.exp(-np.outer(x, speeds))).sum(axis=1)
    assert np.abs(ours - (1.0 + x) ** -beta).max() < 0.03


def test_parameters_are_read_back_as_they_were_written() -> None:
    given = msgspec.structs.replace(
        made_up_parameters(),
        gaps=(0.75, 0.25),
        steps=(1.0,),
        revealed_lots=(1, 2, 3),
        signs=(SignMemory(amplitude=0.5, memory_s=3.0),),
        u_shape=1.5,
        spread_factors=((1.0, 2.0, 0.5, 0.0),) * 9,
        queue_factors=((1.0, 2.0, 0.5, 0.0),) * 8,
        wide_steps=((1.0,),) * 9,
        splits=(1, 1, 4),
        split_gaps_us=(5, 900),
        kept=(0.5,) * 8,
        kept_qty=0.25,
        sweep=0.1,
        sweep_lots=(3,),
        least_lots=1,
        refill=0.5,
    )
    assert parse_parameters(parameters_toml(given, "A test")) == given


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("rates", ((),)),
        ("queue_scale_lots", -1.0),
        ("sizes_lots", ((1,),) * 3),
        ("distances", (0.5,)),
        ("gaps", (2.0,)),
        ("signs", (SignMemory(amplitude=1.0, memory_s=1.0),)),
        ("u_shape", -0.1),
        ("spread_factors", ((1.0,) * 4,) * 8),
        ("queue_factors", ((-1.0,) * 4,) * 8),
        ("wide_steps", ((1.0,),) * 2),
        ("splits", (0,)),
        ("split_gaps_us", (2, 1)),
        ("kept", (0.5,) * 7),
        ("kept_qty", 1.5),
        ("sweep", -0.5),
        ("sweep_lots", (0,)),
        ("least_lots", -1),
        ("refill", 2.0),
    ],
)
def test_parameters_out_of_range_are_refused_by_name(key: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"at {key}"):
        msgspec.structs.replace(made_up_parameters(), **{key: value})


def test_a_parameter_file_with_a_strange_key_is_refused() -> None:
    with pytest.raises(ConfigError, match="strange"):
        parse_parameters("strange = 1\n" + parameters_toml(made_up_parameters(), "A test"), "flow.toml")
