"""The examiner of policies: a new one is done when `check_policy` passes.

Rule of this file: it sees a policy only through `Policy`; each rule is one function, and a broken one says which.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from learners.policies.policy import KeepingPolicy, Policy, PolicySetup
from router.domain.enums import AllocationMode, OutcomeKind, Side, Tactic, VenueType
from router.domain.errors import DefectError, FeatureError
from router.domain.instruments import FeeSchedule, Lane, Listing, VenueSpec, lanes_of
from router.domain.market import F64
from router.domain.scores import ContextFrame, LaneScore, Outcome
from router.domain.units import MILLISECOND, SECOND, Nanos

Make = Callable[[PolicySetup], Policy]

NAMES = ("bias", "spread", "imbalance")
START: Nanos = 1_700_000_000 * SECOND
LIFE: Nanos = 10 * SECOND
SLICE = 500


def check_policy(make: Make, *, learns: bool = True) -> None:
    """Examine the policies that `make` builds; with `learns`, also that they come to prefer the lane that fills.

    Raises:
        DefectError: the first rule that does not hold.
    """
    _check_scores(make)
    _check_asking_changes_nothing(make)
    _check_batches(make)
    _check_repeats(make)
    _check_twins(make)
    _check_refusals(make)
    _check_disorder(make)
    _check_keeping(make)
    if learns:
        _check_preference(make)


def example_setup(parameters: dict[str, float] | None = None) -> PolicySetup:
    """Return the setup policies are examined on: a primary, a second exchange, a dark pool and a dealer."""
    book, dark, dealer = (
        VenueType.CENTRAL_LIMIT_ORDER_BOOK,
        VenueType.DARK_ORDER_BOOK,
        VenueType.QUOTE_DRIVEN_MARKET,
    )
    rows = (
        ("XNYS", book, (Tactic.TAKE, Tactic.POST), 0.5),
        ("XCHI", book, (Tactic.TAKE, Tactic.POST), 0.3),
        ("XDRK", dark, (Tactic.MID_PEG, Tactic.CONDITIONAL), 0.15),
        ("XDLR", dealer, (Tactic.QUOTE,), 0.05),
    )
    specs = tuple(
        VenueSpec(
            mic=mic,
            venue_type=venue_type,
            listing=Listing(symbol="ACME", mic=mic),
            fees=FeeSchedule(),
            tactics=tactics,
            is_primary=mic == "XNYS",
            volume_share=share,
        )
        for mic, venue_type, tactics, share in rows
    )
    return PolicySetup(specs, NAMES, SLICE, LIFE, 7, parameters or {})


def example_frame(setup: PolicySetup, at: Nanos, *, max_qty: Sequence[int] | None = None) -> ContextFrame:
    """Return a frame over the setup's lanes with features that follow from `at` alone."""
    lanes = tuple(str(lane) for lane in lanes_of(setup.specs))
    x: F64 = np.ones((len(lanes), len(setup.feature_names)))
    for row in range(len(lanes)):
        x[row, 1:] = [math.sin(at / SECOND + row + column) for column in range(1, len(setup.feature_names))]
    return ContextFrame(
        at=at,
        symbol="ACME",
        side=Side.BUY,
        names=setup.feature_names,
        lanes=lanes,
        x=x.tobytes(),
        price_bps=tuple(-1.0 for _ in lanes),
        fee_bps=tuple(0.1 for _ in lanes),
        max_qty=tuple(400 for _ in lanes) if max_qty is None else tuple(max_qty),
    )


def example_outcomes(setup: PolicySetup, rounds: int, filling: str = "") -> list[Outcome]:
    """Return what became of `rounds` children on each lane in turn, in order of `Outcome.key`.

    Children of the lane `filling` fill whole; of the others none does. With no lane named, every third child of each
    lane fills in two parts. A fill is followed by its markout after ten seconds.
    """
    outcomes = []
    for n, lane in enumerate(lane for _ in range(rounds) for lane in lanes_of(setup.specs)):
        fills = str(lane) == filling if filling else n % 3 == 0
        outcomes += _child(setup, lane, n, 1 if filling else 2) if fills else _miss(setup, lane, n)
    return sorted(outcomes, key=lambda outcome: outcome.key)


def _base(setup: PolicySetup, lane: Lane, n: int) -> Outcome:
    x = (1.0, *(math.cos(n + column) for column in range(1, len(setup.feature_names))))
    return Outcome(
        kind=OutcomeKind.CANCEL,
        at=START + n * SECOND,
        parent_id="P1",
        decision_id=f"P1.d{n}",
        cl_ord_id=f"P1.{n}",
        lane=str(lane),
        side=Side.BUY,
        order_qty=SLICE,
        leaves_qty=SLICE,
        x=x,
    )


def _child(setup: PolicySetup, lane: Lane, n: int, parts: int) -> list[Outcome]:
    base, told, life = _base(setup, lane, n), [], 200 * MILLISECOND
    for part in range(parts):
        filled = SLICE * (part + 1) // parts
        changes = {
            "kind": OutcomeKind.FILL,
            "at": base.at + (part + 1) * life,
            "filled_qty": SLICE // parts,
            "cum_qty": filled,
            "leaves_qty": SLICE * (parts - part) // parts,
            "age_from_ns": part * life,
            "age_to_ns": (part + 1) * life,
            "is_final": part == parts - 1,
            "exec_id": f"E{n}.{part}",
            "price_bps": -1.0,
            "fee_bps": 0.1,
        }
        fill = msgspec.structs.replace(base, **changes)
        mark = msgspec.structs.replace(
            base,
            kind=OutcomeKind.MARKOUT,
            at=fill.at + 10 * SECOND,
            exec_id=fill.exec_id,
            horizon_ns=10 * SECOND,
            markout_bps=-0.5 + 0.1 * (n % 7),
        )
        told += [fill, mark]
    return told


def _miss(setup: PolicySetup, lane: Lane, n: int) -> list[Outcome]:
    base = _base(setup, lane, n)
    life = LIFE if lane.tactic not in (Tactic.TAKE, Tactic.QUOTE) else MILLISECOND
    half = msgspec.structs.replace(base, kind=OutcomeKind.HEARTBEAT, at=base.at + life // 2, age_to_ns=life // 2)
    end = {"at": base.at + life, "age_from_ns": life // 2, "age_to_ns": life, "is_final": True}
    return [half, msgspec.structs.replace(base, **end)]


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise DefectError(f"expected a policy of which this holds: {rule}")


def _check_scores(make: Make) -> None:
    setup = example_setup()
    policy = make(setup)
    lanes = tuple(str(lane) for lane in lanes_of(setup.specs))
    for rounds in (0, 4):
        policy.learn(example_outcomes(setup, rounds))
        for step in range(3):
            for sizes in (None, [0] + [400] * (len(lanes) - 1), [0] * len(lanes)):
                given = policy.scores(example_frame(setup, START + 50 * SECOND + step, max_qty=sizes))
                _require(tuple(score.lane for score in given) == lanes, "one score per lane, in the frame's order")
                _check_numbers(policy.mode, given)


def _check_numbers(mode: AllocationMode, given: Sequence[LaneScore]) -> None:
    for score in given:
        numbers = (score.p, score.mu, score.markout_bps, score.leakage_bps, score.weight)
        _require(all(math.isfinite(number) for number in numbers), "all numbers of a score are finite")
        _require(0.0 <= score.p <= 1.0, "p lies in [0, 1]")
        _require(score.mu >= 0.0 and score.weight >= 0.0, "mu and weight are at least 0")
    if mode is not AllocationMode.WATER_FILL:
        _require(abs(math.fsum(score.weight for score in given) - 1.0) < 1e-9, "weights sum to 1")


def _check_asking_changes_nothing(make: Make) -> None:
    setup = example_setup()
    asked, quiet = make(setup), make(setup)
    frame = example_frame(setup, START + 300 * SECOND)
    for outcome in example_outcomes(setup, 5):
        before = asked.digest()
        first = asked.scores(example_frame(setup, outcome.at))
        _require(asked.scores(example_frame(setup, outcome.at)) == first, "asking twice gives the same scores")
        _require(asked.digest() == before, "asking leaves the digest")
        asked.learn((outcome,))
        quiet.learn((outcome,))
    _require(asked.digest() == quiet.digest(), "having been asked does not change what is learned")
    _require(asked.scores(frame) == quiet.scores(frame), "having been asked does not change later scores")


def _check_batches(make: Make) -> None:
    setup = example_setup()
    outcomes = example_outcomes(setup, 5)
    whole, parts = make(setup), make(setup)
    whole.learn(outcomes)
    parts.learn(outcomes[:13])
    parts.learn(())
    parts.learn(outcomes[13:])
    _require(whole.digest() == parts.digest(), "two batches teach what one does")


def _check_repeats(make: Make) -> None:
    setup = example_setup()
    outcomes = example_outcomes(setup, 5)
    once, again = make(setup), make(setup)
    once.learn(outcomes)
    for outcome in outcomes:
        again.learn((outcome, outcome))
    again.learn(outcomes)
    frame = example_frame(setup, START + 300 * SECOND)
    _require(once.digest() == again.digest(), "a repeated outcome changes nothing")
    _require(once.scores(frame) == again.scores(frame), "a repeated outcome changes no score")


def _check_twins(make: Make) -> None:
    setup = example_setup()
    one, two = make(setup), make(setup)
    for outcome in example_outcomes(setup, 5):
        one.learn((outcome,))
        two.learn((outcome,))
        frame = example_frame(setup, outcome.at)
        _require(one.scores(frame) == two.scores(frame), "two instances that learned the same score the same")
    _require(one.digest() == two.digest(), "two instances that learned the same have one digest")


def _check_refusals(make: Make) -> None:
    setup = example_setup()
    policy = make(setup)
    policy.learn(example_outcomes(setup, 3))
    before = policy.digest()
    good = example_outcomes(setup, 4)[-1]
    nan, infinite = float("nan"), float("inf")
    for x in ((1.0, nan, 0.0), (1.0, infinite, 0.0), (1.0, 0.0), (), (1.0, 0.0, 0.0, 0.0), (1.0, 1e300, 0.0)):
        _check_refused(policy, before, msgspec.structs.replace(good, x=x))
    _check_refused(policy, before, msgspec.structs.replace(good, lane="XNIL:TAKE"))
    _check_refused(policy, before, msgspec.structs.replace(good, kind=OutcomeKind.MARKOUT, markout_bps=nan))
    _check_refused(policy, before, msgspec.structs.replace(good, price_bps=infinite))
    frame = example_frame(setup, START)
    x_bad = np.frombuffer(frame.x).copy()
    x_bad[4] = nan
    for bad in (
        msgspec.structs.replace(frame, x=x_bad.tobytes()),
        msgspec.structs.replace(frame, x=frame.x[:-8]),
        msgspec.structs.replace(frame, lanes=frame.lanes[1:]),
        msgspec.structs.replace(frame, names=("bias", "other", "names")),
        msgspec.structs.replace(frame, max_qty=frame.max_qty[1:]),
        msgspec.structs.replace(frame, fee_bps=(nan, *frame.fee_bps[1:])),
    ):
        try:
            policy.scores(bad)
        except FeatureError:
            continue
        _require(False, "a frame that is not finite or has the wrong shape is refused with FeatureError")


def _check_refused(policy: Policy, before: str, outcome: Outcome) -> None:
    try:
        policy.learn((outcome,))
    except FeatureError as error:
        unknown = outcome.lane == "XNIL:TAKE"
        _require(not unknown or outcome.lane in str(error), "the refusal of an unknown lane names it")
        _require(policy.digest() == before, "a refused outcome changes nothing")
        return
    _require(False, "an outcome that cannot be is refused with FeatureError")


def _check_disorder(make: Make) -> None:
    """Markouts before fills, ends before heartbeats, years between two outcomes: still finite, still one state."""
    setup = example_setup()
    outcomes = list(reversed(example_outcomes(setup, 5)))
    year = 365 * 24 * 3_600 * SECOND
    outcomes.append(msgspec.structs.replace(outcomes[-1], at=outcomes[-1].at + 5 * year))
    outcomes.append(msgspec.structs.replace(outcomes[0], at=START - 5 * year))
    one, two = make(setup), make(setup)
    one.learn(outcomes)
    two.learn(outcomes)
    _require(one.digest() == two.digest(), "outcomes out of order teach two instances the same")
    for at in (START - 10 * year, START, START + 10 * year):
        _check_numbers(one.mode, one.scores(example_frame(setup, at)))


def _check_keeping(make: Make) -> None:
    """What is written down of a state is all of it: whoever reads it back goes on as the first would have."""
    setup = example_setup()
    first, second = make(setup), make(setup)
    if not isinstance(first, KeepingPolicy) or not isinstance(second, KeepingPolicy):
        return
    outcomes = example_outcomes(setup, 8)
    first.learn(outcomes[:40])
    second.restore({name: array.copy() for name, array in first.state().items()})
    frame = example_frame(setup, START + 300 * SECOND)
    _require(first.digest() == second.digest(), "a state read back has the digest of the one written down")
    _require(first.scores(frame) == second.scores(frame), "a state read back scores as the one written down")
    for policy in (first, second):
        policy.learn(outcomes[30:])
    _require(first.digest() == second.digest(), "a state read back learns as the one written down")
    _require(first.scores(frame) == second.scores(frame), "after learning more it scores the same, too")
    before, whole = second.digest(), first.state()
    for bad in ({}, dict(list(whole.items())[1:]), {name: array.ravel()[:-1] for name, array in whole.items()}):
        try:
            second.restore(bad)
        except FeatureError:
            _require(second.digest() == before, "a refused state changes nothing")
            continue
        _require(False, "what is not a state of this policy is refused with FeatureError")


def _check_preference(make: Make) -> None:
    setup = example_setup()
    lanes = tuple(str(lane) for lane in lanes_of(setup.specs))
    for filling, barren in ((lanes[1], lanes[3]), (lanes[3], lanes[1])):
        policy = make(setup)
        outcomes = example_outcomes(setup, 40, filling)
        policy.learn(outcomes)
        liked = dict.fromkeys(lanes, 0.0)
        for step in range(64):
            for score in policy.scores(example_frame(setup, outcomes[-1].at + step * SECOND)):
                liked[score.lane] += score.p if policy.mode is AllocationMode.WATER_FILL else score.weight
        _require(liked[filling] > liked[barren], "the lane that fills is preferred to the one that never does")
