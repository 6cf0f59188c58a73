"""What an actor process is told: which shell it hosts, of which run, and where its journal lies.

Rule of this file: a recipe is data; the shell that `build` makes of it is the same in every process.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec

from cluster.journal.sqlite import SqliteJournal
from cluster.live.ledger import SUFFIX, LedgerShell
from router.allocation.limits import Limits
from router.domain import codec
from router.domain.errors import AnabranchError, JournalCorruptError, JournalError
from router.domain.facts import SessionOpened
from router.domain.messages import Message
from router.orders.host import OrderHost
from router.orders.journal import Draft, Journal
from scenarios.assembly import Assembly, assemble, make_host_setup, make_venue
from scenarios.policies import make_learner
from scenarios.scenario import Scenario, parse_scenario
from scenarios.shells import HostShell, Shell, VenueShell

Role = Literal["venue", "host", "learner", "record", "market", "gateway"]
"""The first three are shells that answer batches; the others run by themselves (`cluster.live.process`)."""

SHELLS = ("venue", "host", "learner")
STREAM = "batches"


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """One actor. `token` is the secret that whoever opens a stream to it must show, in hex.

    `link` is "stream" or "ray": only for streams does the actor listen. `incarnation` counts its lives from 0.
    """

    name: str
    role: Role
    scenario_name: str
    scenario_text: str
    seed: int
    policy: str
    data: str | None
    journal: str
    token: str
    link: str = "stream"
    incarnation: int = 0
    scenario_path: str = "<text>"
    """Where the scenario's file is: what it names lies beside it."""
    opened: bytes = b""
    """Of a live desk: the encoded `SessionOpened`."""
    settings: bytes = b""
    """Of a live desk: the path of its configuration and what the command line changed, as MessagePack."""
    namespace: str = ""
    """Of a live desk: where its supervisor is found."""

    def scenario(self) -> Scenario:
        """Return the scenario of the run."""
        return parse_scenario(self.scenario_text, self.scenario_name, self.scenario_path)


class RecordedShell:
    """A shell that is a function of its batches: each is durable before it is handled, and handled again to recover.

    Hosts of parents do not need it: they journal what they decided.
    """

    def __init__(self, shell: Shell, journal: Journal) -> None:
        self._shell = shell
        self._journal = journal
        self._last = -1
        self._reply: Message | None = None
        for record in journal.read():
            # A batch that was refused then is refused again, with the same effect on the shell.
            with suppress(AnabranchError):
                self._handle(codec.decode_message(record.payload))

    def handle(self, batch: Message) -> Message:
        """Journal, sync, handle; a batch seen last gets its reply again."""
        if batch.seq == self._last and self._reply is not None:
            return self._reply
        draft = Draft(type(batch).__name__, 0, str(batch.seq), codec.encode(batch))
        self._journal.append(STREAM, self._journal.next_seq(STREAM), (draft,))
        self._journal.sync()
        return self._handle(batch)

    def _handle(self, batch: Message) -> Message:
        self._reply = self._shell.handle(batch)
        self._last = batch.seq
        return self._reply


def build(recipe: Recipe) -> Shell:
    """Return the shell of a recipe, recovered from its journal.

    Raises:
        JournalError: a later life finds no journal of the lives before it; names the path.
        BadInputError: the scenario or its data cannot be used.
    """
    path = Path(recipe.journal)
    if recipe.incarnation > 0:
        _check_left_behind(path, recipe)
    path.parent.mkdir(parents=True, exist_ok=True)
    journal = SqliteJournal(path, durability="process")
    return _BUILDERS[recipe.role](recipe, journal)


def _check_left_behind(path: Path, recipe: Recipe) -> None:
    """A first life makes its journal before anybody may call it. Reading makes none: a loss stays a loss."""
    try:
        SqliteJournal(path, is_reader=True).close()
    except JournalCorruptError:
        raise
    except JournalError as exc:
        life = f"life {recipe.incarnation} of {recipe.name}"
        raise JournalError(f"expected a journal of the lives before {life}, got none ({exc}) - at {path}") from exc


def _venue(recipe: Recipe, journal: Journal) -> Shell:
    shell = RecordedShell(VenueShell(make_venue(_assembly(recipe), recipe.name)), journal)
    # A venue of a live desk keeps a second book, of its own make: a witness that shares nothing with ours.
    return LedgerShell(shell, Path(recipe.journal).with_suffix(SUFFIX)) if recipe.opened else shell


def _learner(recipe: Recipe, journal: Journal) -> Shell:
    return RecordedShell(make_learner(_assembly(recipe), recipe.name, recipe.policy), journal)


def _host(recipe: Recipe, journal: Journal) -> Shell:
    host = OrderHost(journal, make_host_setup(_assembly(recipe)))
    host.recover()
    return HostShell(host)


def _assembly(recipe: Recipe) -> Assembly:
    data = Path(recipe.data) if recipe.data else None
    if not recipe.opened:
        return assemble(recipe.scenario(), recipe.seed, data)
    opened = codec.decode(recipe.opened, SessionOpened)
    return assemble(recipe.scenario(), recipe.seed, data, opened.open_at)._replace(limits=learning_limits(opened))


def learning_limits(opened: SessionOpened) -> Limits:
    """Return the limits on learning that hold in a live session."""
    return Limits(opened.exploration_budget_bps, opened.probability_change_max, opened.venue_share_max)


_BUILDERS: dict[str, Callable[[Recipe, Journal], Shell]] = {"venue": _venue, "learner": _learner, "host": _host}
