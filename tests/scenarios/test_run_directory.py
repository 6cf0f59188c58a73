"""Run directories: whole or not there, never in place of something else, and what a recorder puts into them.

Rule of this file: what is on disk before and after is compared by content.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pyarrow.parquet as pq
import pytest
from small_market import SMOKE, scenario

from router.domain.enums import OrdStatus, OrdType, Side, Tactic, VenueType
from router.domain.errors import RunError
from router.domain.events import (
    ChildIntended,
    ChildOut,
    ChildReconciled,
    ChildRejected,
    ChildTraded,
    ParentAccepted,
    ParentDone,
    ReportIgnored,
)
from router.domain.instruments import FeeSchedule, Listing, VenueSpec, lanes_of
from router.domain.orders import ChildOrder, ParentOrder
from scenarios.assembly import assemble
from scenarios.checkers import check_holds
from scenarios.recorder import Recorder
from scenarios.report.reading import read_run, read_summary
from scenarios.run_output import write_run
from scenarios.runner import run
from scenarios.scenario import HoldsPart
from scenarios.tables import RUN_FORMAT, TABLES, RunSummary


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunSummary]:
    out = tmp_path_factory.mktemp("runs") / "one"
    return out, run(scenario(), seed=1, out=out)


def test_a_run_is_read_back_as_it_was_written(done: tuple[Path, RunSummary]) -> None:
    out, summary = done
    data = read_run(out)
    assert data.summary == summary
    assert summary.out == str(out)
    assert summary.run_format == RUN_FORMAT
    assert (out / "scenario.toml").read_text(encoding="utf-8") == SMOKE
    assert data.lanes == tuple(str(lane) for lane in lanes_of(assemble(scenario(), 1, None).specs))


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_readable_by_polars_and_keeps_its_schema(name: str, done: tuple[Path, RunSummary]) -> None:
    path = done[0] / f"{name}.parquet"
    assert pq.read_schema(path).remove_metadata().equals(TABLES[name])
    frame = pl.read_parquet(path)
    assert frame.columns == TABLES[name].names
    assert frame.height > 0


def test_a_directory_holds_its_tables_and_nothing_else(done: tuple[Path, RunSummary]) -> None:
    assert set(content(done[0])) == {"scenario.toml", "summary.json", *(f"{name}.parquet" for name in TABLES)}
    assert [path.name for path in done[0].parent.iterdir()] == ["one"]


def written(out: Path, recorder: Recorder | None = None) -> None:
    assembly = assemble(scenario(), 1, None)
    write_run(out, scenario(), recorder or Recorder(assembly.specs, lambda at: ""), summary_of())


def summary_of(**changes: Any) -> RunSummary:
    fields: dict[str, Any] = {
        name: None if name.endswith("_bps") else 0 for name in RunSummary.__struct_fields__ if name != "checks"
    }
    fields |= {"scenario": "smoke", "policy": "uniform", "runtime": "test", "digest": "d", "order_qty": 100}
    fields |= {"run_format": RUN_FORMAT, "px_unit": "0.0001", "out": None}
    fields |= {"learner_digest": "", "checkpoint": "", "release": None, "steered": (), **changes}
    return RunSummary(**fields)


def test_a_run_replaces_an_earlier_one_whole(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "run"
    written(out)
    (out / "report.html").write_text("of the earlier run", encoding="utf-8")
    written(out)
    assert not (out / "report.html").exists()
    assert read_run(out).summary == summary_of()


def test_an_empty_folder_is_a_place_for_a_run(tmp_path: Path) -> None:
    written(tmp_path / "new")
    (tmp_path / "empty").mkdir()
    written(tmp_path / "empty")
    assert read_summary(tmp_path / "empty" / "summary.json") == summary_of()


FOREIGN = {
    "a folder of somebody": {"thesis.tex": "ten years"},
    "a folder with some summary": {"summary.json": '{"title": "ten years"}', "thesis.tex": "ten years"},
    "a folder with a list for a summary": {"summary.json": "[1, 2]"},
    "a folder with nonsense for a summary": {"summary.json": "{"},
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_folder_is_never_overwritten(name: str, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    for file, text in FOREIGN[name].items():
        (out / file).write_text(text, encoding="utf-8")
    before = content(out)
    with pytest.raises(RunError, match=r"expected a new folder or an earlier run, got something else - at .*mine"):
        written(out)
    assert content(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_foreign_folder_beside_the_place_is_never_overwritten_either(tmp_path: Path) -> None:
    beside = tmp_path / "run.part"
    beside.mkdir()
    (beside / "thesis.tex").write_text("ten years", encoding="utf-8")
    with pytest.raises(RunError, match=r"an interrupted run, got something else - at .*run\.part"):
        written(tmp_path / "run")
    assert content(beside) == {"thesis.tex": b"ten years"}


def test_what_an_interrupted_run_left_is_cleared_away(tmp_path: Path) -> None:
    beside = tmp_path / "run.part"
    beside.mkdir()
    (beside / "market.parquet").write_bytes(b"half")
    written(tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_file_in_the_place_of_the_run_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.write_text("notes", encoding="utf-8")
    with pytest.raises(RunError):
        written(out)
    with pytest.raises(RunError, match="a folder that can be written"):
        written(out / "below")
    assert out.read_text(encoding="utf-8") == "notes"


def test_a_run_that_cannot_be_written_whole_leaves_the_earlier_one(tmp_path: Path) -> None:
    out = tmp_path / "run"
    written(out)
    before = content(out)
    recorder = Recorder(assemble(scenario(), 1, None).specs, lambda at: "")
    recorder.market.append({"at": "not a time"})
    with pytest.raises((KeyError, TypeError, ValueError)):
        written(out, recorder)
    assert content(out) == before


def test_a_run_needs_a_name_for_its_folder() -> None:
    with pytest.raises(RunError, match="got an empty path"):
        run(scenario(), seed=1, out=Path())


# What a recorder makes of events

MAKER_MICROS, TAKER_MICROS = -2_000, 3_000
SPEC = VenueSpec(
    mic="XLTA",
    venue_type=VenueType.CENTRAL_LIMIT_ORDER_BOOK,
    listing=Listing(symbol="S", mic="XLTA"),
    fees=FeeSchedule(maker_micros=MAKER_MICROS, taker_micros=TAKER_MICROS),
    tactics=(Tactic.TAKE, Tactic.POST),
)
PARENT = ParentOrder(
    parent_id="P", client_order_id="P", symbol="S", side=Side.BUY, order_qty=100, start_at=0, end_at=99
)
CHILD = ChildOrder(
    cl_ord_id="P.0",
    parent_id="P",
    decision_id="P.d0",
    symbol="S",
    mic="XLTA",
    tactic=Tactic.POST,
    side=Side.BUY,
    order_qty=60,
    ord_type=OrdType.LIMIT,
    price=400_000,
)
IDS = {"parent_id": "P", "cl_ord_id": "P.0"}


def recorded(*events: Any, tactic: Tactic = Tactic.TAKE) -> Recorder:
    child = msgspec.structs.replace(CHILD, tactic=tactic)
    recorder = Recorder((SPEC,), lambda at: "")
    recorder.host(0, [ParentAccepted(parent_id="P", at=0, parent=PARENT, arrival_px2=800_001)])
    recorder.host(1, [ChildIntended(**IDS, at=1, child=child, mid_routed2=800_000), *events])
    return recorder


def traded(exec_id: str, qty: int, **changes: Any) -> ChildTraded:
    fields = {"at": 5, "last_px": 400_000, **changes}
    return ChildTraded(**IDS, exec_id=exec_id, last_qty=qty, **fields)


def test_a_half_price_is_kept_as_it_is() -> None:
    assert recorded().orders["P"]["arrival_px"] == 400_000.5


@pytest.mark.parametrize(
    ("events", "status", "closed_at", "cum_qty"),
    [
        ((), "PENDING_NEW", None, 0),
        ((traded("x1", 20),), "PARTIALLY_FILLED", None, 20),
        ((traded("x1", 20), traded("x2", 40)), "FILLED", 5, 60),
        ((traded("x1", 20), ChildOut(**IDS, at=7, ord_status=OrdStatus.EXPIRED, cum_qty=20)), "EXPIRED", 7, 20),
        ((ChildRejected(**IDS, at=7),), "REJECTED", 7, 0),
        ((ChildReconciled(**IDS, at=7, ord_status=OrdStatus.CANCELED, cum_qty=0),), "CANCELED", 7, 0),
        ((ChildReconciled(**IDS, at=7, ord_status=OrdStatus.NEW, cum_qty=0),), "NEW", None, 0),
    ],
)
def test_a_childs_row_is_closed_when_the_child_is(
    events: tuple[Any, ...], status: str, closed_at: int | None, cum_qty: int
) -> None:
    row = recorded(*events).children["P.0"]
    assert (row["ord_status"], row["closed_at"], row["cum_qty"]) == (status, closed_at, cum_qty)


REPLACED = [
    pytest.param([(25, 20)], [("x0", 25)], id="by one larger report"),
    pytest.param([(8, 8)], [("inferred:P.0/3", 2), ("inferred:P.0/5", 10), ("x0", 8)], id="in part, oldest first"),
    pytest.param([(8, 8), (12, 12)], [("x0", 8), ("x1", 12)], id="across both estimates"),
    pytest.param([], [("inferred:P.0/3", 10), ("inferred:P.0/5", 10)], id="never"),
]


@pytest.mark.parametrize(("real", "expected"), REPLACED)
def test_real_reports_take_the_place_of_inferred_rows(
    real: list[tuple[int, int]], expected: list[tuple[str, int]]
) -> None:
    guesses = [traded(f"inferred:P.0/{n}", 10, last_px=900 + n, is_inferred=True) for n in (3, 5)]
    reports = [
        traded(f"x{i}", qty, replaces_inferred_qty=replaced, fee_micros=7) for i, (qty, replaced) in enumerate(real)
    ]
    recorder = recorded(*guesses, *reports)
    rows, order = recorder.executions, recorder.orders["P"]
    assert [(row["exec_id"], row["last_qty"]) for row in rows] == expected
    assert order["cum_qty"] == recorder.children["P.0"]["cum_qty"] == sum(row["last_qty"] for row in rows)
    assert order["notional"] == sum(row["last_qty"] * row["last_px"] for row in rows)
    assert order["fee_micros"] == sum(row["fee_micros"] for row in rows)
    inferred = sum(row["last_qty"] for row in rows if row["exec_id"].startswith("inferred:"))
    assert order["fee_micros"] == inferred * TAKER_MICROS + 7 * len(real)


@pytest.mark.parametrize(("tactic", "rate"), [(t, MAKER_MICROS if t is Tactic.POST else TAKER_MICROS) for t in Tactic])
def test_an_inferred_fill_is_charged_what_its_tactic_would_be(tactic: Tactic, rate: int) -> None:
    recorder = recorded(traded("inferred:P.0/3", 20, is_inferred=True), tactic=tactic)
    assert [row["fee_micros"] for row in recorder.executions] == [20 * rate]


def test_the_late_report_of_a_closed_child_leaves_its_end_where_it_was() -> None:
    guess = traded("inferred:P.0/3", 20, is_inferred=True)
    end = ChildOut(**IDS, at=7, ord_status=OrdStatus.CANCELED, cum_qty=20)
    recorder = recorded(guess, end, traded("x1", 20, at=9, replaces_inferred_qty=20, is_late=True))
    row = recorder.children["P.0"]
    assert (row["ord_status"], row["closed_at"], row["cum_qty"]) == ("CANCELED", 7, 20)


def test_anomalies_are_counted_and_duplicates_are_none() -> None:
    ignored = [ReportIgnored(parent_id="P", at=6, mic="XLTA", exec_id="e", reason=r) for r in ("DUPLICATE", "STRANGE")]
    recorder = recorded(*ignored, traded("x1", 5, is_late=True))
    assert recorder.orders["P"]["anomalies"] == 2


def test_a_digest_covers_what_is_said_and_its_order() -> None:
    one, two = traded("x1", 20), traded("x2", 30)
    digests = {recorded(*events).digest for events in ((), (one,), (two,), (one, two), (two, one))}
    assert len(digests) == 5
    assert recorded(one, two).digest == recorded(one, two).digest


# What must hold

FILLED = (traded("x1", 60), ParentDone(parent_id="P", at=9, ord_status=OrdStatus.EXPIRED))


@pytest.mark.parametrize(
    ("holds", "name", "held"),
    [
        (HoldsPart(filled_share_min=0.6), "filled_share_min", True),
        (HoldsPart(filled_share_min=0.61), "filled_share_min", False),
        (HoldsPart(filled_share_max=0.6), "filled_share_max", True),
        (HoldsPart(filled_share_max=0.59), "filled_share_max", False),
        (HoldsPart(decisions_min=3), "decisions_min", True),
        (HoldsPart(decisions_min=4), "decisions_min", False),
        (HoldsPart(anomalies_max=2), "anomalies_max", True),
        (HoldsPart(anomalies_max=1), "anomalies_max", False),
        (HoldsPart(routing_cost_max_bps=1.5), "routing_cost_max_bps", True),
        (HoldsPart(routing_cost_max_bps=1.4), "routing_cost_max_bps", False),
        (HoldsPart(no_fills_at=("XLTB",)), "no_fills_at XLTB", True),
        (HoldsPart(no_fills_at=("XLTA",)), "no_fills_at XLTA", False),
        (HoldsPart(fills_at=("XLTA",)), "fills_at XLTA", True),
        (HoldsPart(fills_at=("XLTB",)), "fills_at XLTB", False),
    ],
)
def test_each_thing_that_must_hold_is_checked(holds: HoldsPart, name: str, held: bool) -> None:
    summary = summary_of(filled_qty=60, decisions=3, anomalies=2, routing_cost_bps=1.5)
    checks = {check[0]: check for check in check_holds(holds, summary, recorded(*FILLED))}
    assert set(checks) == {name, "orders_end"}
    assert checks[name][1] is held
    assert checks["orders_end"][1] is True
    assert checks[name][2].startswith("expected ")


def test_a_cost_that_is_not_known_does_not_hold() -> None:
    ((_, held, detail), _) = check_holds(HoldsPart(routing_cost_max_bps=9.0), summary_of(), recorded(*FILLED))
    assert (held, detail) == (False, "expected 9.0, got None")


def test_an_order_that_is_open_or_never_began_has_not_ended() -> None:
    (check,) = check_holds(HoldsPart(), summary_of(), recorded())
    assert check == ("orders_end", False, "expected none open, got ['P']")
    ((_, held, _),) = check_holds(HoldsPart(), summary_of(), Recorder((SPEC,), lambda at: ""))
    assert held is False
    assert check_holds(HoldsPart(orders_end=False), summary_of(), recorded()) == ()


def test_a_summary_is_json_with_its_checks() -> None:
    summary = summary_of(checks=(("orders_end", True, "expected none open, got []"),))
    assert msgspec.json.decode(msgspec.json.encode(summary), type=RunSummary) == summary
