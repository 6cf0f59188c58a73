"""Every exception of Anabranch, in one tree.

    AnabranchError
    ├── BadInputError            what a person or a program gave us cannot be used (exit code 2, HTTP 400)
    │   ├── UnitError            a price, quantity or time outside its unit or range
    │   ├── CodecError           bytes that are not one of our messages
    │   ├── ScenarioError        a scenario file: names file, key, expected, got
    │   ├── ConfigError          a configuration value: names file, key, expected, got
    │   ├── TapeError            recorded data: names file, record, expected, got
    │   ├── FeatureError         a context that is not finite or has the wrong shape
    │   └── RunError             a run directory that is absent, incomplete or of another version
    ├── VenueProtocolError       a venue broke its protocol: that venue is quarantined, the router goes on
    ├── JournalError             the journal cannot accept or give back records (HTTP 503)
    │   ├── StaleWriterError     another writer has a newer epoch: this one must stop
    │   └── JournalCorruptError  a record fails its checksum or its place in the chain
    ├── LinkError                a message could not be handed to an actor, or its answer is lost
    └── DefectError              our bug
        ├── IllegalTransitionError   an event that the life cycle's table does not allow
        └── InvariantError           one of the invariants I1..I8 does not hold

    SimulatedCrash (a BaseException)     a fault simulation ends a process here: nothing in between may catch it

Rule of this file: no exception of ours is defined anywhere else. A refusal (a denied order, an excluded lane)
is a value with reasons and never an exception.
"""

from __future__ import annotations


class AnabranchError(Exception):
    """Root of the tree: everything Anabranch raises on purpose."""


class BadInputError(AnabranchError):
    """Input that cannot be used; the message says what was expected, what came, and where."""


class UnitError(BadInputError):
    """A price, quantity or time outside its unit or range."""


class CodecError(BadInputError):
    """Bytes that are not one of our messages."""


class ScenarioError(BadInputError):
    """A scenario file that cannot be used."""


class ConfigError(BadInputError):
    """A configuration value that cannot be used."""


class TapeError(BadInputError):
    """Recorded data that cannot be used."""


class FeatureError(BadInputError):
    """A context that is not finite or has the wrong shape."""


class RunError(BadInputError):
    """A run directory that is absent, incomplete or of another version."""


class VenueProtocolError(AnabranchError):
    """A venue broke its protocol."""


class JournalError(AnabranchError):
    """The journal cannot accept or give back records."""


class StaleWriterError(JournalError):
    """Another writer has a newer epoch, or wrote a sequence number that this writer expected to write."""


class JournalCorruptError(JournalError):
    """A record fails its checksum or its place in the chain."""


class JournalBusyError(JournalError):
    """Too much waits for the journal already; nothing of this was recorded."""


class LinkError(AnabranchError):
    """A message could not be handed to an actor, or its answer is lost."""


class UnknownOutcomeError(LinkError):
    """A request was handed in and its answer is lost: whether it took effect is known only by asking again."""


class DefectError(AnabranchError):
    """Our bug."""


class IllegalTransitionError(DefectError):
    """An event that the life cycle's table does not allow."""


class InvariantError(DefectError):
    """One of the invariants I1..I8 does not hold."""


class SimulatedCrash(BaseException):
    """A fault simulation ends a process here."""


def bad_value(where: str, expected: str, got: object) -> str:
    """Say what was expected, what came and where, in the one form all messages use.

    >>> bad_value("$.children[2].order_qty", "a quantity from 1", -5)
    'expected a quantity from 1, got -5 - at $.children[2].order_qty'
    """
    return f"expected {expected}, got {got!r} - at {where}"
