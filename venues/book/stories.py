"""Seeded stories for books to live through: commands of every kind, as rows of a batch, and how a book performs one.

Rule of this file: a story depends on its seed alone and not on the book, so that two books can live through the same.
"""

from __future__ import annotations

import numpy as np

from router.domain.chance import generator
from router.domain.market import I64
from router.domain.units import Px
from venues.book.book import Answer, Book, Entry
from venues.book.words import (
    ALL,
    AUCTION,
    AUCTION_ONLY,
    C_DISPLAY,
    C_MIN_QTY,
    C_OFFSET,
    C_OID,
    C_OP,
    C_OWNER,
    C_PX,
    C_QTY,
    COMMAND_COLUMNS,
    CONTINUOUS,
    FLAGS_SHIFT,
    HALTED,
    HIDDEN,
    IMMEDIATE,
    ISO,
    MIN_TOTAL,
    OP_AUCTION,
    OP_AWAY,
    OP_CANCEL,
    OP_ENTER,
    OP_PHASE,
    OP_REFERENCE,
    OP_REPLACE,
    OP_TRADE_PEGS,
    PEG_MARKET,
    PEG_MID,
    PEG_PRIMARY,
    POST,
    QUIET,
    SELL,
)

_KINDS = (
    0,
    0,
    0,
    0,
    POST,
    IMMEDIATE,
    IMMEDIATE | ISO,
    IMMEDIATE | ALL,
    IMMEDIATE | MIN_TOTAL,
    MIN_TOTAL,
    ISO,
    HIDDEN,
    HIDDEN,
    HIDDEN | POST,
    PEG_MID,
    PEG_MID | IMMEDIATE,
    PEG_MID | QUIET,
    PEG_PRIMARY,
    PEG_MARKET,
    AUCTION_ONLY,
    POST | IMMEDIATE,
)
"""What orders come in; the last kind is refused."""

_SHARES = (0.62, 0.80, 0.90, 0.96, 0.975, 0.985)
"""Entering, cancel, replace, reference, away best, pegs trade; what is left changes the phase."""

_MEMORY = 60
"""A cancel or a replace is for one of the last so many ids: some rest, some have gone."""


def story(seed: int, n: int, *, px: Px = 100, step: Px = 1, width: int = 10) -> I64:
    """Return `n` commands (n, COMMAND_COLUMNS) at prices within `width` steps of `px`.

    >>> bool((story(1, 50) == story(1, 50)).all()), bool((story(1, 50) == story(2, 50)).all())
    (True, False)
    """
    rng = generator(seed, "book", "story")
    rows = np.zeros((n, COMMAND_COLUMNS), dtype=np.int64)
    draws = rng.random(n)
    phase = CONTINUOUS
    for k in range(n):
        oid, row, draw = k + 1, rows[k], float(draws[k])
        prices = px + step * rng.integers(-width, width + 1, 3)
        if phase != CONTINUOUS and rng.random() < 0.06:
            phase = _resume(rng, row, phase, int(prices[0]))
        elif draw < _SHARES[0]:
            _enter(rng, row, oid, int(prices[0]), step)
        elif draw < _SHARES[2]:
            row[C_OP] = OP_CANCEL if draw < _SHARES[1] else OP_REPLACE
            row[C_OID] = max(1, oid - int(rng.integers(1, _MEMORY)))
            row[C_PX] = int(prices[0]) if rng.random() < 0.9 else 0
            row[C_QTY] = int(rng.integers(0, 70))
        elif draw < _SHARES[3]:
            row[C_OP], row[C_DISPLAY] = OP_REFERENCE, int(prices[0]) if rng.random() < 0.9 else 0
            row[C_PX], row[C_QTY] = int(prices[1:].min()), int(prices[1:].max())
        elif draw < _SHARES[4]:
            row[C_OP], row[C_PX], row[C_QTY] = OP_AWAY, int(prices[0]), int(prices[1])
            row[C_PX : C_QTY + 1] *= rng.random() < 0.5
        elif draw < _SHARES[5]:
            row[C_OP] = OP_TRADE_PEGS
        else:
            phase = AUCTION if rng.random() < 0.7 else HALTED
            row[C_OP], row[C_PX] = OP_PHASE, phase
    return rows


def _resume(rng: np.random.Generator, row: I64, phase: int, px: Px) -> int:
    """Write the command that ends a phase, sometimes in vain; return the phase that then most likely is."""
    if phase == AUCTION or rng.random() < 0.5:
        row[C_OP], row[C_PX], row[C_QTY] = OP_AUCTION, px if rng.random() < 0.8 else 0, rng.random() < 0.8
        return CONTINUOUS if row[C_QTY] and phase == AUCTION else HALTED
    row[C_OP], row[C_PX] = OP_PHASE, CONTINUOUS if rng.random() < 0.7 else AUCTION
    return AUCTION if row[C_PX] == AUCTION else HALTED


def _enter(rng: np.random.Generator, row: I64, oid: int, px: Px, step: Px) -> None:
    """Write an entering order of a random kind."""
    flags = _KINDS[int(rng.integers(0, len(_KINDS)))]
    row[C_OP] = OP_ENTER | (flags | (SELL if rng.random() < 0.5 else 0)) << FLAGS_SHIFT
    row[C_OID] = oid if rng.random() < 0.99 else max(1, oid - 3)
    row[C_QTY] = qty = int(rng.integers(0 if rng.random() < 0.02 else 1, 60))
    row[C_PX] = px if rng.random() < 0.9 or not flags else 0
    row[C_OWNER] = int(rng.integers(0, 4))
    if not flags and rng.random() < 0.4 and qty > 1:
        row[C_DISPLAY] = int(rng.integers(1, qty + 1))
    if flags & (HIDDEN | PEG_MID | PEG_PRIMARY | PEG_MARKET | MIN_TOTAL | IMMEDIATE) and rng.random() < 0.4:
        row[C_MIN_QTY] = int(rng.integers(0, qty + 1))
    if flags & (PEG_MID | PEG_PRIMARY | PEG_MARKET):
        row[C_OFFSET] = step * int(rng.integers(-2, 3)) if rng.random() < 0.5 else 0


def perform(book: Book, row: I64) -> Answer:
    """Let a book perform one row."""
    word, oid, px, qty, display, min_qty, offset, owner = row.tolist()
    op, flags = word & ((1 << FLAGS_SHIFT) - 1), word >> FLAGS_SHIFT
    if op == OP_ENTER:
        sign = -1 if flags & SELL else 1
        return book.enter(Entry(oid, sign, px, qty, flags & ~SELL, display, min_qty, offset, owner))
    if op == OP_CANCEL:
        return Answer(book.cancel(oid))
    if op == OP_REPLACE:
        return book.amend(oid, qty, px)
    if op == OP_REFERENCE:
        return book.set_reference(px, qty, display)
    if op == OP_AWAY:
        return book.set_away(px, qty)
    if op == OP_PHASE:
        return book.set_phase(px)
    if op == OP_AUCTION:
        return book.auction(px, resumes=bool(qty))
    return book.trade_pegs()
