"""The same scenario and seed give the same digest: run again, under any hash seed, and in a fresh process.

Rule of this file: what differs between the runs is named in the test, and is nothing that a run may depend on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from scenarios.assembly import assemble
from scenarios.day import HOST, drive
from scenarios.runner import local_link, run
from scenarios.scenario import load_scenario, parse_scenario


def _digest_of_process(hash_seed: str, out: Path) -> str:
    command = [sys.executable, "-m", "cluster.cli", "replay", "smoke", "--seed", "5", "--json", "--no-report"]
    done = subprocess.run(
        [*command, "--out", str(out)],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        check=True,
    )
    digest: str = json.loads(done.stdout)["digest"]
    return digest


def test_the_hash_seed_and_the_process_do_not_matter(tmp_path: Path) -> None:
    digests = {_digest_of_process(hash_seed, tmp_path / hash_seed) for hash_seed in ("0", "1")}
    assert digests == {run(load_scenario("smoke"), seed=5).digest}


def test_another_seed_and_another_policy_are_other_runs() -> None:
    smoke = load_scenario("smoke")
    digests = [
        run(smoke, seed=5).digest,
        run(smoke, seed=6).digest,
        run(smoke, seed=5, policy="uniform").digest,
    ]
    assert len(set(digests)) == 3


def test_market_flow_is_common_to_policies_until_we_trade() -> None:
    """Common random numbers: the background does not know who routes, so up to our first order the day is the same."""
    late = parse_scenario(load_scenario("smoke").text.replace("end_s = 300", "start_s = 150\nend_s = 300"), "late")
    assembly = assemble(late, 7, None)
    days = []
    for policy in ("primary", "volume_proportional"):
        conductor = drive(assembly, local_link(assembly, policy), {"SMOKE-1": HOST})
        prints = np.concatenate(conductor.recorder.prints)
        days.append(prints[prints[:, 0] < assembly.parents[0].start_at])
        assert len(prints) > len(days[-1]) > 20
    np.testing.assert_array_equal(days[0], days[1])
