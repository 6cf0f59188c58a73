"""The slow twins of the tape kernels: queues as lists, books as dictionaries, one event at a time.

Rule of this file: plain Python that follows the written rules, and shares no line with the kernels.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from venues.feeds.events import EventFlag, EventKind

Row = tuple[int, ...]


@dataclass
class Resting:
    """A recorded order, or ours (`name` set); `taken` is what we have of a recorded one."""

    side: int
    px: int
    qty: int
    taken: int = 0
    name: str = ""
    least: int = 0
    is_peg: bool = False
    is_old: bool = False

    @property
    def left(self) -> int:
        return self.qty - self.taken


@dataclass
class QueueTwin:
    """One book whose levels are lists, oldest first, with our displayed orders standing in them."""

    ppm: int
    queues: dict[tuple[int, int], list[Resting]] = field(default_factory=dict)
    by_id: dict[int, Resting] = field(default_factory=dict)
    pegs: list[Resting] = field(default_factory=list)
    fills: list[Row] = field(default_factory=list)
    quotes: list[Row] = field(default_factory=list)
    prints: list[Row] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    is_halted: bool = False
    top: Row = (0, 0, 0, 0)

    def join(self, order: Resting) -> None:
        (self.pegs if order.is_peg else self.queues.setdefault((order.side, order.px), [])).append(order)

    def levels(self, side: int) -> list[tuple[int, int]]:
        """Return (price, what is displayed and left), best first; ours are not displayed."""
        sums = {px: sum(o.left for o in q if not o.name) for (s, px), q in self.queues.items() if s == side}
        return sorted(((px, qty) for px, qty in sums.items() if qty), key=lambda of: -of[0] * side)

    def touch(self) -> Row:
        bids, asks = self.levels(1), self.levels(-1)
        if self.is_halted or (bids and asks and bids[0][0] >= asks[0][0]):
            return 0, 0, 0, 0
        return (*(bids[0] if bids else (0, 0)), *(asks[0] if asks else (0, 0)))

    def peg_px(self, peg: Resting) -> int:
        bid, _, ask, _ = self.top
        if not bid or ask <= bid:
            return 0
        px = (bid + ask) // 2 if peg.side > 0 else -(-(bid + ask) // 2)
        return px if not peg.px else (min(px, peg.px) if peg.side > 0 else max(px, peg.px))

    def trade(self, order: Resting, left: int, at: int, px: int, is_new: int, aggressor: int) -> int:
        qty = min(left, order.qty)
        if not qty or qty < min(order.least, order.qty):
            return 0
        order.qty -= qty
        self.fills.append((self.names.index(order.name), qty, at, px, is_new, aggressor))
        return qty

    def ours(self, side: int) -> list[tuple[int, Resting]]:
        """Return our live orders of a side with their prices: best first, displayed first, then as they came."""
        shown = [(px, o) for (s, px), q in self.queues.items() if s == side for o in q if o.name and o.qty]
        pegs = [(self.peg_px(o), o) for o in self.pegs if o.side == side and o.qty]
        return [of for of in sorted(shown + pegs, key=lambda of: self.names.index(of[1].name)) if of[0]]

    def executed(self, at: int, side: int, px: int, qty: int, hit: Resting | None) -> None:
        """`hit` is the displayed order executed; None: a hidden one."""
        if self.is_halted:
            return
        left = qty
        queue = self.queues.get((side, px), [])
        for price, order in self.ours(side):
            depth = (price - px) * side
            in_front = order.is_peg is False and (hit is None or any(o is order for o in queue[: queue_at(queue, hit)]))
            if depth > 0 or (depth == 0 and in_front):
                left -= self.trade(order, left, at, price, 0, -side)
        if hit is None:
            left = left * self.ppm // 1_000_000
            for price, order in self.ours(side):
                if price == px and order.is_peg:
                    left -= self.trade(order, left, at, price, 0, -side)

    def on_row(self, row: Row) -> None:
        at, kind, side, px, qty, order_id, flags = row
        order = self.by_id.get(order_id)
        if kind == EventKind.EXECUTE and order and order.qty:
            self.prints.append((at, order.px, qty, -order.side))
            self.executed(at, order.side, order.px, qty, order)
        if kind in (EventKind.REDUCE, EventKind.EXECUTE) and order:
            self.reduce(order, min(qty, order.qty))
        elif kind == EventKind.DELETE and order:
            self.reduce(order, order.qty)
        elif kind in (EventKind.ADD, EventKind.MODIFY) and side:
            new = Resting(side, px, qty)
            if order and order.qty and (order.side, order.px) == (side, px):
                new.taken = min(order.taken, qty)
            if order:
                self.reduce(order, order.qty)
            self.enter(at, new)
            self.by_id[order_id] = new
            queue = self.queues.setdefault((side, px), [])
            new.is_old = bool(flags & EventFlag.SNAPSHOT)
            queue.insert(sum(o.is_old for o in queue) if new.is_old else len(queue), new)
        elif kind == EventKind.TRADE and px and qty and not flags & EventFlag.OFF_EXCHANGE:
            self.prints.append((at, px, qty, -side))
            for resting in (1, -1):
                if side in (0, resting):
                    self.executed(at, resting, px, qty, None)
        elif kind == EventKind.CLEAR:
            self.queues = {of: [o for o in q if o.name] for of, q in self.queues.items()}
            self.by_id = {}
        elif kind == EventKind.STATUS:
            self.is_halted = qty == 0
        if flags & EventFlag.LAST and self.touch() != self.top:
            self.top = self.touch()
            self.quotes.append((at, *self.top))

    def enter(self, at: int, new: Resting) -> None:
        if self.is_halted:
            return
        for price, order in self.ours(-new.side):
            if (new.px - price) * new.side >= 0:
                new.taken += self.trade(order, new.left, at, price, 1, new.side)

    def reduce(self, order: Resting, qty: int) -> None:
        order.qty -= qty
        order.taken = min(order.taken, order.qty)
        if not order.qty:
            queue = self.queues[order.side, order.px]
            del queue[queue_at(queue, order)]
            self.by_id = {of: o for of, o in self.by_id.items() if o is not order}

    def take(self, side: int, limit: int, qty: int) -> list[tuple[int, int]]:
        got = []
        for px, here in self.levels(side):
            if qty and (not limit or (px - limit) * side >= 0):
                part = min(qty, here)
                got.append((px, part))
                qty -= part
                for order in self.queues[side, px]:
                    if not order.name:
                        of = min(part, order.left)
                        order.taken += of
                        part -= of
        return got


def queue_at(queue: list[Resting], order: Resting) -> int:
    return next(k for k, o in enumerate(queue) if o is order)


def merged(venues: list[list[Row]]) -> list[Row]:
    """Return the consolidated quotes of LEVEL rows (at, kind, side, px, qty, ...) of several venues, plainly."""
    rows = sorted((row[0], v, k) for v, rows in enumerate(venues) for k, row in enumerate(rows))
    books: list[dict[tuple[int, int], int]] = [{} for _ in venues]
    out: list[Row] = []
    before: Row = (0, 0, 0, 0)
    for at, v, k in rows:
        _, kind, side, px, qty, *_ = venues[v][k]
        if kind == EventKind.CLEAR:
            books[v] = {}
        else:
            books[v][side, px] = qty
        best: list[int] = []
        for of in (1, -1):
            tops = [max(((px * of, q) for (s, px), q in book.items() if s == of and q), default=None) for book in books]
            touch = max((top[0] for top in tops if top), default=None)
            best += [0, 0] if touch is None else [touch * of, sum(top[1] for top in tops if top and top[0] == touch)]
        if tuple(best) != before:
            before = tuple(best)
            out.append((at, *before))
    return out
