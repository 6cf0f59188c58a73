"""Runs of library scenarios, each made once for all tests of this folder.

Rule of this file: what it hands out was read back from the run's directory, as anybody else would read it.
"""

from __future__ import annotations

from functools import cache

import pytest
from small_market import Played

from scenarios.report.reading import RunData, read_run
from scenarios.runner import run
from scenarios.scenario import load_scenario


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Return a function of (scenario, seed) and, if not the scenario's own, a policy, that gives the run."""

    @cache
    def play(name: str, seed: int, policy: str | None = None) -> RunData:
        out = tmp_path_factory.mktemp(name) / "run"
        run(load_scenario(name), seed=seed, policy=policy, out=out)
        return read_run(out)

    return play
