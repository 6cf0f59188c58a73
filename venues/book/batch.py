"""A batch of commands for a compiled book: one call for a million of them.

Rule of this file: it only reads rows and hands them on.
"""

from __future__ import annotations

from router.domain.market import I64
from venues.book.auction import auction
from venues.book.compiled import compiled
from venues.book.kernel import cancel, enter, replace
from venues.book.layout import BookState
from venues.book.phases import set_away, set_phase, set_reference, trade_pegs
from venues.book.words import (
    BAD_OP,
    C_DISPLAY,
    C_MIN_QTY,
    C_OFFSET,
    C_OID,
    C_OP,
    C_OWNER,
    C_PX,
    C_QTY,
    FLAGS_SHIFT,
    GROW_EXECUTIONS,
    OP_AUCTION,
    OP_AWAY,
    OP_CANCEL,
    OP_ENTER,
    OP_PHASE,
    OP_REFERENCE,
    OP_REPLACE,
    OP_TRADE_PEGS,
)


@compiled
def _other(book: BookState, op: int, a: int, b: int, c: int) -> int:
    """Perform a command of a batch that is about the whole book."""
    if op == OP_REFERENCE:
        return set_reference(book, a, b, c, True)
    if op == OP_AWAY:
        return set_away(book, a, b)
    if op == OP_PHASE:
        return set_phase(book, a)
    if op == OP_AUCTION:
        return auction(book, a, b != 0)
    return trade_pegs(book) if op == OP_TRADE_PEGS else BAD_OP


@compiled
def run_commands(book: BookState, commands: I64, results: I64, first: int) -> int:
    """Perform rows of `commands` (n, COMMAND_COLUMNS) from `first` on; write each one's answer into `results` (n,).

    Returns the row at which it stopped: n, or one that asks for room, whose code is in `results`.
    """
    for n in range(first, len(commands)):
        word = commands[n, C_OP]
        op = word & ((1 << FLAGS_SHIFT) - 1)
        oid, px, qty = commands[n, C_OID], commands[n, C_PX], commands[n, C_QTY]
        if op == OP_ENTER:
            answer = enter(
                book,
                oid,
                word >> FLAGS_SHIFT,
                px,
                qty,
                commands[n, C_DISPLAY],
                commands[n, C_MIN_QTY],
                commands[n, C_OFFSET],
                commands[n, C_OWNER],
            )
        elif op == OP_CANCEL:
            answer = cancel(book, oid)
        elif op == OP_REPLACE:
            answer = replace(book, oid, qty, px)
        else:
            answer = _other(book, op, px, qty, commands[n, C_DISPLAY])
        results[n] = answer
        if GROW_EXECUTIONS <= answer < 0:
            return n
    return len(commands)
