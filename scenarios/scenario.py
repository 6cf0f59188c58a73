"""Scenario files: what trades, what breaks, what must hold. Read from TOML, checked once, frozen from then on.

Rule of this file: a fault names the file, the key, what was expected and what came; a key that nothing reads is a
fault. Times in a file are seconds since the open.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from router.domain.enums import Side
from router.domain.errors import ScenarioError, UnitError, bad_value
from router.domain.orders import DARK_CHOICES
from router.domain.units import SECOND, Nanos, px
from scenarios.frictions import FadingPart, FeesPart, TradingHalt
from scenarios.keys import Count, Fee, Part, Pause, Share, Span, Time, with_known_keys
from scenarios.learning_part import LearnerDown, LearnerLies
from scenarios.learning_part import LearningPart as LearningPart
from scenarios.learning_part import faults as learning_faults
from scenarios.order_part import OrderPart as OrderPart
from scenarios.order_part import faults as order_faults
from scenarios.tape_market import NOTHING_MOVES
from scenarios.tape_market import TapeMarket as TapeMarket
from scenarios.tape_market import faults as tape_faults
from venues.build import VenueParameters
from venues.models.latency import LatencyParameters
from venues.models.reference import REGIMES, RegimeMultipliers
from venues.models.regimes import RegimeChain

NUMBER_MAX = 2**62
"""Beyond it a number fits no column of 64 bits."""

DAY_OPEN: Nanos = 1_514_903_400 * SECOND
"""2018-01-02 09:30 in New York, the open of synthetic days as of the tape's."""


class SyntheticMarket(Part, frozen=True, tag_field="kind", tag="synthetic"):
    """A market made by the flow models around one reference price."""

    start_px: str
    daily_volatility: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.02
    adv: Annotated[int, Meta(ge=1, le=10_000_000_000)] = 2_000_000
    tick: str = "0.01"
    duration_s: Annotated[float, Meta(gt=0.0, le=86_400.0)] = 23_400.0


class RegimePart(Part, frozen=True):
    """From `from_s` on the hidden regime is `name`; `multipliers` are that name's unless given."""

    from_s: Time
    name: Literal["calm", "volatile", "dark_rich", "toxic"]
    multipliers: RegimeMultipliers | None = None

    def in_force(self) -> RegimeMultipliers:
        """The multipliers of this stretch."""
        return self.multipliers or REGIMES[self.name]


class VenuePart(Part, frozen=True):
    """One synthetic venue: what the public knows, the link to it, and its hidden parameters."""

    mic: Annotated[str, Meta(min_length=1, max_length=12, pattern="^[A-Z0-9]+$")]
    parameters: VenueParameters
    volume_share: Share = 0.0
    is_primary: bool = False
    maker_micros: Fee = 0
    taker_micros: Fee = 0
    fees: FeesPart = FeesPart()
    lot: Count = 1
    latency: LatencyParameters = LatencyParameters()


class TimingPart(Part, frozen=True):
    """How the run's virtual time is cut and what silence means."""

    window_max_s: Annotated[float, Meta(ge=1e-3, le=1e9)] = 10.0
    life_s: Pause = 9.5
    reaction_ms: Annotated[float, Meta(ge=1.0, le=1e6)] = 20.0
    answer_timeout_s: Pause = 2.0
    heartbeat_s: Pause = 30.0
    grace_s: Annotated[float, Meta(ge=1e-6, le=86_400.0)] = 600.0
    """After the last parent's end: how long open children may take to settle."""


class ImpactPart(Part, frozen=True):
    """Our own impact on the reference price: each fill moves it by `coefficient_bps` times its share of ADV in
    percent. `linear`: `permanent_share` of that stays and the rest decays with `half_life_s`. `sign_feedback`: it
    stays, and brings out opposite trading that pushes back, by `m` to `volume_unit` (see `scenarios/impact.py`)."""

    coefficient_bps: Annotated[float, Meta(ge=0.0, le=1_000.0)] = 0.0
    permanent_share: Share = 0.4
    half_life_s: Span = 600.0
    kind: Literal["linear", "sign_feedback"] = "linear"
    m: Annotated[float, Meta(ge=0.0, le=100.0)] = 4.5
    tau_s: Annotated[float, Meta(ge=1.0, le=1e6)] = 50.0
    beta: Annotated[float, Meta(ge=0.5, le=5.0)] = 1.5
    trade_qty: Count = 150
    volume_unit: Annotated[float, Meta(ge=1e-6, le=1e6)] = 0.31


class Outage(Part, frozen=True, tag_field="kind", tag="outage"):
    """The link to a venue is down; `to_s` absent means that it never comes back."""

    venue: str
    from_s: Time
    to_s: Time | None = None


class Unreliable(Part, frozen=True, tag_field="kind", tag="unreliable"):
    """Reports and commands are lost, repeated, delayed and reordered, each with its probability, until `to_s`."""

    from_s: Time = 0.0
    to_s: Time = 1e9
    lose_report: Share = 0.0
    lose_command: Share = 0.0
    repeat_report: Share = 0.0
    repeat_command: Share = 0.0
    delay_report: Share = 0.0
    delay_max_s: Span = 5.0


class HostCrash(Part, frozen=True, tag_field="kind", tag="host_crash"):
    """Parent hosts stop dead between two steps of their loop, with a probability per step, and come back from the
    journal; `lose_reply` is how often the reply that was under way is lost with them."""

    from_s: Time = 0.0
    to_s: Time = 1e9
    probability: Share = 0.01
    lose_reply: Share = 0.5


Break = Outage | Unreliable | HostCrash | TradingHalt | LearnerDown | LearnerLies


class HoldsPart(Part, frozen=True):
    """What must hold at the end; an absent key is not checked."""

    filled_share_min: Share | None = None
    filled_share_max: Share | None = None
    decisions_min: Count | None = None
    routing_cost_max_bps: float | None = None
    anomalies_max: Annotated[int, Meta(ge=0)] | None = None
    orders_end: bool = True
    """Every parent reaches a closed state."""
    no_fills_at: tuple[str, ...] = ()
    fills_at: tuple[str, ...] = ()


class ScenarioFile(Part, frozen=True):
    """The file as written."""

    title: str
    description: str
    symbol: Annotated[str, Meta(min_length=1, max_length=16)]
    market: SyntheticMarket | TapeMarket
    orders: Annotated[tuple[OrderPart, ...], Meta(min_length=1)]
    venues: tuple[VenuePart, ...] = ()
    regimes: tuple[RegimePart, ...] = ()
    regime_chain: RegimeChain | None = None
    learning: LearningPart = LearningPart()
    timing: TimingPart = TimingPart()
    impact: ImpactPart = ImpactPart()
    fading: FadingPart = FadingPart()
    breaks: tuple[Break, ...] = ()
    holds: HoldsPart = HoldsPart()
    latency: LatencyParameters = LatencyParameters()
    """The links of a tape's venues; synthetic venues carry their own."""
    seed: Annotated[int, Meta(ge=0)] = 1


class Scenario(msgspec.Struct, frozen=True):
    """A checked scenario: its name, where it came from, its text, and its parts."""

    name: str
    path: str
    text: str
    file: ScenarioFile


def library() -> dict[str, Path]:
    """Return the scenarios that come with the project, by name."""
    folder = Path(__file__).parent / "library"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_scenario(name_or_path: str) -> Scenario:
    """Return the scenario of a library name or a file's path.

    Raises:
        ScenarioError: no such scenario, unreadable, not TOML, or a key that is missing, unknown or out of range.
    """
    known = library()
    path = known.get(name_or_path) or Path(name_or_path)
    if not path.is_file():
        raise ScenarioError(f"expected a scenario file or one of {', '.join(known)}, got {name_or_path!r}")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise ScenarioError(f"{path}: expected a readable text file, got {exc}") from exc
    return parse_scenario(text, path.stem, str(path))


def parse_scenario(text: str, name: str, path: str = "<text>") -> Scenario:
    """Return the scenario in `text`.

    Raises:
        ScenarioError: as `load_scenario`.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise ScenarioError(f"{path}: expected TOML, got a fault: {exc}") from exc
    for place, number in _numbers(raw, "$"):
        if not math.isfinite(number) or abs(number) > NUMBER_MAX:
            raise ScenarioError(f"{path}: expected a number within ±{NUMBER_MAX:g}, got {number} - at `{place}`")
    try:
        file = msgspec.convert(raw, ScenarioFile)
    except msgspec.ValidationError as exc:
        fault = with_known_keys(str(exc), raw, ScenarioFile)
        raise ScenarioError(f"{path}: {_with_value(fault, raw)}") from exc
    _check(file, path)
    return Scenario(name, path, text, file)


def _numbers(value: object, place: str) -> Iterator[tuple[str, float]]:
    """Yield every number in a file with its place: TOML knows infinities and NaN, and whole numbers of any length."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _numbers(inner, f"{place}.{key}")
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from _numbers(inner, f"{place}[{i}]")
    elif isinstance(value, int | float):
        yield place, value


_CHOICES: dict[str, tuple[str, ...]] = {
    ".market.kind": ("synthetic", "tape"),
    ".market.format": ("taq", "lobster", "mbo", "binance", "fx"),
    ".venues.parameters.kind": ("lit", "dark", "dealer"),
    ".orders.side": tuple(Side),
    ".orders.dark": DARK_CHOICES,
    ".regimes.name": tuple(REGIMES),
    ".breaks.kind": ("outage", "unreliable", "host_crash", "halt", "learner_down", "learner_lies"),
}
"""What may stand where one of a few words must."""


def _with_value(fault: str, raw: object) -> str:
    """Return a validation's fault with what was expected and what came, where the validation leaves one of them out."""
    head, separator, place = fault.partition(" - at `$")
    if not separator or ", got " in head or not head.startswith(("Expected", "Invalid")):
        return fault
    value: Any = raw
    for key, index in re.findall(r"\.(\w+)|\[(\d+)\]", place):
        value = value[key] if key else value[int(index)]
    choices = _CHOICES.get(re.sub(r"\[\d+\]", "", place).rstrip("`"))
    expected = f"expected one of {', '.join(choices)}" if choices else head
    return f"{expected}, got {value!r}{separator}{place}"


def fault_at(path: str, key: str, expected: str, got: object) -> ScenarioError:
    """Return the fault of one key (without its `$.`) of the file at `path`."""
    return ScenarioError(f"{path}: {bad_value(f'`$.{key}`', expected, got)}")


def _check(file: ScenarioFile, path: str) -> None:
    """Refuse what only shows across keys."""
    fault = partial(fault_at, path)
    is_tape = isinstance(file.market, TapeMarket)
    if isinstance(file.market, TapeMarket):
        _check_tape(file, file.market, fault)
    elif not file.venues:
        raise fault("venues", "at least one venue", 0)
    elif file.latency != LatencyParameters():
        raise fault("latency", "none: each synthetic venue carries its own", file.latency)
    for key, expected, got in learning_faults(file.learning, is_tape):
        raise fault(f"learning.{key}", expected, got)
    mics = [venue.mic for venue in file.venues]
    for i, mic in enumerate(mics):
        if mic in mics[:i]:
            raise fault(f"venues[{i}].mic", "a venue named once", mic)
    for i, broken in enumerate(file.breaks):
        named = broken.venue if isinstance(broken, Outage | TradingHalt) else None
        if named is not None and not is_tape and named not in mics:
            raise fault(f"breaks[{i}].venue", f"one of {', '.join(mics)}", named)
        if broken.to_s is not None and broken.to_s <= broken.from_s:
            raise fault(f"breaks[{i}].to_s", "a time after from_s", broken.to_s)
    for key in ("no_fills_at", "fills_at"):
        _check_mics(getattr(file.holds, key), f"holds.{key}", mics, fault)
    ids = [order.id for order in file.orders]
    for i, order in enumerate(file.orders):
        if order.id in ids[:i]:
            raise fault(f"orders[{i}].id", "an order named once", order.id)
        _check_order(order, i, mics, fault)
    for i, regime in enumerate(file.regimes[1:], start=1):
        if regime.from_s <= file.regimes[i - 1].from_s:
            raise fault(f"regimes[{i}].from_s", "a time after the regime before it", regime.from_s)
    if file.regimes and file.regime_chain is not None:
        raise fault("regime_chain", "either regimes or a chain that draws them", "both")
    if isinstance(file.market, SyntheticMarket):
        for key in ("start_px", "tick"):
            _check_px(getattr(file.market, key), f"market.{key}", fault)


def _check_tape(file: ScenarioFile, market: TapeMarket, fault: Fault) -> None:
    """Refuse what a recorded day would not read."""
    if file.venues:
        raise fault("venues", "no venues with a tape, which brings its own", len(file.venues))
    if file.regimes or file.regime_chain is not None:
        raise fault("regimes", "no regimes with a tape, which brings its own", len(file.regimes))
    if market.format in NOTHING_MOVES and file.impact != ImpactPart():
        raise fault("impact", f"no impact with the format {market.format}, which nothing moves", file.impact)
    if file.fading != FadingPart():
        raise fault("fading", "no fading with a tape, which nothing moves", file.fading)
    for i, broken in enumerate(file.breaks):
        if isinstance(broken, TradingHalt):
            raise fault(f"breaks[{i}].kind", "no halt with a tape, which has those of its day", "halt")
    for key, expected, got in tape_faults(market):
        raise fault(f"market.{key}", expected, got)


def _check_mics(given: tuple[str, ...], key: str, mics: list[str], fault: Fault) -> None:
    for mic in given:
        if mics and mic not in mics:
            raise fault(key, f"one of {', '.join(mics)}", mic)


Fault = Callable[[str, str, object], ScenarioError]


def _check_px(text: str, key: str, fault: Fault) -> None:
    try:
        px(text)
    except UnitError as exc:
        raise fault(key, "a decimal price", text) from exc


def _check_order(order: OrderPart, i: int, mics: list[str], fault: Fault) -> None:
    for key, expected, got in order_faults(order):
        raise fault(f"orders[{i}].{key}".rstrip("."), expected, got)
    for name in ("venues_allow", "venues_deny"):
        _check_mics(getattr(order, name), f"orders[{i}].{name}", mics, fault)
