"""What a client of a stream asks for, and how it says how far it had come.

Rule of this file: a place is text: one seq where there is one account, `ACCOUNT:SEQ,ACCOUNT:SEQ` where there are more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from msgspec import Meta

from cluster.api.schemas import Body
from router.domain.errors import BadInputError, bad_value

PLACE_MAX: Final = 16_384
"""Characters of a place: some three hundred accounts."""


class StreamQuery(Body, frozen=True, kw_only=True):
    """How to listen."""

    accounts: Annotated[str, Meta(max_length=PLACE_MAX, description="Separated by commas; empty: all of yours.")] = ""
    after: Annotated[
        str,
        Meta(max_length=PLACE_MAX, description="The last seq you have, or `ACCOUNT:SEQ,ACCOUNT:SEQ`; empty: snapshot."),
    ] = ""
    encoding: Annotated[Literal["json", "msgpack"], Meta(description="Of a WebSocket's frames.")] = "json"
    cancel_on_disconnect: Annotated[
        bool, Meta(description="Cancel the accounts' open orders when you leave and do not come back in time.")
    ] = False
    grace_s: Annotated[float, Meta(ge=0.0, le=86_400.0, description="That time, in seconds.")] = 5.0


def after_of(text: str, accounts: tuple[str, ...] | None) -> dict[str, int]:
    """Return the last seq had of each account.

    Raises:
        BadInputError: not a place, or one seq where it could be of several accounts.

    >>> after_of("17", ("A",)), after_of("A:17,B:-1", ("A", "B"))
    ({'A': 17}, {'A': 17, 'B': -1})
    """
    if ":" not in text and accounts is not None and len(accounts) == 1:
        return {accounts[0]: _seq(text)}
    seqs: dict[str, int] = {}
    for part in text[:PLACE_MAX].split(","):
        account, colon, seq = part.rpartition(":")
        if not colon or not account:
            raise BadInputError(bad_value("$.after", "a seq, or ACCOUNT:SEQ,ACCOUNT:SEQ", part[:80]))
        seqs[account] = _seq(seq)
    return seqs


def id_of(seqs: Mapping[str, int]) -> str:
    """Return a place as text; what `after_of` reads.

    >>> id_of({"A": 17, "B": -1})
    'A:17,B:-1'
    """
    return ",".join(f"{account}:{seq}" for account, seq in seqs.items())


def _seq(text: str) -> int:
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 18 or int(text) < -1:
        raise BadInputError(bad_value("$.after", "a seq from -1", text[:80]))
    return int(text)
