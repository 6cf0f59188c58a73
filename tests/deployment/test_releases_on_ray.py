"""A release over actors: the same digest and the same changes as in one process, and from the same checkpoint.

Rule of this file: one run on Ray, with everything about learners in it that a scenario can have.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from many_parents import RELEASE, many

from cluster.cli import main
from cluster.config import RayOptions
from cluster.replay import local_ray, replay_on_ray
from scenarios.runner import run
from scenarios.scenario import load_scenario

pytestmark = [
    pytest.mark.ray,
    # Ray leaves pipes and sockets of its own behind when it shuts down.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

STEER = '[[learning.steer]]\nat_s = 60\nact = "promote"\nwho = "ann"\nwhy = "sane"\n'
BREAKS = """
[[breaks]]
kind = "learner_down"
from_s = 80
to_s = 90

[[breaks]]
kind = "learner_lies"
from_s = 100
to_s = 110
"""


def test_a_release_on_ray_is_the_one_in_process(tmp_path: Path) -> None:
    (tmp_path / "day.toml").write_text(many("").text, encoding="utf-8")
    run(load_scenario(str(tmp_path / "day.toml")), seed=5, out=tmp_path / "day")
    file = str(tmp_path / "day.arrow")
    assert main(["learner", "checkpoint", str(tmp_path / "day"), "--out", file]) == 0
    text = many("stale_s = 5\n" + 'checkpoint = "day.arrow"\n' + RELEASE + STEER, BREAKS).text
    (tmp_path / "many.toml").write_text(text, encoding="utf-8")
    scenario = load_scenario(str(tmp_path / "many.toml"))
    here = run(scenario, seed=1)
    assert here.release is not None
    assert ("promote", "ann") in [(event.act, event.who) for event in here.steered]
    options = RayOptions()
    with local_ray(None, options):
        there = replay_on_ray(scenario, seed=1, options=options)
    assert (there.digest, there.release, there.steered) == (here.digest, here.release, here.steered)
    assert there.learner_digest == here.learner_digest
    assert there.checkpoint == here.checkpoint
