"""The words a book and its callers share as plain integers: flags of an order, codes, phases, columns, operations.

Rule of this file: whole numbers and their texts only, so that compiled code and plain Python read the same page.
"""

from __future__ import annotations

# What an order is: a set of flags. None of them: a displayed limit order to buy.
SELL = 1
IMMEDIATE = 2
"""What does not trade on entry is dropped. With price 0: at any price."""
ALL = 4
"""All of it on entry or nothing; goes with IMMEDIATE."""
POST = 8
"""Refused when it would trade on entry, or when a replacement would."""
HIDDEN = 16
"""Rests unseen at its price, behind what is displayed there."""
PEG_MID = 32
"""Rests unseen at the reference mid, and nowhere while that lies beyond its limit."""
PEG_PRIMARY = 64
"""Rests unseen at the near side of the reference, but never beyond its limit."""
PEG_MARKET = 128
"""Rests unseen at the far side of the reference, but never beyond its limit."""
ISO = 256
"""An intermarket sweep order: its sender looks after better prices elsewhere, so the away best does not bind it."""
AUCTION_ONLY = 512
"""Waits for the auction and trades nowhere else. With price 0: at any price."""
MIN_TOTAL = 1024
"""`min_qty` is the least that trades on entry in all, or nothing does; without it the least of each execution."""
QUIET = 2048
"""A peg that enters without trading, for a book that uncrosses now and then."""
ICEBERG = 4096
"""Shows `display` at a time. Set by the book itself."""

PEGS = PEG_MID | PEG_PRIMARY | PEG_MARKET
STORED = SELL | POST | HIDDEN | PEGS | ISO | AUCTION_ONLY | ICEBERG
"""The flags that an order keeps while it rests."""

# Phases of trading.
CONTINUOUS, AUCTION, HALTED = range(3)
"""Trading; orders gather without trading; only cancels."""

# Self-match prevention: what happens when an order meets one of the same owner.
ALLOWED, CANCEL_AGGRESSIVE, CANCEL_PASSIVE, CANCEL_BOTH = range(4)

# Codes below zero: the command changed nothing.
GROW_ORDERS, GROW_LEVELS, GROW_EXECUTIONS = -1, -2, -3
"""An array is full: double it and repeat the command."""

DUPLICATE_ID, UNKNOWN_ID, BAD_QTY, BAD_PRICE, WOULD_TRADE, NOT_IN_PHASE = range(-10, -16, -1)
BELOW_TRADED, BAD_DISPLAY, BAD_MIN_QTY, BAD_FLAGS, OUT_OF_RANGE, BOOK_FULL, BAD_OP = range(-16, -23, -1)

REASONS: dict[int, str] = {
    DUPLICATE_ID: "an id that does not rest in the book",
    UNKNOWN_ID: "an order that rests in the book",
    BAD_QTY: "a quantity from 1 to QTY_MAX",
    BAD_PRICE: "a price above 0 on the book's grid",
    WOULD_TRADE: "a price at which a post-only order does not trade",
    NOT_IN_PHASE: "a command that this phase of trading allows",
    BELOW_TRADED: "a quantity from what has traded",
    BAD_DISPLAY: "a display quantity from 1, at most SLICES_MAX times in the quantity, of a displayed order that rests",
    BAD_MIN_QTY: "a minimum from 0 to the quantity, of an order that is hidden, immediate or MIN_TOTAL",
    BAD_FLAGS: "flags that go together",
    OUT_OF_RANGE: "a price within LEVELS_MAX levels of the others",
    BOOK_FULL: "at most ORDERS_MAX resting orders",
    BAD_OP: "a known operation",
}
"""What was expected, by the code of the refusal."""

# Why a part of an entering order neither traded nor rests.
WHY_NOTHING, WHY_IMMEDIATE, WHY_NOT_ALL, WHY_SELF_MATCH, WHY_PROTECTED = range(5)

# What one row of the output says.
WHAT_TRADE, WHAT_AUCTION, WHAT_SELF_MATCH, WHAT_EXPIRED = range(4)
MAKER, TAKER, PX, QTY, SIGN, WHAT = range(6)
OUT_COLUMNS = 6

# One order of a book that is looked at.
R_ID, R_LADDER, R_PX, R_LIMIT, R_OPEN, R_RESERVE, R_DISPLAY, R_MIN_QTY, R_OFFSET, R_OWNER, R_CUM, R_FLAGS = range(12)
"""R_LADDER counts displayed bids and asks, hidden bids and asks, auction-only bids and asks, and is -1 for a peg that
stands nowhere; R_PX is 0 there, and at any price; R_LIMIT is a peg's limit, else the price."""
ROW_COLUMNS = 12

# One command of a batch.
OP_ENTER, OP_CANCEL, OP_REPLACE, OP_REFERENCE, OP_AWAY, OP_PHASE, OP_AUCTION, OP_TRADE_PEGS = range(8)
C_OP, C_OID, C_PX, C_QTY, C_DISPLAY, C_MIN_QTY, C_OFFSET, C_OWNER = range(8)
COMMAND_COLUMNS = 8
FLAGS_SHIFT = 8
"""C_OP holds the operation in its low byte and the flags above it."""

SLICES_MAX = 1_000
"""How often an iceberg may refresh: each refresh is an execution that the output must have room for."""

LEVELS_MAX = 1 << 20
"""Price levels of one book: 200 bytes each."""

ORDERS_MAX = 1 << 22
"""Resting orders of one book: so that the sum of their quantities fits 63 bits."""
