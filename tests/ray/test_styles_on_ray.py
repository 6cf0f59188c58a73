"""A replay over actors in which styles are learned: what travels for them changes no digest.

Rule of this file: real Ray, started here and ended here; nothing is asserted about time.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cluster.config import RayOptions
from cluster.replay import local_ray, replay_on_ray
from scenarios.runner import run
from scenarios.scenario import Scenario, load_scenario, parse_scenario

pytestmark = [
    pytest.mark.ray,
    # Ray leaves pipes and sockets of its own behind when it shuts down.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def styled() -> Scenario:
    """Return the smoke scenario with styles, and past days that taught them."""
    text = load_scenario("smoke").text
    keys = 'standard_qty = 100\ntactics = "on"\npast_days = 2\n'
    return parse_scenario(text.replace("standard_qty = 100\n", keys), "smoke-styled")


@pytest.fixture(scope="module")
def local() -> Iterator[None]:
    with local_ray(None, RayOptions()):
        yield


def test_the_digest_with_styles_on_ray_is_the_digest_in_one_process(local: None) -> None:
    expected = run(styled(), seed=3)
    plain = run(load_scenario("smoke"), seed=3)
    assert replay_on_ray(styled(), seed=3, options=RayOptions(link="stream")).digest == expected.digest
    assert expected.digest != plain.digest
