"""What a run leaves behind: its digest, and the rows of its tables.

Rule of this file: it listens and decides nothing; what enters the digest is what was said, in the order it was said.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from router.domain import codec
from router.domain.enums import OrdStatus, Side, Tactic
from router.domain.events import (
    ChildIntended,
    ChildOut,
    ChildReconciled,
    ChildRejected,
    ChildReplaced,
    ChildTraded,
    DecisionMade,
    Event,
    LearnerSteered,
    ParentAccepted,
    ParentDone,
    ParentReplaced,
    ParentWoke,
    ReportIgnored,
)
from router.domain.fees import expected_rates, fee_of
from router.domain.instruments import VenueSpec
from router.domain.market import I64, PRINT_COLUMNS, rows_from_bytes
from router.domain.messages import LearnerReply, Publication, ReleaseStatus, VenueReply
from router.domain.scores import CHALLENGER, Outcome, RoutingDecision
from router.domain.units import Micros, Nanos, Px, Qty
from router.orders.child import CLOSED
from router.route import book_side

Row = dict[str, Any]


class Recorder:
    """Collects a run. `regime_of` gives the hidden regime at a time, for the market table only."""

    def __init__(self, specs: tuple[VenueSpec, ...], regime_of: Callable[[Nanos], str]) -> None:
        self.specs = specs
        self.type_of = {spec.mic: str(spec.venue_type) for spec in specs}
        self._fees_of = {spec.mic: spec.fees for spec in specs}
        self._regime_of = regime_of
        self._hash = hashlib.sha256()
        self.market: list[Row] = []
        self.orders: dict[str, Row] = {}
        self.schedule: list[Row] = []
        self.children: dict[str, Row] = {}
        self.executions: list[Row] = []
        self._inferred: dict[str, list[Row]] = {}
        self.decisions: list[RoutingDecision] = []
        self.outcomes: list[Outcome] = []
        self.learned: list[int] = []
        """By outcome the version that it made; 0: the learner heard it while it was frozen, and learned nothing."""
        self.probabilities: list[Row] = []
        self.prints: list[I64] = []
        self._unshown: dict[Side, Publication] = {}
        """By side the last publication whose probabilities nobody has been shown."""
        self.policy_versions = 0
        self.learner_digest = ""
        """What the learner last published calls its state."""
        self.steered: list[LearnerSteered] = []
        self.release: ReleaseStatus | None = None

    @property
    def digest(self) -> str:
        """SHA-256 over everything said so far."""
        return self._hash.hexdigest()

    def venues(self, replies: Mapping[str, VenueReply]) -> None:
        """The window of every venue that was asked, in their order."""
        said = [(mic, reply.reports, reply.quotes, reply.prints) for mic, reply in replies.items()]
        self._hash.update(codec.encode(said))
        prints = b"".join([reply.prints for reply in replies.values()])
        if prints:
            self.prints.append(rows_from_bytes(prints, PRINT_COLUMNS))

    def window(self, at: Nanos, bid_px: Px, ask_px: Px, volume: Qty, shift_px: int) -> None:
        """The consolidated market at a boundary; a price of 0 stands for none."""
        self.market.append(
            {
                "at": at,
                "bid_px": bid_px,
                "ask_px": ask_px,
                "mid": (bid_px + ask_px) / 2 if bid_px and ask_px else None,
                "volume": volume,
                "shift_px": shift_px,
                "regime": self._regime_of(at),
            }
        )

    def learner(self, outcomes: Sequence[Outcome], reply: LearnerReply) -> None:
        """A learner's window."""
        self._hash.update(codec.encode((outcomes, reply.publications, reply.policies)))
        self.outcomes.extend(outcomes)
        # A learner takes a batch whole or, frozen, not at all.
        self.learned.extend([made.policy_version for made in reply.publications] or [0] * len(outcomes))
        self.policy_versions += len(reply.publications)
        if reply.policies:
            self.learner_digest = reply.policies[0].model_digest
        if reply.tactics is not None:
            self._hash.update(codec.encode(reply.tactics))
        if reply.release is not None:
            self._hash.update(codec.encode((reply.steered, reply.release)))
            self.steered.extend(reply.steered)
            self.release = reply.release
        for publication in {made.side: made for made in reply.publications}.values():
            self._unshown[book_side(Side(publication.side))] = publication
        for policy in reply.policies:
            # What was learned while nobody looked on is shown with the policy that somebody looks at next.
            last = self._unshown.pop(policy.side, None) if policy.arm != CHALLENGER else None
            if last is not None:
                self.probabilities.append(
                    {
                        "at": last.at,
                        "side": str(last.side),
                        "policy_version": policy.policy_version,
                        "cause": last.cause,
                        "routing_probabilities": np.array(policy.routing_probabilities),
                    }
                )

    def host(self, now: Nanos, events: Sequence[Event]) -> None:
        """The events of all parents of a phase, parent by parent."""
        if events:
            self._hash.update(codec.encode((now, tuple(events))))
        for event in events:
            take = _TAKERS.get(type(event))
            if take is not None:
                take(self, event)

    def _accepted(self, event: ParentAccepted) -> None:
        parent = event.parent
        self.orders[event.parent_id] = {
            "parent_id": event.parent_id,
            "symbol": parent.symbol,
            "side": str(parent.side),
            "strategy": parent.strategy,
            "order_qty": parent.order_qty,
            "cum_qty": 0,
            "ord_status": str(OrdStatus.NEW),
            "start_at": parent.start_at,
            "end_at": parent.end_at,
            "done_at": None,
            "arrival_px": event.arrival_px2 / 2 or None,
            "avg_px": None,
            "fee_micros": 0,
            "anomalies": 0,
            "notional": 0,
        }

    def _done(self, event: ParentDone) -> None:
        row = self.orders[event.parent_id]
        row["ord_status"], row["done_at"] = str(event.ord_status), event.at

    def _terms(self, event: ParentReplaced) -> None:
        row = self.orders[event.parent_id]
        row["order_qty"], row["end_at"] = event.parent.order_qty, event.parent.end_at

    def _woke(self, event: ParentWoke) -> None:
        cum = self.orders[event.parent_id]["cum_qty"]
        self.schedule.append(
            {"parent_id": event.parent_id, "at": event.at, "target_qty": event.target_qty, "cum_qty": cum}
        )

    def _decided(self, event: DecisionMade) -> None:
        self.decisions.append(event.decision)

    def _intended(self, event: ChildIntended) -> None:
        child = event.child
        self.children[child.cl_ord_id] = {
            "cl_ord_id": child.cl_ord_id,
            "parent_id": child.parent_id,
            "decision_id": child.decision_id,
            "mic": child.mic,
            "venue_type": self.type_of[child.mic],
            "tactic": str(child.tactic),
            "side": str(child.side),
            "order_qty": child.order_qty,
            "cum_qty": 0,
            "price": child.price,
            "time_in_force": str(child.time_in_force),
            "sent_at": event.at,
            "closed_at": None,
            "ord_status": str(OrdStatus.PENDING_NEW),
            "mid_routed": event.mid_routed2 / 2,
        }

    def _traded(self, event: ChildTraded) -> None:
        child, order = self.children[event.cl_ord_id], self.orders[event.parent_id]
        qty = event.last_qty - self._replace_inferred(event, order)
        row = self._execution(event, child)
        self.executions.append(row)
        if event.is_inferred:
            self._inferred.setdefault(event.cl_ord_id, []).append(row)
        child["cum_qty"] += qty
        order["cum_qty"] += qty
        order["notional"] += row["last_qty"] * row["last_px"]
        order["fee_micros"] += row["fee_micros"]
        order["anomalies"] += int(event.is_late)
        is_full = child["cum_qty"] >= child["order_qty"]
        # A child that is closed stays what it is: a report that was under way moves its quantities alone.
        if child["closed_at"] is None or (is_full and child["ord_status"] != OrdStatus.FILLED):
            child["ord_status"] = str(OrdStatus.FILLED if is_full else OrdStatus.PARTIALLY_FILLED)
            child["closed_at"] = event.at if is_full else None

    def _replace_inferred(self, event: ChildTraded, order: Row) -> int:
        """Take what a real execution replaces out of the child's inferred rows, oldest first; return its quantity."""
        rows = self._inferred.get(event.cl_ord_id, [])
        left = event.replaces_inferred_qty
        while left and rows:
            row = rows[0]
            taken, whole = min(row["last_qty"], left), row["last_qty"]
            fee = row["fee_micros"] * taken // whole  # exact: an expected fee is a rate times the quantity
            row["last_qty"] -= taken
            row["fee_micros"] -= fee
            order["notional"] -= taken * row["last_px"]
            order["fee_micros"] -= fee
            left -= taken
            if taken == whole:
                self.executions.remove(rows.pop(0))
        return event.replaces_inferred_qty - left

    def _fee(self, event: ChildTraded, child: Row) -> Micros:
        """Return what an execution cost: until its report comes, what the venue's schedule charges for the tactic."""
        if not event.is_inferred:
            return event.fee_micros
        fees = self._fees_of[child["mic"]]
        return fee_of(expected_rates(fees, Tactic(child["tactic"])), event.last_qty, event.last_px)

    def _execution(self, event: ChildTraded, child: Row) -> Row:
        same = ("cl_ord_id", "parent_id", "decision_id", "mic", "venue_type", "tactic", "side", "mid_routed")
        return {
            **{name: child[name] for name in same},
            "exec_id": event.exec_id,
            "at": event.transacted_at or event.at,
            "last_qty": event.last_qty,
            "last_px": event.last_px,
            "fee_micros": self._fee(event, child),
            "last_liquidity_ind": str(event.last_liquidity_ind) if event.last_liquidity_ind else None,
            "sent_at": child["sent_at"],
        }

    def _out(self, event: ChildOut | ChildRejected | ChildReconciled) -> None:
        child = self.children[event.cl_ord_id]
        status = OrdStatus.REJECTED if isinstance(event, ChildRejected) else event.ord_status
        if child["cum_qty"] < child["order_qty"]:
            child["ord_status"] = str(status)
            child["closed_at"] = event.at if status in CLOSED else None

    def _replaced(self, event: ChildReplaced) -> None:
        self.children[event.cl_ord_id]["order_qty"] = event.order_qty

    def _ignored(self, event: ReportIgnored) -> None:
        self.orders[event.parent_id]["anomalies"] += int(event.reason != "DUPLICATE")


_TAKERS: dict[type, Callable[[Recorder, Any], None]] = {
    ParentAccepted: Recorder._accepted,
    ParentDone: Recorder._done,
    ParentReplaced: Recorder._terms,
    ParentWoke: Recorder._woke,
    DecisionMade: Recorder._decided,
    ChildIntended: Recorder._intended,
    ChildTraded: Recorder._traded,
    ChildOut: Recorder._out,
    ChildRejected: Recorder._out,
    ChildReconciled: Recorder._out,
    ChildReplaced: Recorder._replaced,
    ReportIgnored: Recorder._ignored,
}
