"""A small market with many parents, for releases: they are compared parent by parent.

Rule of this file: the market is that of the smoke scenario, longer; only the orders and the learning differ.
"""

from __future__ import annotations

from router.domain.events import LearnerSteered
from router.domain.scores import RoutingDecision
from scenarios.assembly import assemble
from scenarios.day import HOST, LEARNER, drive, link_of
from scenarios.policies import make_learner
from scenarios.recorder import Recorder
from scenarios.scenario import Scenario, library, parse_scenario

SMOKE = library()["smoke"].read_text(encoding="utf-8")

ORDER = """[[orders]]
id = "P{k:03d}"
order_qty = 300
start_s = {start}
end_s = {end}
strategy = "arrival"

"""

RELEASE = """
[learning.release]
challenger = "uniform"
canary_share = 0.3
min_outcomes = 50
min_parents = 5
margin_bps = 40
"""


def many(learning: str = RELEASE, breaks: str = "", orders: int = 40, every_s: float = 4.0) -> Scenario:
    """Return a scenario of `orders` parents, one every few seconds, each alive for forty."""
    head, _, rest = SMOKE.partition("[[orders]]")
    _, _, tail = rest.partition("[learning]")
    worked = "".join(ORDER.format(k=k, start=k * every_s, end=k * every_s + 40) for k in range(orders))
    duration = orders * every_s + 200
    text = f"{head}{worked}[learning]{tail}".replace("duration_s = 360", f"duration_s = {duration}")
    text = text.partition("[holds]")[0].replace("[timing]", f"{learning}\n[timing]") + breaks
    return parse_scenario(text, "many", "many.toml")


def recorded(scenario: Scenario, seed: int = 1) -> Recorder:
    """Return everything that a run in this process left."""
    assembly = assemble(scenario, seed, None)
    link = link_of(assembly, make_learner(assembly, LEARNER, scenario.file.learning.policy))
    return drive(assembly, link, {parent.parent_id: HOST for parent in assembly.parents}).recorder


def arms(decisions: list[RoutingDecision]) -> dict[str, list[str]]:
    """Return each parent's arms, decision by decision."""
    found: dict[str, list[str]] = {}
    for decision in decisions:
        found.setdefault(decision.parent_id, []).append(decision.arm)
    return found


def path(steered: list[LearnerSteered]) -> list[tuple[str, str, str]]:
    """Return the changes of a release as (act, who, phase after it)."""
    return [(event.act, event.who, event.after) for event in steered]
