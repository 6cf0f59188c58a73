"""How large a run may become: what a scenario's values would lead to, counted before anything is built.

Rule of this file: each limit has its reason beside it, and a refusal names the key that drives the count. Counts are
expectations, rounded up where a regime multiplies: a value may be in its range and still be too much with the others.
"""

from __future__ import annotations

from collections.abc import Iterator

from router.domain.instruments import VenueSpec
from router.domain.orders import ParentOrder
from router.domain.units import SECOND, seconds
from router.schedule.parameters import COMMON
from scenarios.scenario import Scenario, SyntheticMarket, fault_at
from venues.build import VenueParameters
from venues.models.flow import U_SHAPE
from venues.models.reference import DAY_NS, STEP_CHANCES, STEP_TICKS, MarketSetup
from venues.types.dark import DarkParameters
from venues.types.lit_flow import LitParameters

EVENTS_MAX = 10_000_000
"""Background events of all venues of a run. One takes about 300 bytes while its venue lives: 3 GB in all."""

WINDOWS_MAX = 1_000_000
"""Windows of a run that ends with its grace: at some 5,000 a second, minutes."""

WAKES_MAX = 1_000_000
"""How often one key may wake all parents of a run together: each wake is a decision, at some 1,000 a second."""

IMPACT_ADV_MIN = 1_000
"""Least ADV of a market that we move: below, a single share would be more than 0.1 % of it."""

IMPACT_MAX_BPS = 10_000.0
"""What the orders of one side may move the reference by when all are filled: as much again as the price itself."""

_BUSIEST = (1.0 + U_SHAPE) / (1.0 + U_SHAPE / 3.0)
"""Times are drawn at the rate of the busiest moment and then thinned."""

_VARIANCE_OF_STEP = sum(k * k * p for k, p in zip(STEP_TICKS, STEP_CHANCES, strict=True))
_CROSS_QTY = 200
"""Mean size of trades among others at a dark pool or a dealer."""


def check_background(scenario: Scenario, setup: MarketSetup, specs: tuple[VenueSpec, ...]) -> None:
    """Refuse a synthetic market whose venues would make more than EVENTS_MAX background events.

    Raises:
        ScenarioError: names the key with the largest part in it.
    """
    market = scenario.file.market
    if not isinstance(market, SyntheticMarket):
        return
    counts: dict[str, float] = {}
    for i, (spec, part) in enumerate(zip(specs, scenario.file.venues, strict=True)):
        for key, n in background_events(spec, setup, part.parameters):
            # What the whole market drives is one key, however many venues follow it.
            place = key if key.startswith("market.") else f"venues[{i}].parameters.{key}"
            counts[place] = counts.get(place, 0.0) + n
    total = sum(counts.values())
    if total > EVENTS_MAX:
        key = max(counts, key=lambda k: counts[k])
        expected = f"a value with which all venues make up to {EVENTS_MAX:,} background events"
        raise fault_at(scenario.path, key, expected, f"about {total:.3g} events")


def background_events(spec: VenueSpec, setup: MarketSetup, params: VenueParameters) -> Iterator[tuple[str, float]]:
    """Yield (key, expected number of rows drawn because of it) of one venue's background flow."""
    moves = reference_moves(setup)
    span = setup.close_at - setup.open_at
    volume = spec.volume_share * setup.adv * setup.day_share
    busiest = _BUSIEST * _most(setup, "volume")
    if isinstance(params, LitParameters):
        trades = volume * (1.0 - params.informed) / params.trade_qty * busiest
        yield "market.daily_volatility", moves * (1 + params.makers)
        yield "refresh_ns", params.makers * span / params.refresh_ns
        yield "market.adv", trades + volume * params.informed / params.trade_qty * _most(setup, "informed")
        yield "limits_per_trade", 2.0 * trades * params.limits_per_trade
        return
    yield "market.adv", volume / _CROSS_QTY * busiest
    if not isinstance(params, DarkParameters):
        # Quotes follow the reference, at most once for each move.
        yield "market.daily_volatility", 2.0 * moves
        return
    bins = 2.0 * (span / params.bin_ns + 1.0)
    yield "market.daily_volatility", moves
    yield "bin_ns", 2.0 * bins
    if params.uncross_every_ns:
        yield "uncross_every_ns", 2.0 * (span / params.uncross_every_ns + 1.0)
    # Informed interest searches the moves ahead of it, one by one.
    there = min(1.0, (1.0 - params.zero_bin) * _most(setup, "dark"))
    knows = min(0.95, params.informed * _most(setup, "informed"))
    yield "lookahead_ns", bins * there * knows * moves * min(1.0, params.lookahead_ns / span)


def reference_moves(setup: MarketSetup) -> float:
    """Return how often the reference is expected to move in the session.

    >>> round(reference_moves(MarketSetup(symbol="A", open_at=0, close_at=DAY_NS, start_px=400_000)))
    1855
    """
    deviation = setup.daily_volatility * setup.start_px / setup.tick
    return sum(
        (deviation * regime.multipliers.volatility) ** 2 / _VARIANCE_OF_STEP * (end - start) / DAY_NS
        for start, end, regime in setup.segments()
    )


def check_pace(scenario: Scenario, setup: MarketSetup, parents: tuple[ParentOrder, ...]) -> None:
    """Refuse a pace at which a run would hardly end, and an impact that leaves no price.

    Raises:
        ScenarioError: names the key.
    """
    file, path = scenario.file, scenario.path
    last = max(parent.end_at for parent in parents) + seconds(file.timing.grace_s)
    windows = (last - setup.open_at) / seconds(file.timing.window_max_s)
    if windows > WINDOWS_MAX:
        expected = f"a length of which up to {WINDOWS_MAX:,} fill the run"
        raise fault_at(path, "timing.window_max_s", expected, f"{file.timing.window_max_s} ({windows:,.0f} of them)")
    lives = [parent.end_at - parent.start_at for parent in parents]
    paces: list[tuple[str, float, int]] = [
        (f"timing.{key}", getattr(file.timing, key), sum(lives))
        for key in ("life_s", "answer_timeout_s", "heartbeat_s")
    ]
    for i, parent in enumerate(parents):
        interval_s = parent.strategy_parameters.get("interval_s", COMMON["interval_s"].default)
        paces.append((f"orders[{i}].strategy_parameters.interval_s", interval_s, lives[i]))
    for key, every_s, life in paces:
        if life / SECOND / every_s > WAKES_MAX:
            expected = f"a time of which up to {WAKES_MAX:,} fill the life of the orders"
            raise fault_at(path, key, expected, every_s)
    if isinstance(file.market, SyntheticMarket) and file.impact.coefficient_bps:
        _check_impact(scenario, setup, parents)


def _check_impact(scenario: Scenario, setup: MarketSetup, parents: tuple[ParentOrder, ...]) -> None:
    if setup.adv < IMPACT_ADV_MIN:
        raise fault_at(scenario.path, "market.adv", f"a volume from {IMPACT_ADV_MIN:,} with impact", setup.adv)
    coefficient = scenario.file.impact.coefficient_bps
    qty = max(sum(p.order_qty for p in parents if p.side.sign == sign) for sign in (1, -1))
    moved = coefficient * qty / setup.adv * 100.0
    if moved > IMPACT_MAX_BPS:
        expected = f"a coefficient with which the orders move the price by up to {IMPACT_MAX_BPS:,.0f} bps"
        raise fault_at(scenario.path, "impact.coefficient_bps", expected, f"{coefficient} ({moved:,.0f} bps)")


def _most(setup: MarketSetup, multiplier: str) -> float:
    """Return the largest value of a regime's multiplier in the session."""
    return max(float(getattr(regime.multipliers, multiplier)) for _, _, regime in setup.segments())
