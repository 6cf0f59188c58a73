"""The examples and the guide's blocks run as they stand against a real desk."""

from __future__ import annotations

import ast
import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_desk import ServedDesk

from anabranch import Client
from examples import decide_and_report, kill_switch, submit_and_follow
from scenarios.runner import run
from scenarios.scenario import load_scenario

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "client.md"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedDesk]:
    with ServedDesk(tmp_path_factory.mktemp("desk")) as served:
        yield served


def test_submit_and_follow(desk: ServedDesk, capsys: pytest.CaptureFixture[str]) -> None:
    cost = submit_and_follow.main(desk.url)
    assert 0 < cost.cum_qty <= 300
    assert "order_ended" in capsys.readouterr().out


def test_decide_and_report(desk: ServedDesk, capsys: pytest.CaptureFixture[str]) -> None:
    reported, learnt = asyncio.run(decide_and_report.main(desk.url))
    assert learnt >= reported >= decide_and_report.SLICES
    assert f"{reported} outcomes reported" in capsys.readouterr().out


def test_kill_switch(desk: ServedDesk, capsys: pytest.CaptureFixture[str]) -> None:
    assert kill_switch.main(desk.url) == ["KILLED_ALL"]
    assert "in force now: []" in capsys.readouterr().out
    with Client(desk.url) as client:
        assert client.wait_until_ready(10).is_ready


def test_example_is_a_program(desk: ServedDesk) -> None:
    done = subprocess.run(
        [sys.executable, "examples/kill_switch.py", desk.url], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "KILLED_ALL" in done.stdout


def test_guide_runs_from_top_to_bottom(
    desk: ServedDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(load_scenario("one_share"), seed=1, out=tmp_path / "runs" / "mine")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DESK_1_SECRET", "0" * 32)
    blocks = BLOCK.findall(GUIDE.read_text(encoding="utf-8"))
    assert len(blocks) == 8
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block.replace("http://127.0.0.1:8080", desk.url), str(GUIDE), "exec"), names)
    names["signed"].close()
    said = capsys.readouterr().out
    assert "UNKNOWN_INSTRUMENT" in said
    assert "order_ended" in said
    assert names["place"] == f"ACME-1:{names['event'].seq}"


def test_guide_shows_every_example_and_each_is_open_about_its_rule() -> None:
    files = sorted((ROOT / "examples").glob("*.py"))
    text = GUIDE.read_text(encoding="utf-8")
    assert [one.name for one in files if f"`examples/{one.name}`" not in text] == []
    for one in files:
        assert "Rule of this file:" in (ast.get_docstring(ast.parse(one.read_text(encoding="utf-8"))) or ""), one.name
