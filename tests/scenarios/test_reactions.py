"""Others react to us: makers elsewhere fade, dealers hedge; and the keys of a scenario that say so, halts and fees.

Rule of this file: what venues make of a ripple is theirs; here is who is sent what, and when.
"""

from __future__ import annotations

import msgspec
import pytest
from small_market import scenario, small, text, with_part

from router.domain.enums import (
    ExecInst,
    ExecType,
    OrdStatus,
    OrdType,
    PegPriceType,
    Side,
    Tactic,
    TimeInForce,
    VenueType,
)
from router.domain.errors import ScenarioError
from router.domain.instruments import FeeSchedule, FeeTier, Listing, VenueSpec
from router.domain.market import MarketSnapshot, Quote
from router.domain.messages import Arrival, Fade, Hedge, Message, VenueBatch, VenueReply
from router.domain.orders import ChildOrder, NewOrderSingle, OrderCancelRequest
from router.domain.reports import ExecutionReport
from router.domain.units import MILLISECOND, SECOND
from scenarios.assembly import Assembly, assemble
from scenarios.day import drive, link_of
from scenarios.link import Link
from scenarios.policies import make_learner
from scenarios.reactions import Reactions
from scenarios.runner import run
from scenarios.scenario import DAY_OPEN, parse_scenario
from venues.models.fade import FadeParameters, Fading
from venues.models.hedge import hedge_steps, shared_out
from venues.types.dealer_parameters import DealerParameters

LIT = ("XLTA", "XLTB", "XLTC")
SURE = FadeParameters(share=0.4, reaction_ns=500_000, jitter_ns=0, correlation=1.0)
FADING = "[fading]\nshare = 0.5\ncorrelation = 1.0\n"


def spec(mic: str, kind: VenueType, tactic: Tactic, share: float) -> VenueSpec:
    listing = Listing(symbol="ABC", mic=mic)
    return VenueSpec(
        mic=mic, venue_type=kind, listing=listing, fees=FeeSchedule(), tactics=(tactic,), volume_share=share
    )


SPECS = (
    *(spec(mic, VenueType.CENTRAL_LIMIT_ORDER_BOOK, Tactic.TAKE, 0.2) for mic in LIT),
    spec("XDKA", VenueType.DARK_ORDER_BOOK, Tactic.MID_PEG, 0.2),
    spec("XSDA", VenueType.QUOTE_DRIVEN_MARKET, Tactic.QUOTE, 0.2),
)


def arrival(name: str, mic: str, at: int, **fields: object) -> Arrival:
    base: dict[str, object] = {
        "cl_ord_id": name,
        "parent_id": "P1",
        "decision_id": "P1.d1",
        "symbol": "ABC",
        "mic": mic,
        "tactic": Tactic.TAKE,
        "side": Side.BUY,
        "order_qty": 100,
        "ord_type": OrdType.LIMIT,
        "price": 400_000,
        "time_in_force": TimeInForce.IMMEDIATE_OR_CANCEL,
    }
    return Arrival(at, NewOrderSingle(ChildOrder(**(base | fields))))  # type: ignore[arg-type]


MARKET = MarketSnapshot(
    at=0,
    quotes=tuple(
        Quote(mic=one, at=0, bid_px=399_900, bid_qty=100, ask_px=400_000, ask_qty=100)
        if one in LIT
        else Quote(mic=one, at=0)
        for one in (*LIT, "XDKA", "XSDA")
    ),
    tiers=(),
    bid_px=399_900,
    bid_qty=300,
    ask_px=400_000,
    ask_qty=300,
    volume=0,
)


def trade(mic: str, at: int, qty: int) -> ExecutionReport:
    return ExecutionReport(
        mic=mic,
        cl_ord_id="P1.1",
        order_id="V",
        exec_id=f"{mic}-1",
        exec_type=ExecType.TRADE,
        ord_status=OrdStatus.FILLED,
        transact_time=at,
        last_qty=qty,
    )


def due(reactions: Reactions, now: int, until: int) -> dict[str, tuple[Fade | Hedge, ...]]:
    found = {one.mic: reactions.due(one.mic, now, until) for one in SPECS}
    return {mic: ripples for mic, ripples in found.items() if ripples}


# Who fades, and when.


def test_makers_elsewhere_fade_after_a_take_and_those_here_do_not() -> None:
    reactions = Reactions(SPECS, Fading(1, LIT, SURE))
    sell = arrival("P1.2", "XLTC", 1_000_000, side=Side.SELL, price=399_900)
    reactions.sent([arrival("P1.1", "XLTA", 1_000_000), sell], MARKET)
    buys, sells = Fade(1_500_000, 1, 0.4), Fade(1_500_000, -1, 0.4)
    assert due(reactions, 0, 1_500_000) == {}
    assert due(reactions, 0, 1_500_001) == {"XLTA": (sells,), "XLTB": (buys, sells), "XLTC": (buys,)}
    assert due(reactions, 0, 9_000_000) == {}


@pytest.mark.parametrize(
    "command",
    [
        arrival("P1.1", "XLTA", 5, tactic=Tactic.POST, price=399_900, time_in_force=TimeInForce.DAY),
        arrival("P1.1", "XLTA", 5, exec_inst=(ExecInst.PARTICIPATE_DO_NOT_INITIATE,)),
        arrival("P1.1", "XLTA", 5, price=100),
        arrival("P1.1", "XLTA", 5, ord_type=OrdType.PEGGED, price=None, peg_price_type=PegPriceType.MID_PRICE),
        arrival("P1.1", "XLTA", 5, ord_type=OrdType.MARKET, price=None, time_in_force=TimeInForce.AT_THE_CLOSE),
        arrival("P1.1", "XDKA", 5),
        arrival("P1.1", "XSDA", 5),
        Arrival(5, OrderCancelRequest(mic="XLTA", cl_ord_id="P1.1/1", orig_cl_ord_id="P1.1", parent_id="P1")),
    ],
)
def test_what_does_not_take_at_a_lit_venue_makes_nobody_fade(command: Arrival) -> None:
    reactions = Reactions(SPECS, Fading(1, LIT, SURE))
    reactions.sent([command], MARKET)
    assert due(reactions, 0, SECOND) == {}


@pytest.mark.parametrize("fields", [{"time_in_force": TimeInForce.DAY}, {"ord_type": OrdType.MARKET, "price": None}])
def test_an_order_that_takes_is_seen_whatever_its_time_in_force(fields: dict[str, object]) -> None:
    reactions = Reactions(SPECS, Fading(1, LIT, SURE))
    reactions.sent([arrival("P1.1", "XLTA", 5, **fields)], MARKET)
    assert set(due(reactions, 0, SECOND)) == {"XLTB", "XLTC"}


def test_whether_and_when_somebody_fades_depends_on_the_order_and_the_pair_alone() -> None:
    fading = Fading(1, LIT, FadeParameters(share=0.4, correlation=0.6))
    one, two = fading.taken("P1.1", "XLTA", 1, 0), fading.taken("P1.2", "XLTA", 1, 0)
    assert fading.taken("P1.1", "XLTA", 1, 0) == one
    alone = Fading(1, ("XLTA", "XLTC"), FadeParameters(share=0.4, correlation=0.6))
    assert alone.taken("P1.1", "XLTA", 1, 0) == [fade for fade in one if fade[0] == "XLTC"]
    assert {fade.at for _, fade in one}.isdisjoint(fade.at for _, fade in two)


def test_fades_have_the_stated_chance_and_delay() -> None:
    fading = Fading(1, LIT, FadeParameters(share=0.4, correlation=0.6))
    fades = [fade for n in range(2_000) for _, fade in fading.taken(f"P1.{n}", "XLTA", 1, 0)]
    assert 0.57 < len(fades) / 4_000 < 0.63
    delays = [fade.at for fade in fades]
    assert min(delays) >= 500_000
    assert abs(sum(delays) / len(delays) - 700_000) < 15_000


# Who hedges.


def test_a_dealer_takes_his_share_from_the_lit_venues_in_steps() -> None:
    reactions = Reactions(SPECS, None, {"XSDA": DealerParameters(hedge_share=0.5, hedge_ns=4 * SECOND)})
    reactions.executed(trade("XSDA", SECOND, 1_200), 1)
    reactions.executed(trade("XLTA", SECOND, 1_200), 1)
    for k in range(1, 5):
        at = SECOND + k * SECOND
        assert due(reactions, at, at + 1) == dict.fromkeys(LIT, (Hedge(at, 1, 50),))
    assert due(reactions, 0, 99 * SECOND) == {}


def test_what_a_dealer_hedges_adds_up_to_his_share_and_overdue_steps_come_at_once() -> None:
    reactions = Reactions(SPECS, None, {"XSDA": DealerParameters(hedge_share=0.37, hedge_ns=MILLISECOND)})
    for n, qty in enumerate((1, 3, 100, 257, 5_000)):
        reactions.executed(trade("XSDA", n, qty), -1)
    found = [ripple for ripples in due(reactions, SECOND, 2 * SECOND).values() for ripple in ripples]
    assert {ripple.at for ripple in found} == {SECOND}
    assert {ripple.sign for ripple in found} == {-1}
    taken = sum(ripple.qty for ripple in found if isinstance(ripple, Hedge))
    assert taken == sum(round(qty * 0.37) for qty in (1, 3, 100, 257, 5_000))


def test_whole_shares_are_shared_out_without_loss() -> None:
    for qty in range(40):
        parts = shared_out(qty, (0.5, 0.0, 0.3, 0.1))
        assert sum(parts) == qty
        assert min(parts) >= 0
        assert parts[1] == 0
        assert sum(step for _, step in hedge_steps(0, qty, 4)) == qty


def test_a_dealer_without_lit_venues_hedges_nowhere() -> None:
    reactions = Reactions(SPECS[3:], None, {"XSDA": DealerParameters()})
    reactions.executed(trade("XSDA", 0, 1_000), 1)
    assert reactions.due("XSDA", 0, 99 * SECOND) == ()


# Through the conductor.


class Heard:
    """A link that keeps what venues were sent and said."""

    def __init__(self, inner: Link) -> None:
        self.inner = inner
        self.batches: list[tuple[str, VenueBatch]] = []
        self.replies: list[tuple[str, VenueReply]] = []

    def send(self, to: str, batch: Message) -> None:
        if isinstance(batch, VenueBatch):
            self.batches.append((to, batch))
        self.inner.send(to, batch)

    def receive(self) -> dict[str, Message]:
        replies = self.inner.receive()
        self.replies += [(name, one) for name, one in replies.items() if isinstance(one, VenueReply)]
        return replies

    def close(self) -> None:
        self.inner.close()

    def ripples(self, kind: type) -> list[tuple[str, Fade | Hedge]]:
        return [(mic, ripple) for mic, batch in self.batches for ripple in batch.ripples if isinstance(ripple, kind)]


def heard(assembly: Assembly) -> Heard:
    link = Heard(link_of(assembly, make_learner(assembly, "learner", "volume_proportional")))
    drive(assembly, link, {parent.parent_id: "host-0" for parent in assembly.parents})
    return link


BUSY = ("order_qty = 3_000", 'order_qty = 10_000\nurgency = 1.0\nstrategy = "twap"')
"""An order in a hurry, that takes at both lit venues and from the dealer."""


def with_fading() -> Assembly:
    return assemble(parse_scenario(text(BUSY, ("[holds]", f"{FADING}\n[holds]")), "small"), 1, None)


def test_a_take_that_arrives_makes_the_other_lit_venue_fade_after_its_reaction() -> None:
    link = heard(with_fading())
    takes = [
        (mic, arrival.at)
        for mic, batch in link.batches
        for arrival in batch.arrivals
        if isinstance(arrival.command, NewOrderSingle) and arrival.command.child.tactic is Tactic.TAKE
    ]
    fades = link.ripples(Fade)
    assert len(takes) == len(fades) > 3
    other = {"XLTA": "XINA", "XINA": "XLTA"}
    for mic, at in takes:
        assert any(place == other[mic] and 500_000 <= fade.at - at < 20_000_000 for place, fade in fades)


def test_nothing_fades_unless_the_scenario_says_so() -> None:
    assert heard(small(1, BUSY)).ripples(Fade) == []


def test_a_dealers_fills_are_hedged_at_the_lit_venues_in_the_windows_after() -> None:
    link = heard(small(1, BUSY))
    sold = [
        report
        for mic, reply in link.replies
        if mic == "XSDA"
        for report in reply.reports
        if isinstance(report, ExecutionReport) and report.exec_type is ExecType.TRADE
    ]
    hedges = link.ripples(Hedge)
    assert {mic for mic, _ in hedges} == {"XLTA", "XINA"}
    taken = {mic: sum(r.qty for at, r in hedges if at == mic and isinstance(r, Hedge)) for mic in ("XLTA", "XINA")}
    assert sum(taken.values()) == sum(round(report.last_qty * 0.5) for report in sold) > 100
    assert taken["XLTA"] > taken["XINA"] > 0
    assert min(hedge.at for _, hedge in hedges) > min(report.transact_time for report in sold)


def test_ripples_lie_in_the_window_that_carries_them() -> None:
    link = heard(with_fading())
    last = dict.fromkeys(("XLTA", "XINA", "XDKA", "XSDA"), 0)
    seen = 0
    for mic, batch in link.batches:
        assert all(last[mic] <= ripple.at < batch.until for ripple in batch.ripples)
        seen += len(batch.ripples)
        last[mic] = batch.until
    assert seen > 10


def test_fading_changes_a_run_and_the_same_seed_gives_it_again() -> None:
    fading = ("[holds]", f"{FADING}\n[holds]")
    faded = [run(scenario(BUSY, fading), seed=1).digest for _ in range(2)]
    assert faded[0] == faded[1] != run(scenario(BUSY), seed=1).digest


def filled_share_of_takes(order_entry_ns: int, share: float) -> float:
    """Return what part of our takes at the second lit venue filled, over three days: an order large enough to want
    about all that is displayed."""
    asked = filled = 0
    large = (BUSY[0], BUSY[1].replace("10_000", "20_000"))
    late = ("touch_qty = 200 }", f"touch_qty = 200 }}\nlatency = {{ order_entry_ns = {order_entry_ns} }}")
    fading = ("[holds]", f"[fading]\nshare = {share}\ncorrelation = 1.0\n\n[holds]")
    for seed in (1, 2, 3):
        link = heard(small(seed, large, late, fading))
        arrivals = [a.command for mic, batch in link.batches if mic == "XINA" for a in batch.arrivals]
        sent = [c.child for c in arrivals if isinstance(c, NewOrderSingle) and c.child.tactic is Tactic.TAKE]
        takes = {child.cl_ord_id: child.order_qty for child in sent}
        reports = [r for _, reply in link.replies for r in reply.reports if isinstance(r, ExecutionReport)]
        filled += sum(r.last_qty for r in reports if r.exec_type is ExecType.TRADE and r.cl_ord_id in takes)
        asked += sum(takes.values())
    return filled / asked


def test_to_be_at_all_venues_at_once_is_worth_money() -> None:
    at_once, late, late_unnoticed = (
        filled_share_of_takes(150_000, 0.8),
        filled_share_of_takes(5_000_000, 0.8),
        filled_share_of_takes(5_000_000, 0.0),
    )
    assert at_once > 0.97
    assert late_unnoticed > 0.95
    assert late < at_once - 0.1


# Halts and fees of a scenario.


def halt(**keys: object) -> str:
    lines = [f"{key} = {value!r}" for key, value in keys.items()]
    return "\n".join(["[[breaks]]", 'kind = "halt"', *lines, ""])


def test_a_halt_reaches_the_market_of_the_venues_it_names() -> None:
    one = assemble(parse_scenario(with_part(halt(venue="XLTA", from_s=60, to_s=90)), "s"), 1, None).setup
    assert one.halts_of("XLTA") == ((DAY_OPEN + 60 * SECOND, DAY_OPEN + 90 * SECOND),)
    assert one.halts_of("XINA") == ()
    everywhere = assemble(parse_scenario(with_part(halt(from_s=60, to_s=90)), "s"), 1, None).setup
    assert everywhere.halts_of("XINA") == one.halts_of("XLTA")


@pytest.mark.parametrize(
    ("part", "fault"),
    [
        (halt(venue="XBAD", from_s=1, to_s=2), "expected one of XLTA, XINA, XDKA, XSDA, got 'XBAD' - at `$.breaks[0]"),
        (halt(from_s=5, to_s=5), "expected a time after from_s, got 5.0 - at `$.breaks[0].to_s`"),
        (halt(from_s=5), "missing required field `to_s`"),
        ("[fading]\nshare = 1.5\n", "`$.fading.share`"),
    ],
)
def test_a_halt_or_fading_that_cannot_be_is_refused_by_its_key(part: str, fault: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        parse_scenario(with_part(part), "small", "small.toml")
    assert fault in str(refused.value)


@pytest.mark.parametrize(("part", "key"), [(FADING, "`$.fading`"), (halt(from_s=1, to_s=2), "`$.breaks[0].kind`")])
def test_a_tape_has_neither_fading_nor_halts(part: str, key: str) -> None:
    tape = (
        'title = "t"\ndescription = "d"\nsymbol = "A"\n[market]\nkind = "tape"\n[[orders]]\nid = "P"\norder_qty = 1\n'
    )
    with pytest.raises(ScenarioError) as refused:
        parse_scenario(tape + part, "tape", "tape.toml")
    assert key in str(refused.value)


def test_a_venues_schedule_is_its_two_rates_and_the_rest() -> None:
    tiers = "tiers = [{ from_qty = 1_000, maker_micros = -1, taker_micros = 2 }]"
    fees = f"fees = {{ auction_micros = 500, taker_bps = 0.1, {tiers} }}"
    made = small(1, ("taker_micros = 3_000", f"taker_micros = 3_000\n{fees}")).specs[0].fees
    assert made == FeeSchedule(
        maker_micros=-2_000, taker_micros=3_000, auction_micros=500, taker_bps=0.1, tiers=(FeeTier(1_000, -1, 2),)
    )


def test_a_schedule_that_cannot_be_is_refused_by_its_key() -> None:
    change = ("taker_micros = 3_000", "taker_micros = 3_000\nfees = { taker_bps = 0.001 }")
    with pytest.raises(
        ScenarioError, match=r"hundredths of a basis point, got 0.001 - at `\$.venues\[0\].fees.taker_bps`"
    ):
        small(1, change)


def test_a_dealer_who_is_only_asked_trades_with_us_in_a_run() -> None:
    asking = text(BUSY, ('parameters = { kind = "dealer" }', 'parameters = { kind = "dealer", mode = "rfq" }'))
    assembly = assemble(parse_scenario(asking, "small"), 1, None)
    assert [one.rfq_max_qty for one in assembly.specs] == [0, 0, 0, 5_000]
    reports = [r for mic, reply in heard(assembly).replies if mic == "XSDA" for r in reply.reports]
    kinds = {r.exec_type for r in reports if isinstance(r, ExecutionReport)}
    assert {ExecType.PENDING_NEW, ExecType.TRADE} <= kinds
    assert msgspec.structs.asdict(assembly.specs[3])["tactics"] == (Tactic.QUOTE,)
