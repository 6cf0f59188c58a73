"""`anabranch learner status`: where a release stands, who changed what, and why."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from cluster.cli import main
from scenarios.runner import run
from scenarios.scenario import library, parse_scenario

RELEASE = """
[learning.release]
challenger = "uniform"
min_outcomes = 20

[[learning.steer]]
at_s = 200
act = "roll_back"
who = "ann"
why = "a client asked"

"""


def played(folder: Path, learning: str) -> Path:
    text = library()["smoke"].read_text(encoding="utf-8").replace("[timing]", f"{learning}[timing]")
    run(parse_scenario(text, "status"), seed=1, out=folder / "run")
    return folder / "run"


def test_status_says_phase_gate_who_and_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["learner", "status", str(played(tmp_path, RELEASE))]) == 0
    shown = capsys.readouterr().out
    assert "uniform against censored: ROLLED_BACK, 0% of new orders" in shown
    assert "gate: waits for nothing" in shown
    row = next(line for line in shown.splitlines() if "roll_back" in line)
    expected = "2018-01-02 14:33:20 CANARY roll_back ROLLED_BACK 0% 0/0 ann a client asked"
    assert " ".join(row.split()) == expected


def test_status_as_json_has_the_whole_release(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["learner", "status", str(played(tmp_path, RELEASE)), "--json"]) == 0
    told = msgspec.json.decode(capsys.readouterr().out)
    assert told["release"]["phase"] == "ROLLED_BACK"
    assert [event["act"] for event in told["steered"]] == ["pass", "roll_back"]


def test_status_without_a_release_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["learner", "status", str(played(tmp_path, ""))]) == 0
    assert capsys.readouterr().out.strip() == "censored routes alone: nothing is being released"
    assert main(["learner", "status", str(tmp_path)]) == 2
