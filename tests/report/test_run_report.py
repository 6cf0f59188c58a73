"""The run report: whole, offline, escaped, small enough, and clear about what is missing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from synthetic_run import LANES, VENUES, write_empty, write_run

from router.domain.errors import RunError
from scenarios.report import run_tables, time_figures, write_report
from scenarios.report.price_unit import price_unit
from scenarios.report.reading import read_run
from scenarios.tables import RUN_FORMAT, TABLES

PAGE_BYTES_MAX = 8_000_000
UNITS = ("0.0001", "0.01")


def page_of(run: Path) -> str:
    return write_report(run).read_text(encoding="utf-8")


def own_markup(page: str) -> str:
    """Return the page without its scripts and styles."""
    return re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "full")


def test_report_shows_every_section_and_venue(run: Path) -> None:
    page = page_of(run)
    markup = own_markup(page)
    for anchor in ("price", "routing-buy", "schedule", "cost", "venues", "markouts", "shares", "children", "decisions"):
        assert f'<section id="{anchor}">' in markup
    for mic, _, _ in VENUES:
        assert f'<td class="t">{mic}</td>' in markup
    for regime in ("calm", "volatile", "dark_rich", "toxic"):
        assert f">{regime}</span>" in markup
    assert markup.count("<details") == 20
    assert markup.count("<details open") == 1


def test_report_loads_nothing_from_elsewhere(run: Path) -> None:
    page = page_of(run)
    assert not re.search(r"<(script|link|img|iframe)[^>]*\b(src|href)=", page)
    assert '"showSendToCloud": false' in page
    assert "http" not in own_markup(page)
    assert page.count("plotly.js v") == 1


def test_report_stays_small_when_the_run_is_long(tmp_path: Path) -> None:
    long = write_run(tmp_path / "long", rows=60_000, fills=20_000)
    assert write_report(long).stat().st_size < PAGE_BYTES_MAX


def test_same_run_gives_the_same_page(run: Path, tmp_path: Path) -> None:
    first = write_report(run, tmp_path / "a.html").read_bytes()
    assert write_report(run, tmp_path / "b.html").read_bytes() == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "b.html"]


def test_empty_run_says_that_nothing_happened(tmp_path: Path) -> None:
    markup = own_markup(page_of(write_empty(tmp_path / "empty")))
    for said in ("Nothing was filled", "No decision was taken", "No child was sent", "No policy version"):
        assert said in markup


def test_run_without_fills_still_shows_its_market(run: Path, tmp_path: Path) -> None:
    unfilled = write_run(tmp_path / "unfilled", fills=0, arrival_slippage_bps=None, routing_cost_bps=None)
    markup = own_markup(page_of(unfilled))
    assert "Nothing was filled" in markup
    assert "plot-price" in markup


def test_text_from_a_run_is_escaped(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script>"
    odd = write_run(tmp_path / "odd", scenario=evil, checks=((evil, False, evil),))
    for name in ("venues", "children", "executions", "decisions"):
        frame = pq.read_table(odd / f"{name}.parquet")
        column = "policy" if name == "decisions" else "mic"
        at = frame.schema.get_field_index(column)
        pq.write_table(frame.set_column(at, column, pa.array([evil] * frame.num_rows)), odd / f"{name}.parquet")
    page = page_of(odd)
    assert evil not in page
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in page


def test_absent_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="expected a run directory"):
        write_report(tmp_path / "nowhere")


def test_missing_files_are_all_named(tmp_path: Path) -> None:
    run = write_empty(tmp_path / "run")
    (run / "market.parquet").unlink()
    (run / "summary.json").unlink()
    with pytest.raises(RunError, match=r"without summary\.json, market\.parquet"):
        write_report(run)


def test_other_run_format_is_refused(tmp_path: Path) -> None:
    run = write_empty(tmp_path / "run")
    summary = json.loads((run / "summary.json").read_text())
    (run / "summary.json").write_text(json.dumps({**summary, "run_format": 99}))
    with pytest.raises(RunError, match=f"expected run_format {RUN_FORMAT}, got 99"):
        write_report(run)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"run_format": 1}', "\x00"])
def test_summary_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    run = write_empty(tmp_path / "run")
    (run / "summary.json").write_text(text)
    with pytest.raises(RunError, match=r"summary\.json"):
        write_report(run)


def test_table_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    run = write_empty(tmp_path / "run")
    (run / "orders.parquet").write_bytes(b"not parquet")
    with pytest.raises(RunError, match=r"orders\.parquet"):
        write_report(run)


def test_table_of_another_schema_is_refused(tmp_path: Path) -> None:
    run = write_empty(tmp_path / "run")
    pq.write_table(TABLES["market"].empty_table().drop_columns(["mid"]), run / "market.parquet")
    with pytest.raises(RunError, match="the column mid"):
        write_report(run)
    floats = TABLES["market"].set(0, pa.field("at", pa.float64())).empty_table()
    pq.write_table(floats, run / "market.parquet")
    with pytest.raises(RunError, match="expected int64, got 'double'"):
        write_report(run)


def test_probabilities_must_say_their_lanes(run: Path, tmp_path: Path) -> None:
    odd = write_run(tmp_path / "odd", rows=600, fills=10)
    table = pq.read_table(odd / "probabilities.parquet")
    pq.write_table(table.replace_schema_metadata(None), odd / "probabilities.parquet")
    with pytest.raises(RunError, match="lanes"):
        write_report(odd)
    pq.write_table(table.replace_schema_metadata({"lanes": ",".join(LANES[:-1])}), odd / "probabilities.parquet")
    with pytest.raises(RunError, match=f"one probability for each of {len(LANES) - 1} lanes"):
        write_report(odd)


def test_page_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    run = write_empty(tmp_path / "run")
    with pytest.raises(RunError, match="a file that can be written"):
        write_report(run, run / "summary.json" / "page.html")


@pytest.mark.parametrize(("unit", "written"), [("0.0001", "40.0012"), ("0.00001", "4.00012"), ("0.01", "4,000.12")])
def test_prices_are_written_in_the_unit_of_the_recording(unit: str, written: str) -> None:
    row = {
        **dict.fromkeys(TABLES["orders"].names),
        **dict.fromkeys(("order_qty", "cum_qty", "start_at", "done_at", "end_at", "anomalies"), 1),
        "arrival_px": 400_012.0,
        "avg_px": 400_012.0,
    }
    assert run_tables.parents(pl.DataFrame([row]), price_unit(unit)).count(f">{written}<") == 2


def test_price_figure_is_in_the_currency_whatever_the_unit(run: Path) -> None:
    tables = read_run(run).tables
    shares, coins = (time_figures.price_path(tables["market"], tables["executions"], price_unit(u)) for u in UNITS)
    for here, there in zip(shares.data, coins.data, strict=True):
        np.testing.assert_allclose(np.asarray(there.y), 100 * np.asarray(here.y), rtol=1e-6)
    assert (shares.layout.yaxis.tickformat, shares.layout.yaxis.hoverformat) == (".2f", ".4f")
    assert (coins.layout.yaxis.tickformat, coins.layout.yaxis.hoverformat) == (".2f", ".2f")


@pytest.mark.parametrize("unit", ["", "free", "0", "-0.01", "NaN", "1e-99"])
def test_summary_with_a_unit_that_is_none_is_refused(unit: str) -> None:
    with pytest.raises(RunError, match="px_unit"):
        price_unit(unit)
