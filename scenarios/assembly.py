"""From a scenario and a seed to the parts of a run: specs, links, parents, venues, policies.

Rule of this file: every process builds the same parts from (scenario, seed, data) alone, each only those it hosts.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from router.allocation.allocate import Exploration
from router.allocation.limits import NO_BUDGET, Limits
from router.allocation.styles import StyleRule
from router.domain.enums import Tactic, VenueType
from router.domain.errors import ScenarioError
from router.domain.instruments import Listing, VenueSpec, as_known
from router.domain.orders import ParentOrder, check_parent
from router.domain.units import MILLISECOND, Nanos, px, seconds
from router.orders.desk import HostSetup
from router.schedule.build import build_schedule
from scenarios.conductor import Plan
from scenarios.frictions import TradingHalt
from scenarios.impact import OwnImpact
from scenarios.learning_part import LearnerDown, LearnerLies
from scenarios.limits import check_background, check_pace
from scenarios.network import Network
from scenarios.order_part import price_in
from scenarios.price_model import price_model_of
from scenarios.reactions import Reactions
from scenarios.scenario import (
    DAY_OPEN,
    Outage,
    Scenario,
    SyntheticMarket,
    TapeMarket,
    Unreliable,
    VenuePart,
    fault_at,
)
from scenarios.tables import PX_UNIT
from scenarios.tapes import RecordedMarket, recorded_market
from venues.build import build_venue
from venues.models.fade import Fading
from venues.models.latency import Latency
from venues.models.reference import MarketSetup, Regime
from venues.types.dark_flow import DarkParameters
from venues.types.dealer_parameters import DealerParameters
from venues.types.lit_flow import LitParameters
from venues.venue import Venue

_TYPES = {
    "lit": (VenueType.CENTRAL_LIMIT_ORDER_BOOK, (Tactic.TAKE, Tactic.POST)),
    "dark": (VenueType.DARK_ORDER_BOOK, (Tactic.MID_PEG,)),
    "dealer": (VenueType.QUOTE_DRIVEN_MARKET, (Tactic.QUOTE,)),
}


class Assembly(NamedTuple):
    """A scenario made concrete for one seed."""

    scenario: Scenario
    seed: int
    specs: tuple[VenueSpec, ...]
    setup: MarketSetup
    """The market's session and price; on a tape its reference price moves by the tape, not by this."""
    day: RecordedMarket | None
    parents: tuple[ParentOrder, ...]
    volume_curve: tuple[float, ...] = ()
    """Cumulative share of a past day's volume, by equal bins of the session."""
    limits: Limits | None = None
    """Limits on learning in place of the scenario's."""

    @property
    def is_tape(self) -> bool:
        """Whether the market is recorded."""
        return self.day is not None


def assemble(scenario: Scenario, seed: int, data: Path | None, open_at: Nanos = DAY_OPEN) -> Assembly:
    """Return the concrete scenario; a market that is not recorded opens at `open_at`.

    Raises:
        ScenarioError: values that do not go together.
        TapeError: a tape is needed and not there, or unreadable.
    """
    file = scenario.file
    if isinstance(file.market, TapeMarket):
        day = recorded_market(scenario, file.market, data)
        specs, setup = as_known(day.specs), day.setup()
    else:
        day = None
        specs = as_known(tuple(_spec(part, scenario) for part in file.venues))
        setup = _setup(file.market, scenario, seed, open_at)
    _check_mics(scenario, specs)
    check_background(scenario, setup, specs)
    px_unit = "0.0001" if day is None else day.px_unit
    parents = tuple(_parent(scenario, i, setup, px_unit) for i in range(len(file.orders)))
    check_pace(scenario, setup, parents)
    return Assembly(scenario, seed, specs, setup, day, parents, () if day is None else day.volume_curve)


def _check_mics(scenario: Scenario, specs: tuple[VenueSpec, ...]) -> None:
    """Refuse a venue, or a segment, that the run does not have: only here are the venues of a tape known."""
    file, mics = scenario.file, [spec.mic for spec in specs]
    named: list[tuple[str, tuple[str, ...]]] = [
        (f"breaks[{i}].venue", (b.venue,)) for i, b in enumerate(file.breaks) if isinstance(b, Outage)
    ]
    for i, order in enumerate(file.orders):
        named += [(f"orders[{i}].venues_allow", order.venues_allow), (f"orders[{i}].venues_deny", order.venues_deny)]
    named += [("holds.no_fills_at", file.holds.no_fills_at), ("holds.fills_at", file.holds.fills_at)]
    for key, given in named:
        for mic in given:
            if mic not in mics:
                raise fault_at(scenario.path, key, f"one of {', '.join(mics)}", mic)
    segments = sorted({name for spec in specs for name in spec.segments})
    for i, order in enumerate(file.orders):
        for name in order.segments_deny:
            if name not in segments:
                key = f"orders[{i}].segments_deny"
                raise fault_at(scenario.path, key, f"one of {', '.join(segments) or 'no segments'}", name)


def _setup(market: SyntheticMarket, scenario: Scenario, seed: int, open_at: Nanos) -> MarketSetup:
    close_at = open_at + seconds(market.duration_s)
    chain = scenario.file.regime_chain
    regimes = tuple(
        Regime(from_at=open_at + seconds(part.from_s), name=part.name, multipliers=part.in_force())
        for part in scenario.file.regimes
    )
    halts = tuple(b.halt(open_at) for b in scenario.file.breaks if isinstance(b, TradingHalt))
    if chain is not None:
        try:
            regimes = chain.path(seed, scenario.file.symbol, open_at, close_at)
        except ValueError as exc:
            raise _within(scenario, "regime_chain", exc) from exc
    try:
        return MarketSetup(
            symbol=scenario.file.symbol,
            open_at=open_at,
            close_at=close_at,
            start_px=px(market.start_px),
            tick=px(market.tick),
            daily_volatility=market.daily_volatility,
            adv=market.adv,
            regimes=regimes,
            halts=halts,
        )
    except ValueError as exc:
        raise _within(scenario, "market", exc) from exc


def _within(scenario: Scenario, part: str, exc: Exception) -> ScenarioError:
    """Return a part's own fault with the file's name, its place said as a key of the file."""
    text, separator, place = str(exc).rpartition(" - at ")
    if not separator:
        return ScenarioError(f"{scenario.path}: {exc} - at `$.{part}`")
    return ScenarioError(f"{scenario.path}: {text} - at `{place if place.startswith('$') else f'$.{part}.{place}'}`")


def _spec(part: VenuePart, scenario: Scenario) -> VenueSpec:
    kind = part.parameters.__struct_config__.tag
    venue_type, tactics = _TYPES[str(kind)]
    segments: tuple[str, ...] = ()
    if isinstance(part.parameters, LitParameters) and part.parameters.closing_auction_ns:
        tactics += (Tactic.AUCTION,)
    if isinstance(part.parameters, DarkParameters):
        segments = tuple(segment.name for segment in part.parameters.segments)
        tactics += (Tactic.CONDITIONAL,) if part.parameters.conditional else ()
    market = scenario.file.market
    tick = px(market.tick) if isinstance(market, SyntheticMarket) else 100
    try:
        fees = part.fees.schedule(part.maker_micros, part.taker_micros)
    except ValueError as exc:
        raise _within(scenario, f"venues[{scenario.file.venues.index(part)}].fees", exc) from exc
    return VenueSpec(
        mic=part.mic,
        venue_type=venue_type,
        listing=Listing(symbol=scenario.file.symbol, mic=part.mic, tick=tick, lot=part.lot),
        fees=fees,
        tactics=tactics,
        is_primary=part.is_primary,
        volume_share=part.volume_share,
        rfq_max_qty=part.parameters.rfq_qty if isinstance(part.parameters, DealerParameters) else 0,
        segments=segments,
        has_near_peg=isinstance(part.parameters, DarkParameters),
    )


def _parent(scenario: Scenario, i: int, setup: MarketSetup, px_unit: str) -> ParentOrder:
    part = scenario.file.orders[i]
    expected_volume = setup.adv if isinstance(scenario.file.market, TapeMarket) else setup.adv * setup.day_share
    qty = part.order_qty or max(round((part.share_of_volume or 0.0) * expected_volume), 1)
    end_at = setup.close_at if part.end_s is None else setup.open_at + seconds(part.end_s)
    if end_at > setup.close_at:
        raise fault_at(scenario.path, f"orders[{i}].end_s", "a time up to the close", part.end_s)
    parent = ParentOrder(
        parent_id=part.id,
        client_order_id=part.id,
        symbol=setup.symbol,
        side=part.side,
        order_qty=qty,
        start_at=setup.open_at + seconds(part.start_s),
        end_at=end_at,
        strategy=part.strategy,
        ord_type=part.ord_type,
        price=price_in(part.limit_price, px_unit),
        urgency=part.urgency,
        max_participation=part.max_participation,
        min_qty=part.min_qty,
        max_child_qty=part.max_child_qty,
        would_price=price_in(part.would_price, px_unit),
        dark=part.dark,
        is_single_lane=part.is_single_lane,
        overbook_max=part.overbook_max,
        overfill_penalty=part.overfill_penalty,
        venues_allow=part.venues_allow,
        venues_deny=part.venues_deny,
        segments_deny=part.segments_deny,
        strategy_parameters=part.strategy_parameters,
    )
    try:
        check_parent(parent, f"$.orders[{i}]")
        build_schedule(parent.strategy, parent.strategy_parameters)
    except Exception as exc:
        raise _within(scenario, f"orders[{i}]", exc) from exc
    return parent


def make_venue(assembly: Assembly, mic: str) -> Venue:
    """Return the venue engine of `mic`."""
    spec = next(spec for spec in assembly.specs if spec.mic == mic)
    if assembly.day is not None:
        return assembly.day.build(spec)
    part = next(part for part in assembly.scenario.file.venues if part.mic == mic)
    return build_venue(spec, assembly.setup, part.parameters, assembly.seed)


def make_network(assembly: Assembly, kind: type[Network] = Network) -> Network:
    """Return the links of the run with their faults."""
    file = assembly.scenario.file
    parts = {part.mic: part.latency for part in file.venues}
    links = {s.mic: Latency(assembly.seed, s.mic, parts.get(s.mic, file.latency)) for s in assembly.specs}
    outages = [broken for broken in file.breaks if isinstance(broken, Outage)]
    unreliable = [broken for broken in file.breaks if isinstance(broken, Unreliable)]
    return kind(links, outages, unreliable, assembly.setup.open_at, assembly.seed)


def make_impact(assembly: Assembly) -> OwnImpact:
    """Return the model of our own impact; on some tapes it must be none (see `scenarios.tape_market`)."""
    part = assembly.scenario.file.impact
    return OwnImpact(part, max(assembly.setup.adv, 1), assembly.setup.start_px)


def make_reactions(assembly: Assembly) -> Reactions:
    """Return what others do because of us; on a tape nobody does anything."""
    file = assembly.scenario.file
    dealers = {p.mic: p.parameters for p in file.venues if isinstance(p.parameters, DealerParameters)}
    lit = [spec.mic for spec in assembly.specs if spec.venue_type is VenueType.CENTRAL_LIMIT_ORDER_BOOK]
    fading = Fading(assembly.seed, lit, file.fading.parameters())
    return Reactions(assembly.specs, None if assembly.is_tape else fading, dealers)


def make_limits(assembly: Assembly) -> Limits:
    """Return how far the policies of the run may go."""
    if assembly.limits is not None:
        return assembly.limits
    learning = assembly.scenario.file.learning
    budget, change = learning.exploration_budget_bps, learning.probability_change_max
    return Limits(
        exploration_budget_bps=NO_BUDGET if budget is None else budget,
        probability_change_max=NO_BUDGET if change is None else change,
        venue_share_max=learning.venue_share_max,
    )


def make_host_setup(assembly: Assembly) -> HostSetup:
    """Return what hosts of parents are built from."""
    learning, timing = assembly.scenario.file.learning, assembly.scenario.file.timing
    return HostSetup(
        specs=assembly.specs,
        seed=assembly.seed,
        life_ns=seconds(timing.life_s),
        reaction_ns=round(timing.reaction_ms * MILLISECOND),
        answer_timeout_ns=seconds(timing.answer_timeout_s),
        heartbeat_ns=seconds(timing.heartbeat_s),
        stale_ns=seconds(learning.stale_s),
        session=(assembly.setup.open_at, assembly.setup.close_at),
        volume_curve=assembly.volume_curve,
        exploration=Exploration(learning.epsilon, learning.probe_share),
        limits=make_limits(assembly),
        styles=StyleRule() if learning.tactics == "on" else None,
    )


def make_plan(assembly: Assembly, host_of: dict[str, str]) -> Plan:
    """Return what a conductor drives.

    Raises:
        ScenarioError: the scenario names a price model that cannot be used.
    """
    file = assembly.scenario.file
    parts = {part.mic: part.latency for part in file.venues}
    px_unit = PX_UNIT if assembly.day is None else assembly.day.px_unit
    feeds: dict[str, Nanos] = {s.mic: parts.get(s.mic, file.latency).feed_ns for s in assembly.specs}
    return Plan(
        specs=assembly.specs,
        symbol=assembly.setup.symbol,
        open_at=assembly.setup.open_at,
        close_at=assembly.setup.close_at,
        parents=assembly.parents,
        cancels=tuple(
            sorted((assembly.setup.open_at + seconds(o.cancel_s), o.id) for o in file.orders if o.cancel_s is not None)
        ),
        replaces=tuple(r for o in file.orders for r in o.replaces(assembly.setup.open_at, px_unit)),
        host_of=host_of,
        feed_ns=feeds,
        window_max_ns=seconds(file.timing.window_max_s),
        grace_ns=seconds(file.timing.grace_s),
        price=price_model_of(assembly.scenario),
        steering=tuple(part.command(assembly.setup.open_at) for part in file.learning.steer),
        learner_breaks=tuple(broken for broken in file.breaks if isinstance(broken, LearnerDown | LearnerLies)),
        is_leakage_told=file.learning.is_leakage_learned,
    )
