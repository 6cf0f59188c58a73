"""The same scenario and seed give the same digest: run again, under any hash seed, and in a fresh process.

Rule of this file: what differs between the runs is named in the test, and is nothing that a run may depend on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from scenarios.runner import run
from scenarios.scenario import load_scenario


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
    """Common random numbers: the background does not know who routes, so the market volume differs by ours alone."""
    quiet = load_scenario("smoke")
    a = run(quiet, seed=7, policy="primary")
    b = run(quiet, seed=7, policy="volume_proportional")
    assert a.digest != b.digest
    assert abs(a.events - b.events) < 0.1 * a.events
