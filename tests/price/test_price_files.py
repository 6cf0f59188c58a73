"""A price model's bytes: they come back whole, and anything else is refused with what is wrong."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learners.price.model import Arrays, PriceModel, Provenance, digest_of, model_from_bytes, model_to_bytes, sealed
from learners.price.signals import SIGNALS
from router.domain.errors import BadInputError


def provenance(kind: Any) -> Provenance:
    return Provenance(
        kind=kind, source="test", label="next move", step_ns=1, seed=1, rows=(1, 1, 1), span=(0, 1), trainer="test",
        settings={"trees": 1.0}, scores={"hgb.mcc": 0.1},
    )  # fmt: skip


def stump() -> Arrays:
    return {
        "baseline": np.zeros(1),
        "roots": np.zeros(1, dtype=np.int64),
        "feature": np.array([1, 0, 0]),
        "threshold": np.zeros(3),
        "left": np.array([1, -1, -1]),
        "right": np.array([2, -1, -1]),
        "missing_left": np.array([1, 0, 0]),
        "value": np.array([0.0, -1.0, 1.0]),
    }


def line() -> Arrays:
    return {"mean": np.zeros(SIGNALS), "scale": np.ones(SIGNALS), "w": np.arange(SIGNALS) * 0.1, "b": np.ones(1)}


GOOD = model_to_bytes(sealed(provenance("hgb"), stump()))


def forged(model: PriceModel) -> bytes:
    """Return bytes whose digest is right for whatever they hold."""
    right = msgspec.structs.replace(model.provenance, sha256=digest_of(model))
    return model_to_bytes(PriceModel(right, model.arrays))


def test_model_comes_back_with_every_bit_and_where_it_is_from() -> None:
    model = sealed(provenance("hgb"), stump())
    again = model_from_bytes(model_to_bytes(model), "bytes")
    assert again.provenance == model.provenance
    assert {name: of.tobytes() for name, of in again.arrays.items()} == {
        name: of.tobytes() for name, of in model.arrays.items()
    }
    assert model_to_bytes(again) == model_to_bytes(model)


@settings(max_examples=150, deadline=None)
@given(place=st.integers(0, len(GOOD) - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_is_refused_or_means_nothing(place: int, bit: int) -> None:
    damaged = bytearray(GOOD)
    damaged[place] ^= 1 << bit
    try:
        found = model_from_bytes(bytes(damaged), "model.arrow")
    except BadInputError as exc:
        assert "model.arrow" in str(exc)
        return
    # Arrow pads its parts: a bit of the padding is nobody's.
    assert digest_of(found) == digest_of(model_from_bytes(GOOD, "whole"))


@settings(max_examples=40, deadline=None)
@given(length=st.integers(0, len(GOOD) - 1))
def test_a_cut_file_is_refused(length: int) -> None:
    with pytest.raises(BadInputError, match=r"model\.arrow"):
        model_from_bytes(GOOD[:length], "model.arrow")


def test_another_arrow_file_is_refused() -> None:
    sink = pa.BufferOutputStream()
    batch = pa.record_batch([pa.array([1])], names=["a"])
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    with pytest.raises(BadInputError, match="expected a price model, got 'another Arrow file' - at x"):
        model_from_bytes(sink.getvalue().to_pybytes(), "x")


def test_content_that_does_not_fit_its_digest_is_refused() -> None:
    model = sealed(provenance("logistic"), line())
    changed = PriceModel(model.provenance, model.arrays | {"b": np.zeros(1)})
    with pytest.raises(BadInputError, match="content with the digest"):
        model_from_bytes(model_to_bytes(changed), "x")


@pytest.mark.parametrize("change", [{"signals_version": 99}, {"signals": ("mid",)}, {"format": 2}])
def test_a_model_over_other_signals_is_refused(change: dict[str, Any]) -> None:
    model = PriceModel(msgspec.structs.replace(provenance("hgb"), **change), dict(sorted(stump().items())))
    with pytest.raises(BadInputError, match="over signals of version 1"):
        model_from_bytes(forged(model), "x")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("left", np.array([0, -1, -1])),
        ("right", np.array([3, -1, -1])),
        ("feature", np.array([SIGNALS, 0, 0])),
        ("feature", np.array([-1, 0, 0])),
        ("roots", np.array([3])),
        ("value", np.array([0.0, np.nan, 1.0])),
        ("threshold", np.array([np.nan, 0.0, 0.0])),
        ("threshold", np.zeros(2)),
        ("baseline", np.zeros(2)),
        ("left", np.array([1.0, -1.0, -1.0])),
    ],
)
def test_trees_that_cannot_be_walked_are_refused(name: str, value: Any) -> None:
    arrays = dict(sorted((stump() | {name: value}).items()))
    with pytest.raises(BadInputError, match="at x"):
        model_from_bytes(forged(PriceModel(provenance("hgb"), arrays)), "x")


@pytest.mark.parametrize(
    ("name", "value"), [("w", np.zeros(3)), ("scale", np.zeros(SIGNALS)), ("b", np.array([np.inf]))]
)
def test_weights_that_cannot_be_used_are_refused(name: str, value: Any) -> None:
    with pytest.raises(BadInputError, match=f"at model.{name}"):
        sealed(provenance("logistic"), line() | {name: value})


def test_arrays_missing_or_too_many_are_refused() -> None:
    with pytest.raises(BadInputError, match="expected the arrays"):
        sealed(provenance("logistic"), stump())
