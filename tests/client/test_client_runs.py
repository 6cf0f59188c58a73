"""A run directory as data frames: the tables by name, their errors, and pandas where it is."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from anabranch import load_run
from router.domain.errors import RunError
from scenarios.runner import run
from scenarios.scenario import load_scenario
from scenarios.tables import TABLES


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("run") / "one"
    run(load_scenario("one_share"), seed=1, out=place)
    return place


def test_every_table_is_an_attribute(folder: Path) -> None:
    found = load_run(folder)
    assert list(found.tables) == list(TABLES)
    for name in TABLES:
        frame = getattr(found, name)
        assert isinstance(frame, pl.DataFrame)
        assert frame.columns == TABLES[name].names
    assert found.executions["last_qty"].sum() == found.summary.filled_qty == 1
    assert len(found.probabilities["routing_probabilities"][0]) == len(found.lanes)
    assert "one_share" in repr(found)


def test_path_may_be_text(folder: Path) -> None:
    assert load_run(str(folder)).orders.equals(load_run(folder).orders)


def test_table_that_is_none_is_said_with_the_nearest(folder: Path) -> None:
    with pytest.raises(AttributeError, match=r"did you mean executions\?"):
        load_run(folder).execution  # noqa: B018


def test_directory_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="expected a complete run"):
        load_run(tmp_path)


@pytest.mark.skipif(importlib.util.find_spec("pandas") is None, reason="pandas is not installed")
def test_pandas_has_the_same_rows(folder: Path) -> None:
    found = load_run(folder)
    frames = found.to_pandas()
    assert {name: len(frame) for name, frame in frames.items()} == {n: len(t) for n, t in found.tables.items()}
    assert list(frames["executions"].columns) == found.executions.columns


WITHOUT_PANDAS = """
import sys
from importlib.machinery import PathFinder

class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name == "pandas" else super().find_spec(name, path, target)

sys.meta_path = [Finder if finder is PathFinder else finder for finder in sys.meta_path]
import anabranch
try:
    anabranch.load_run(sys.argv[1]).to_pandas()
except anabranch.UsageError as exc:
    print(exc)
"""


def test_absence_of_pandas_is_said(folder: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_PANDAS, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    assert done.stdout == "expected pandas to be installed, got none; polars' frames need nothing - at to_pandas\n"
