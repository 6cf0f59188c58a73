"""The page on the HTTP API is true: its commands run as they are printed, and its table of orders is the struct's.

Rule of this file: commands are read from the page and run by a shell with the real curl, top to bottom, on one desk.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from api_desk import ServedDesk

from cluster.api.error_page import errors_page
from cluster.api.schemas import OrderBody, RoutingBlock

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "http-api.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
TIMEOUT_S = 60


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedDesk]:
    with ServedDesk(Path(tmp_path_factory.mktemp("desk")), live='scenario = "midcap_500k"\nspeed = 20.0') as desk:
        yield desk


def perform(commands: str, served: ServedDesk, folder: Path) -> str:
    """Run a block of the page, against this desk in place of the usual one."""
    script = commands.replace("http://127.0.0.1:8080", served.url).replace("curl -s", "curl -s --fail-with-body")
    environment = {"PATH": "/usr/bin:/bin", "API": served.url}
    done = subprocess.run(
        ["sh", "-ec", script],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_commands_of_the_page_run_as_printed(served: ServedDesk, tmp_path: Path) -> None:
    printed = [perform(block, served, tmp_path) for block in BLOCKS[:3]]
    decided = "until curl -s $API/v1/orders/P1/decisions | grep -q P1.d0; do :; done"
    perform(decided, served, tmp_path)
    printed += [perform(block, served, tmp_path) for block in BLOCKS[3:]]
    assert printed[0] == '{"is_ready":true,"waits_for":[]}'
    assert "201 Created" in printed[1]
    assert "rebalance-17" in printed[2]
    assert '"decisions":[{"decision_id":"P1.d0"' in printed[3]
    assert '{"count":1,"waits_for":""}' in printed[4]
    assert '"decision_id":"mine-1.d0"' in printed[5]
    assert "snapshot" in printed[6]
    assert '"level":"symbol"' in printed[7]


def test_table_of_the_page_names_every_key_of_an_order_and_no_other() -> None:
    rows = re.findall(r"^\| (`.*?) \|", PAGE.partition("| key | default | |")[2].partition("```")[0], re.MULTILINE)
    named = [name.removeprefix("routing.") for row in rows for name in re.findall(r"`([\w.]+)`", row)]
    needed = {field.encode_name for field in msgspec.structs.fields(OrderBody) if field.required}
    keys = {field.encode_name for kind in (OrderBody, RoutingBlock) for field in msgspec.structs.fields(kind)}
    assert sorted(named) == sorted(keys - needed - {"routing", "limit_price"})


def test_page_of_errors_is_made_from_the_table() -> None:
    assert (DOCS / "errors.md").read_text(encoding="utf-8") == errors_page()
