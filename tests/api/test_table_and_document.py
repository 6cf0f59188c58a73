"""The table of resources, the document made of it, and the page that shows it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from api_desk import ServedDesk, ask
from jsonschema import Draft202012Validator

from cluster.api import routes as table
from cluster.api.app import VERSION
from cluster.api.openapi import PATH_PARAMETERS, document_of, problem_codes
from cluster.api.problems import TABLE
from cluster.api.route import OPEN, RATE_CLASSES, ROLES
from cluster.api.wire import decode

DOCUMENT = document_of(table.ROUTES, VERSION)
CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedDesk]:
    with ServedDesk(Path(tmp_path_factory.mktemp("desk"))) as desk:
        yield desk


@pytest.mark.parametrize("route", table.ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_row_is_whole(route: table.Route) -> None:
    assert route.handler.__doc__ and route.summary and route.answers
    assert set(route.roles) <= set(ROLES)
    assert route.rate_class in RATE_CLASSES
    assert all(code in TABLE for code in route.problems)
    assert all(name in PATH_PARAMETERS for name in re.findall(r"\{(\w+)\}", route.path))
    assert (route.example is not None) is (route.body is not None)
    assert (route.roles == OPEN) is ("unauthenticated" not in problem_codes(route)) or route.path == "/v1/session"


def test_operations_have_names_of_their_own() -> None:
    names = [route.operation_id for route in table.ROUTES]
    assert len(set(names)) == len(names)


def test_examples_are_read_by_their_structs_and_fit_the_document() -> None:
    for route in table.ROUTES:
        if route.body is None:
            continue
        decode(msgspec.json.encode(route.example), route.body, is_json=True)
        schema = {"$ref": f"#/components/schemas/{route.body.__name__}", "components": DOCUMENT["components"]}
        assert list(Draft202012Validator(schema).iter_errors(route.example)) == [], route.path


def test_every_reference_of_the_document_leads_somewhere() -> None:
    text = msgspec.json.encode(DOCUMENT).decode()
    named = set(re.findall(r'"#/components/schemas/(\w+)"', text))
    assert named <= set(DOCUMENT["components"]["schemas"])
    assert {tag for route in table.ROUTES for tag in (route.tag,)} == {tag["name"] for tag in DOCUMENT["tags"]}


def test_fields_carry_the_texts_of_their_structs() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert schemas["OrderBody"]["properties"]["limit_price"]["description"] == "With `type` limit, and only then."
    assert schemas["Order"]["description"].startswith("An order, and where it stands.")


async def test_served_document_is_the_table_s(served: ServedDesk) -> None:
    answer = await ask(served.url, "GET", "/openapi.json")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert msgspec.json.decode(answer.body) == msgspec.json.decode(msgspec.json.encode(DOCUMENT))


async def test_pages_of_the_door_are_its_own_and_nothing_else_of_the_folder(served: ServedDesk) -> None:
    page = await ask(served.url, "GET", "/docs")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert re.findall(r"<script(?![^>]*src=)|<style|style=|\son\w+=", page.body.decode()) == []
    for name in re.findall(r'(?:src|href)="(/static/[^"]+)"', page.body.decode()):
        assert (await ask(served.url, "GET", name)).status == 200
    for name in ("..%2F__init__.py", "docs.html", "nothing.js"):
        assert (await ask(served.url, "GET", f"/static/{name}")).status == 404


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_page_shows_every_resource_and_every_problem_in_a_browser(served: ServedDesk, tmp_path: Path) -> None:
    assert CHROMIUM is not None
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"]
    done = subprocess.run(
        [*command, "--virtual-time-budget=8000", "--dump-dom", f"{served.url}/docs"],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    missing = [route.operation_id for route in table.ROUTES if f'id="{route.operation_id}"' not in done.stdout]
    missing += [code for code in TABLE if f'id="problem-{code}"' not in done.stdout]
    assert missing == []
