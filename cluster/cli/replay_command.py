"""`anabranch replay`: one scenario, one policy, one seed.

Rule of this file: options in, `Request` out.
"""

from __future__ import annotations

from cluster.cli import options
from cluster.cli.options import Runtime


def replay(
    scenario: options.Scenario,
    runtime: options.RuntimeOption = Runtime.INPROCESS,
    address: options.Address = None,
    seed: options.Seed = None,
    policy: options.Policy = None,
    data: options.Data = None,
    out: options.Out = None,
    config: options.Config = None,
    json: options.Json = False,
    report: options.Report = True,
    strict: options.Strict = False,
) -> int:
    """Replay a scenario in virtual time, in this process or on Ray, and write its tables and report."""
    from cluster.cli.runs import Request, perform

    return perform(Request(scenario, runtime, address, seed, policy, data, out, config, report, strict), is_json=json)
