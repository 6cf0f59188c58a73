"""Opens a session: which market, since when, and the desk in front of it.

Rule of this file: what a session is, is recorded once, when it first opens; whoever comes back reads it from the
journal.
"""

from __future__ import annotations

from pathlib import Path

from cluster.live.build import build_text
from cluster.live.reopening import base_approval, base_limits, limits_text
from cluster.live.settings import LiveSettings
from router.domain import codec
from router.domain.errors import ConfigError, ScenarioError, bad_value
from router.domain.facts import SessionOpened
from router.domain.units import SECOND, Nanos
from router.intake.intake import Intake
from router.intake.state import SymbolFacts
from router.orders.journal import Journal
from router.risk.request import tradables
from scenarios.assembly import Assembly, assemble
from scenarios.day import LEARNER
from scenarios.policies import policy_names
from scenarios.scenario import DAY_OPEN, SyntheticMarket, load_scenario


def opened_of(
    settings: LiveSettings, journal: Journal, wall_at: Nanos, data: Path | None
) -> tuple[SessionOpened, bool]:
    """Return the journal's session, or a new one that opens now, and whether it is new.

    A market that is not recorded opens at the whole second of the wall clock; a recorded one at its own time.

    Raises:
        ScenarioError: the scenario cannot be used.
        ConfigError: no such policy.
    """
    found: SessionOpened | None = None
    for record in journal.read():
        if record.kind == "SessionOpened":
            found = codec.decode(record.payload, SessionOpened)
    if found is not None:
        return found, False
    live, learning = settings.live, settings.limits.learning()
    try:
        scenario = load_scenario(live.scenario)
    except ScenarioError as exc:
        raise ConfigError(f"{exc} - at {settings.where}, live.scenario") from exc
    policy = live.policy or scenario.file.learning.policy
    if policy not in policy_names():
        raise ConfigError(bad_value(f"{settings.where}, live.policy", f"one of {', '.join(policy_names())}", policy))
    seed = scenario.file.seed if live.seed is None else live.seed
    is_made = isinstance(scenario.file.market, SyntheticMarket)
    setup = assemble(scenario, seed, data, wall_at // SECOND * SECOND if is_made else DAY_OPEN).setup
    opened = SessionOpened(
        at=setup.open_at,
        symbol=setup.symbol,
        open_at=setup.open_at,
        close_at=setup.close_at,
        # Made markets run on the wall clock's own time; a recorded one keeps its day.
        wall_at=setup.open_at if is_made else wall_at,
        speed=live.speed,
        scenario_name=scenario.name,
        scenario_text=scenario.text,
        scenario_path=str(scenario.path),
        seed=seed,
        policy=policy,
        hosts=live.hosts,
        build=build_text(),
        tick_ns=settings.tick_ns,
        window_ns=settings.window_ns,
        exploration_budget_bps=learning.exploration_budget_bps,
        probability_change_max=learning.probability_change_max,
        venue_share_max=learning.venue_share_max,
        children_per_s=settings.limits.children_per_s,
        children_max=settings.limits.children_max,
        venue_messages_per_s=settings.limits.venue_messages_per_s,
        limits=limits_text(settings.limits),
        approval_above=settings.approval_text or "",
        learners=(LEARNER,),
    )
    return opened, True


def desk_of(settings: LiveSettings, opened: SessionOpened, assembly: Assembly) -> Intake:
    """Return a desk in front of a session, to be rebuilt from its journal."""
    symbols = {
        symbol: SymbolFacts(tradable, assembly.setup.adv, assembly.setup.open_at, assembly.setup.close_at)
        for symbol, tradable in tradables(assembly.specs).items()
    }
    return Intake(base_limits(settings, opened), symbols, base_approval(settings, opened))
