"""Checkpoints: what was learned comes back to the bit, or is refused with the name of what is wrong."""

from __future__ import annotations

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learners.lanes.model import LaneModel
from learners.lanes.shape import LaneShape
from learners.state.accumulator import Accumulator
from learners.state.checkpoint import (
    METADATA_KEY,
    Array,
    Checkpoint,
    Provenance,
    digest_of,
    from_bytes,
    sealed,
    to_bytes,
)
from router.domain.chance import generator
from router.domain.errors import BadInputError

ABOUT = Provenance(
    policy="censored",
    lanes=("XNYS:TAKE", "XNYS:POST"),
    features=("bias", "spread"),
    scaler_version=1,
    standard_qty=500,
    standard_life_ns=10_000_000_000,
    parameters={"half_life_s": 480.0},
    half_lives_s=(480.0,),
    information=("a",),
    at=40,
    applied=4,
    policy_digest="00",
    created_by="a test",
)


def learned() -> Accumulator:
    sums = Accumulator(rows=2, width=2, half_life_ns=10)
    for n in range(4):
        sums.add(n % 2, at=10 * n, x=np.array([1.0, 0.3 * n]), weight=0.5, pull=n / 7)
    return sums


def made(**changes: Array) -> Checkpoint:
    sums = learned()
    arrays: dict[str, Array] = {"a": sums.a, "b": sums.b, "epoch": np.array([sums.epoch]), **changes}
    return sealed(ABOUT, arrays)


def same(one: Checkpoint, two: Checkpoint) -> bool:
    arrays = zip(one.arrays.items(), two.arrays.items(), strict=True)
    is_same = all(a == b and x.dtype == y.dtype and x.tobytes() == y.tobytes() for (a, x), (b, y) in arrays)
    return is_same and one.provenance == two.provenance


def resealed(provenance: Provenance, arrays: dict[str, Array]) -> bytes:
    """A checkpoint whose digest is right, whatever it holds."""
    bare = Checkpoint(provenance, arrays)
    return to_bytes(Checkpoint(msgspec.structs.replace(provenance, sha256=digest_of(bare)), arrays))


def test_what_was_written_comes_back_to_the_bit() -> None:
    checkpoint = made(seen=np.frombuffer(b"keys", dtype=np.uint8))
    again = from_bytes(to_bytes(checkpoint), "here")
    assert same(checkpoint, again)
    assert list(again.arrays) == ["a", "b", "epoch", "seen"]
    assert to_bytes(again) == to_bytes(checkpoint)


def test_a_checkpoint_is_a_copy() -> None:
    sums = learned()
    checkpoint = sealed(ABOUT, {"a": sums.a})
    before = digest_of(checkpoint)
    sums.add(0, at=50, x=np.ones(2), weight=1.0, pull=1.0)
    assert digest_of(checkpoint) == before


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_every_mutation_is_refused_or_changes_nothing(data: st.DataObject) -> None:
    checkpoint = made()
    whole = to_bytes(checkpoint)
    at = data.draw(st.integers(0, len(whole) - 1))
    kind = data.draw(st.sampled_from(("flip", "cut", "grow", "drop", "swap")))
    if kind == "flip":
        mutated = whole[:at] + bytes([whole[at] ^ (1 << data.draw(st.integers(0, 7)))]) + whole[at + 1 :]
    elif kind == "cut":
        mutated = whole[:at]
    elif kind == "grow":
        mutated = whole[:at] + data.draw(st.binary(min_size=1, max_size=16)) + whole[at:]
    elif kind == "drop":
        mutated = whole[:at] + whole[at + data.draw(st.integers(1, 16)) :]
    else:
        other = data.draw(st.integers(0, len(whole) - 1))
        low, high = sorted((at, other))
        mutated = whole[:low] + whole[high:] + whole[low:high]
    try:
        found = from_bytes(mutated, "here")
    except BadInputError as refusal:
        assert "here" in str(refusal)
    else:
        assert same(found, checkpoint)


def test_a_state_that_cannot_be_is_refused_by_name_even_with_the_right_digest() -> None:
    good = made()
    worse = good.arrays["a"].copy()
    worse[1] = -np.eye(2)
    cases: list[tuple[dict[str, Array], str]] = [
        ({**good.arrays, "b": np.full((2, 2), np.nan)}, r"expected finite numbers, got 'nan at \(0, 0\)' - at here, b"),
        ({**good.arrays, "a": worse}, "positive semi-definite matrices, got -1.0 - at here, a"),
        ({**good.arrays, "a": np.zeros((2, 3))}, "square matrices"),
        ({"b": good.arrays["b"]}, "got None - at here, a"),
    ]
    for arrays, named in cases:
        with pytest.raises(BadInputError, match=named):
            from_bytes(resealed(good.provenance, arrays), "here")


def test_sealing_refuses_what_loading_would() -> None:
    with pytest.raises(BadInputError, match="finite numbers"):
        made(b=np.array([np.inf]))
    with pytest.raises(BadInputError, match="an array of float64, int64, uint8"):
        made(b=np.array(["text"]))  # type: ignore[arg-type]


def test_another_format_and_another_file_are_refused() -> None:
    good = made()
    newer = msgspec.structs.replace(good.provenance, format=2)
    with pytest.raises(BadInputError, match="expected 1, got 2 - at here, format"):
        from_bytes(resealed(newer, good.arrays), "here")
    sink = pa.BufferOutputStream()
    schema = pa.schema([("x", pa.int64())], metadata={METADATA_KEY: b"{}"})
    with pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(pa.record_batch([pa.array([1])], schema=schema))
    with pytest.raises(BadInputError, match="another Arrow file"):
        from_bytes(sink.getvalue().to_pybytes(), "here")
    for text in (b"", b"a pickle?", b"ARROW1\0\0"):
        with pytest.raises(BadInputError, match="here"):
            from_bytes(text, "here")


def test_provenance_with_an_unknown_field_is_refused() -> None:
    good = made()
    whole = to_bytes(good)
    assert whole.count(b'"scaler_version"') >= 1
    with pytest.raises(BadInputError, match="here"):
        from_bytes(whole.replace(b'"scaler_version"', b'"sealer_version"'), "here")


def test_a_lane_model_comes_back_and_learns_on_as_if_nothing_had_happened() -> None:
    shape = LaneShape((0, 0, 1), (True, True, False), 2, 100.0, (0.5, 0.2), (1.0, 1.0), (0.0, 1.0), (0.0, 0.0))
    first, second = LaneModel(shape), LaneModel(shape)
    contexts = generator(1, "lanes", "contexts").normal(size=(200, 2))
    contexts[:, 0] = 1.0

    def teach(model: LaneModel, start: int, end: int) -> None:
        for n in range(start, end):
            at, x = n * 3_000_000_000, contexts[n]
            model.trial(n % 2, at, x, n % 3 == 0)
            model.expose(2, at, x, 0.0, 1.0, n % 5 == 0)
            model.size(n % 3, at, x, 100.0, 40.0 + n % 60)
            model.markout(n % 3, at, x, n % 3, float(n % 7))

    teach(first, 0, 150)
    about = msgspec.structs.replace(ABOUT, information=("a",))
    arrays = {name: np.ascontiguousarray(array) for name, array in first.arrays().items()}
    found = from_bytes(to_bytes(sealed(about, arrays)), "here")
    second.restore(found.arrays)  # type: ignore[arg-type]
    assert second.digest() == first.digest()
    for model in (first, second):
        teach(model, 150, 200)
    assert second.digest() == first.digest()
