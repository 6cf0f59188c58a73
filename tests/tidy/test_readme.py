"""The commands and programs that the README shows work as they are printed.

Rule of this file: what is run here is read from the README; each block runs in an empty folder, from top to bottom.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
ANABRANCH = f"{shlex.quote(sys.executable)} -c 'import sys; from cluster.cli import main; sys.exit(main())'"
TIMEOUT_S = 300


def blocks(kind: str) -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return [found[2] for found in BLOCK.finditer(text) if found[1] == kind]


def perform(command: list[str], folder: Path, data: Path | None = None) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith("ANABRANCH_")}
    env["PYTHONPATH"] = str(ROOT)
    if data is not None:
        env["ANABRANCH_DATA"] = str(data)
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=TIMEOUT_S, check=False, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def perform_sh(block: str, folder: Path, data: Path | None = None) -> str:
    return perform(["sh", "-ec", block.replace(".venv/bin/anabranch", ANABRANCH)], folder, data)


@pytest.fixture
def data() -> Path:
    place = os.environ.get("ANABRANCH_DATA")
    root = Path(place) if place else ROOT.parent / "shared" / "data"
    absent = [name for name in ("fx_two_dealers_2014", "us_taq_venue_bbo_2018") if not (root / name).is_dir()]
    if absent:
        pytest.skip(f"no recorded data: {', '.join(absent)} neither in ANABRANCH_DATA nor in ../shared/data")
    return root


def test_first_block_is_the_two_commands() -> None:
    assert blocks("sh")[0].split() == ["./demo", "./check"]
    assert all((ROOT / name).is_file() for name in ("demo", "check"))


def test_researcher_block_runs(tmp_path: Path) -> None:
    printed = perform_sh(blocks("sh")[1], tmp_path)
    assert "runs/smoke-censored-3/report.html" in printed
    assert (tmp_path / "runs/smoke-compare-3/comparison.html").is_file()


def test_program_block_runs(tmp_path: Path) -> None:
    printed = perform([sys.executable, "-c", blocks("python")[0]], tmp_path)
    assert "3000" in printed
    assert "FILL" in printed or "MARKOUT" in printed


@pytest.mark.ray
def test_live_block_runs(tmp_path: Path) -> None:
    printed = perform_sh(blocks("sh")[2], tmp_path)
    assert '"is_ready":true' in printed
    assert '"client_order_id":"first-1"' in printed
    assert "equal: digest" in printed


@pytest.mark.ray
def test_operator_block_runs(tmp_path: Path) -> None:
    printed = perform_sh(blocks("sh")[3], tmp_path)
    assert "smoke · censored · seed 3 · ray" in printed


@pytest.mark.ray
def test_killed_actor_changes_nothing_as_the_readme_says(tmp_path: Path) -> None:
    printed = perform([sys.executable, "-c", blocks("python")[1]], tmp_path)
    assert "('host-0', 'host', 1)" in printed
    assert "same digest: True" in printed


def test_simulator_is_examined_as_the_readme_says(tmp_path: Path) -> None:
    printed = perform_sh(blocks("sh")[4], tmp_path)
    assert [part for part in ("cst.", "impact.", "free_lunch.", " failed") if part not in printed] == []


def test_data_block_runs(tmp_path: Path, data: Path) -> None:
    printed = perform_sh(blocks("sh")[5], tmp_path, data)
    assert "rows of fx, EURUSD" in printed
    assert (tmp_path / "eurusd.parquet").is_file()
    assert (tmp_path / "flow.toml").is_file()
    assert "dealer_only_fx" in printed


def test_learning_block_runs(tmp_path: Path) -> None:
    printed = perform_sh(blocks("sh")[6], tmp_path)
    assert "SMOKE-1.d12" in printed
    assert "DRS less logged" in printed
    assert (tmp_path / "smoke.arrow").is_file()
