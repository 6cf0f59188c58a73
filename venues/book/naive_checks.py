"""What no naive book takes, whatever rests in it.

Rule of this file: one line a rule, the first that is broken gives the code.
"""

from __future__ import annotations

from router.domain.units import QTY_MAX, Px
from venues.book.book import Entry
from venues.book.words import (
    AUCTION,
    AUCTION_ONLY,
    BAD_DISPLAY,
    BAD_FLAGS,
    BAD_MIN_QTY,
    BAD_PRICE,
    BAD_QTY,
    HALTED,
    HIDDEN,
    ICEBERG,
    IMMEDIATE,
    MIN_TOTAL,
    NOT_IN_PHASE,
    PEG_MARKET,
    PEG_MID,
    PEG_PRIMARY,
    PEGS,
    POST,
    SLICES_MAX,
)


def refused(entry: Entry, flags: int, step: Px, phase: int) -> int:
    """Return the code for an order that a book could not take even were it empty, or 0."""
    pegs = sum(1 for peg in (PEG_MID, PEG_PRIMARY, PEG_MARKET) if flags & peg)
    is_unseen = bool(flags & (HIDDEN | PEGS))
    qty, display, min_qty = entry.qty, entry.display, entry.min_qty
    rules = (
        (BAD_FLAGS, pegs > 1 or (pegs and flags & (POST | HIDDEN))),
        (BAD_FLAGS, flags & ICEBERG or (entry.offset and not pegs) or entry.sign not in (1, -1)),
        (BAD_FLAGS, flags & POST and flags & IMMEDIATE),
        (BAD_FLAGS, flags & AUCTION_ONLY and (flags & (IMMEDIATE | POST) or is_unseen)),
        (BAD_QTY, not 1 <= qty <= QTY_MAX),
        (BAD_DISPLAY, display and (is_unseen or flags & (IMMEDIATE | AUCTION_ONLY) or not 0 <= display <= qty)),
        (BAD_DISPLAY, display and (qty - 1) // display > SLICES_MAX),
        (BAD_MIN_QTY, min_qty and not 0 <= min_qty <= qty),
        (BAD_MIN_QTY, min_qty and not (is_unseen or flags & (IMMEDIATE | MIN_TOTAL))),
        (BAD_PRICE, entry.px < 0 or entry.px % step or entry.offset % step),
        (BAD_PRICE, entry.px == 0 and not flags & (PEGS | IMMEDIATE | AUCTION_ONLY)),
        (NOT_IN_PHASE, phase == HALTED or (phase == AUCTION and flags & IMMEDIATE)),
    )
    return next((code for code, is_broken in rules if is_broken), 0)
