"""A live session's journal, played again by the command: in one process and on three nodes it comes out the same.

Rule of this file: the command that people run, on a real Ray that it starts and ends; nothing is asserted about time.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_embedded_desk import told, up, wanted

pytestmark = pytest.mark.ray


def played_again(journal: Path, *options: str) -> dict[str, Any]:
    """What the command says of a session, as JSON."""
    command = [str(Path(sys.executable).with_name("anabranch")), "verify-replay", str(journal), *options, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


async def test_live_session_is_the_same_in_one_process_and_on_three_nodes(tmp_path: Path) -> None:
    async with up(tmp_path) as desk:
        await desk.ask(wanted(desk, "one", 500))
        await desk.ask(wanted(desk, "two", 300, "twap"))
        await told(desk, "OrderExecuted", 3)
    journal = tmp_path / "state" / "record.sqlite"
    here = played_again(journal)
    assert here["difference"] == ""
    assert min(here[name] for name in ("decisions", "fills", "probabilities", "events")) > 0
    assert played_again(journal, "--runtime", "ray", "--nodes", "3") == here
