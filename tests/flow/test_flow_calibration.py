"""Calibration: a made-up recording gives back what it was made with; the real ones are met as far as they are.

Rule of this file: recordings that are not there are skipped, saying so.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from cluster.cli import main
from router.domain.errors import TapeError
from router.domain.units import SECOND
from scenarios.recordings import RECORDINGS, present, recorded
from venues.feeds.events import EVENT_SCHEMA, EventFlag, EventKind
from venues.flow.calibration import calibrate
from venues.flow.examination import beside, stylised_facts
from venues.flow.facts import sign_autocorrelation, u_shape
from venues.flow.parameter_text import parse_parameters
from venues.flow.parameters import ADD, CANCEL, IMPROVE, TRADE
from venues.flow.top_tape import TopTape, tape_of_events, tape_of_quotes


@pytest.fixture(scope="session")
def data() -> Path:
    place = os.environ.get("ANABRANCH_DATA")
    root = Path(place) if place else Path(__file__).parents[2].parent / "shared" / "data"
    if present(root) != RECORDINGS:
        pytest.skip("no recordings: neither in ANABRANCH_DATA nor in ../shared/data")
    return root


def small_tape() -> TopTape:
    """Ten seconds: an add, a cancel, a trade that empties the ask, an improvement."""
    quotes = [
        (0, 10_000, 300, 10_100, 200),
        (2, 10_000, 500, 10_100, 200),
        (4, 10_000, 500, 10_100, 150),
        (6, 10_000, 500, 10_300, 400),
        (8, 10_000, 500, 10_200, 100),
    ]
    prints = [(6, 10_100, 150, 1), (9, 10_000, 50, -1)]
    rows = [np.array([(at * SECOND, *rest) for at, *rest in of], dtype=np.int64) for of in (quotes, prints)]
    return tape_of_quotes("small", rows[0], rows[1], 100, 0, (0, 10 * SECOND))


def test_each_change_is_counted_as_what_it_was() -> None:
    fit = calibrate(small_tape())
    assert {kind: int(fit.events[kind]) for kind in (ADD, CANCEL, TRADE, IMPROVE)} == {
        ADD: 1,
        CANCEL: 1,
        TRADE: 2,
        IMPROVE: 1,
    }
    assert fit.parameters.gaps == (0.0, 1.0)
    assert fit.parameters.steps == (1.0,)
    assert set(fit.parameters.revealed_lots) == {400}
    assert set(fit.parameters.sizes_lots[TRADE]) == {50, 150}


def test_order_events_become_the_same_tape_as_quotes() -> None:
    last = int(EventFlag.LAST)
    rows = [
        (0, EventKind.ADD, 1, 10_000, 300, 1, 0),
        (0, EventKind.ADD, -1, 10_100, 200, 2, 0),
        (0, EventKind.ADD, -1, 10_300, 400, 3, last),
        (2, EventKind.ADD, 1, 10_000, 200, 4, last),
        (4, EventKind.REDUCE, -1, 10_100, 50, 2, last),
        (6, EventKind.EXECUTE, -1, 10_100, 150, 2, last),
        (8, EventKind.ADD, -1, 10_200, 100, 5, last),
        (9, EventKind.EXECUTE, 1, 10_000, 50, 1, last),
    ]
    columns = list(zip(*((at * SECOND, "XNAS", int(kind), *rest) for at, kind, *rest in rows), strict=True))
    arrays = [pa.array(of, type=kind) for of, kind in zip(columns, [field.type for field in EVENT_SCHEMA], strict=True)]
    tape = tape_of_events("small", [pa.RecordBatch.from_arrays(arrays, schema=EVENT_SCHEMA)], 100, (0, 10 * SECOND))
    np.testing.assert_array_equal(tape.top[:5], small_tape().top)
    np.testing.assert_array_equal(tape.taken, small_tape().taken)


def test_a_tape_without_trades_is_refused() -> None:
    quotes = np.array([(0, 100, 1, 200, 1), (1, 100, 2, 200, 1)], dtype=np.int64)
    with pytest.raises(TapeError, match="quotes and trades"):
        tape_of_quotes("none", quotes, np.empty((0, 4), dtype=np.int64), 100, 0, (0, 10))


def test_u_shape_of_a_shaped_day_is_found() -> None:
    rng = np.random.default_rng(1)
    x = rng.random(400_000)
    kept = x[rng.random(len(x)) * 2.5 < 1.0 + 1.5 * (2.0 * x - 1.0) ** 2]
    assert u_shape((kept * 1e9).astype(np.int64), 10**9) == pytest.approx(1.5, abs=0.1)


def test_signs_that_stay_are_correlated() -> None:
    signs = np.repeat(np.array([1, -1] * 100), 10)
    found = sign_autocorrelation(signs, 10)
    assert found[0] > 0.75
    assert found[9] < -0.9


@pytest.mark.parametrize("name", RECORDINGS)
def test_flow_fitted_to_a_recording_has_its_facts(name: str, data: Path) -> None:
    tape = recorded(name, data)
    rows = stylised_facts(tape, beside(tape))
    assert len(rows) == 20
    assert [row for row in rows if row.verdict != "pass"] == []


def test_calibrate_prints_both_and_writes_what_it_fitted(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "flow.toml"
    assert main(["calibrate", "taq", "--data", str(data), "--out", str(out), "--json"]) == 0
    assert '"spread.mean_ticks"' in capsys.readouterr().out
    assert parse_parameters(out.read_text("utf-8")).kept[0] > 0.8


def test_a_recording_of_no_such_name_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", "nothing"]) == 2
    assert "expected one of lobster, taq, got 'nothing'" in capsys.readouterr().err
