"""From a recipe to the shell of an actor: a venue, a learner, a host of parents.

Rule of this file: the shell follows from the recipe and the journal alone, in whatever process it is made.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cluster.actors.recipe import Recipe
from cluster.journal.sqlite import SqliteJournal
from cluster.live.kept_shells import hosted, recorded
from cluster.live.ledger import SUFFIX, LedgerShell
from cluster.live.snapshots import Opening, Snapshots
from router.allocation.limits import Limits
from router.domain import codec
from router.domain.errors import JournalCorruptError, JournalError
from router.domain.facts import SessionOpened
from scenarios.assembly import Assembly, assemble, make_host_setup, make_venue
from scenarios.policies import make_learner
from scenarios.shells import Shell, VenueShell


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

    def open_journal(start: int) -> SqliteJournal:
        return SqliteJournal(path, durability="process", verify_from=start)

    # A run is played again from its beginning; only a desk has a life to come back to.
    snapshots = Snapshots(path.parent, recipe.name, recipe.opened) if recipe.opened else None
    return _BUILDERS[recipe.role](recipe, Opening(open_journal, snapshots))


def _check_left_behind(path: Path, recipe: Recipe) -> None:
    """A first life makes its journal before anybody may call it. Reading makes none: a loss stays a loss."""
    try:
        SqliteJournal(path, is_reader=True).close()
    except JournalCorruptError:
        raise
    except JournalError as exc:
        life = f"life {recipe.incarnation} of {recipe.name}"
        raise JournalError(f"expected a journal of the lives before {life}, got none ({exc}) - at {path}") from exc


def _venue(recipe: Recipe, opening: Opening) -> Shell:
    shell = recorded(VenueShell(make_venue(_assembly(recipe), recipe.name)), opening)
    # A venue of a live desk keeps a second book, of its own make: a witness that shares nothing with ours.
    return LedgerShell(shell, Path(recipe.journal).with_suffix(SUFFIX)) if recipe.opened else shell


def _learner(recipe: Recipe, opening: Opening) -> Shell:
    return recorded(make_learner(_assembly(recipe), recipe.name, recipe.policy), opening)


def _host(recipe: Recipe, opening: Opening) -> Shell:
    return hosted(make_host_setup(_assembly(recipe)), opening)


def _assembly(recipe: Recipe) -> Assembly:
    data = Path(recipe.data) if recipe.data else None
    if not recipe.opened:
        return assemble(recipe.scenario(), recipe.seed, data)
    opened = codec.decode(recipe.opened, SessionOpened)
    return assemble(recipe.scenario(), recipe.seed, data, opened.open_at)._replace(limits=learning_limits(opened))


def learning_limits(opened: SessionOpened) -> Limits:
    """Return the limits on learning that hold in a live session."""
    return Limits(opened.exploration_budget_bps, opened.probability_change_max, opened.venue_share_max)


_BUILDERS: dict[str, Callable[[Recipe, Opening], Shell]] = {"venue": _venue, "learner": _learner, "host": _host}
