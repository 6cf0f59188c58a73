"""The page on security is true: its keys open a door, and what it signs with openssl and curl is accepted."""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path

import msgspec
import pytest

from cluster.api.app import make_app
from cluster.api.options import ApiOptions, api_options
from cluster.api.serve import serve
from cluster.live.embedded import EmbeddedDesk
from cluster.live.settings import live_settings

PAGE = (Path(__file__).parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
MAKING, SIGNING = (found[1] for found in re.finditer(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))


async def shell(text: str, folder: Path) -> str:
    """Run a block of the page and return what it prints."""
    made = await asyncio.create_subprocess_exec(
        "sh", "-ec", text, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    printed, complaints = await made.communicate()
    assert made.returncode == 0, complaints.decode()
    return printed.decode()


@pytest.mark.skipif(shutil.which("curl") is None or shutil.which("openssl") is None, reason="no curl or openssl here")
async def test_what_the_page_signs_is_accepted(tmp_path: Path) -> None:
    await shell(MAKING, tmp_path)
    where = tmp_path / "anabranch.toml"
    where.write_text('[live]\nscenario = "smoke"\nhosts = 1\n[api]\nkeys = "keys.toml"\nport = 0\n', encoding="utf-8")
    settings = live_settings(where)
    desk = EmbeddedDesk(settings)
    await desk.start()
    server = await serve(make_app(desk, settings.api), settings.api)
    try:
        async with asyncio.timeout(30):
            while (await desk.status()).waits_for:
                await asyncio.to_thread(where.exists)
        printed = await shell(SIGNING.replace("http://127.0.0.1:8080", server.url), tmp_path)
    finally:
        await server.stop(2.0)
        await desk.stop()
    decoder = msgspec.json.Decoder()
    order, page = (decoder.decode(part) for part in re.findall(r"\{.*?\}(?=\{\"orders|\Z)", printed, re.DOTALL))
    assert (order["client_order_id"], order["account"], order["who"]) == ("c-1", "ACME", "ada")
    assert [one["order_id"] for one in page["orders"]] == [order["order_id"]]


def test_page_names_every_key_of_the_table() -> None:
    apart = {"closed_orders_max", "archive_max", "limits", "parameters", "state", "is_open", "rates"}
    named = set(re.findall(r"`(\w+)`", PAGE))
    assert set(ApiOptions.__struct_fields__) - apart - named == set()


def test_default_options_are_good_ones(tmp_path: Path) -> None:
    assert api_options({"is_open": True}, str(tmp_path / "x")).port == 8080
