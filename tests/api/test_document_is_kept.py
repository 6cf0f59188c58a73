"""The served document is kept: requests drawn from it are answered as it says, and never with a server's error.

Rule of this file: requests come from the document alone, by schemathesis, with a fixed seed. Without keys the door asks
nobody who he is, so that what ignores a missing key is looked at elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from api_desk import ServedDesk
from hypothesis import HealthCheck, given, seed, settings
from schemathesis.checks import CHECKS, load_all_checks

from cluster.api.app import VERSION
from cluster.api.openapi import document_of
from cluster.api.routes import ROUTES

EXAMPLES = 10
"""For each resource and mode."""

ENDLESS = ("stream", "stream_sse")
"""Resources whose answers have no end; their own tests read them."""

load_all_checks()
LOOKED_AT = [
    check
    for check in CHECKS.get_all()
    if check.__name__ not in ("ignored_auth", "positive_data_acceptance", "object_level_authorization")
]
"""Every check but three: nobody is asked who he is here, and an order may be of the right shape and denied."""

SCHEMA = schemathesis.openapi.from_dict(document_of(ROUTES, VERSION))
OPERATIONS = [
    operation
    for found in SCHEMA.get_all_operations()
    if (operation := found.ok()).definition.raw["operationId"] not in ENDLESS
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedDesk]:
    with ServedDesk(Path(tmp_path_factory.mktemp("desk"))) as desk:
        yield desk


def takes_something(operation: Any) -> bool:
    raw = operation.definition.raw
    return bool(raw["parameters"]) or "requestBody" in raw


MODES = [
    pytest.param(operation, mode, id=f"{operation.label} {mode.value}")
    for operation in OPERATIONS
    for mode in schemathesis.GenerationMode
    if takes_something(operation) or mode is schemathesis.GenerationMode.POSITIVE
]
"""What takes nothing cannot be given anything wrong."""


@pytest.mark.parametrize(("operation", "mode"), MODES)
def test_answers_are_as_the_document_says(served: ServedDesk, operation: Any, mode: Any) -> None:
    looked: list[int] = []
    # That it is not ready is no fault of the door: what was drawn before may have stopped all trading.
    may_be_503 = operation.path == "/readyz"
    chosen = [check for check in LOOKED_AT if check.__name__ != "not_a_server_error" or not may_be_503]
    session = requests.Session()

    @seed(20_261_121)
    @settings(
        max_examples=EXAMPLES, database=None, deadline=None, suppress_health_check=list(HealthCheck), print_blob=False
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def look(case: Any) -> None:
        answer = case.call_and_validate(base_url=served.url, session=session, checks=chosen)
        looked.append(answer.status_code)

    with session:
        look()
    assert looked and (may_be_503 or max(looked) < 500), looked
