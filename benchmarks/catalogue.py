"""The benchmarks by name.

Rule of this file: a benchmark is a tuple of groups, each a function from settings to rows, run in order. The protocols
of `learning` are imported when they are run: what one of them needs, the others do without.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module

from benchmarks import book, end_to_end, journal, parts, policies, price, replays, scaling, tape_replay
from benchmarks.rows import Row, Settings
from router.domain.errors import BadInputError, bad_value

Group = Callable[[Settings], list[Row]]

LEARNING = {
    "L1": "cont_kukanov",
    "L2": "dark_pools",
    "L3": "switch",
    "L4": "dark_pools",
    "L5": "single_choice",
    "L6": "hidden_split",
    "L7": "off_policy",
    "L8": "speed",
}
"""The protocols of `learning` by id: the module of `benchmarks.protocols` whose `rows` gives them."""


LOAD = ("load.orders", "load.route", "load.live", "load.cluster", "load.flood")
"""How the ids of the rows of `load` begin."""


def learning(ids: Sequence[str]) -> tuple[Group, ...]:
    """Return the groups that give the rows of some protocols of `learning`, each module once.

    >>> [group.__name__ for group in learning(("L4", "L2", "L8"))]
    ['L4 L2', 'L8']
    """
    wanted: dict[str, list[str]] = {}
    for id in dict.fromkeys(ids):
        wanted.setdefault(LEARNING[id], []).append(id)
    return tuple(_protocol(module, names) for module, names in wanted.items())


def _protocol(module: str, ids: Sequence[str]) -> Group:
    def group(settings: Settings) -> list[Row]:
        rows: list[Row] = import_module(f"benchmarks.protocols.{module}").rows(settings)
        return [row for row in rows if row.id.partition(".")[0].upper() in ids]

    group.__name__ = " ".join(ids)
    return group


def ablations(settings: Settings) -> list[Row]:
    """Return what each part of the learner is worth on the protocols that it plays; takes many minutes."""
    rows: list[Row] = import_module("benchmarks.protocols.ablations").rows(settings)
    return rows


def _of_module(module: str) -> tuple[Group, ...]:
    """Return the groups of a module that is imported when it is run: it needs a web client, or Ray."""

    def group(settings: Settings) -> list[Row]:
        groups: tuple[Group, ...] = import_module(f"benchmarks.{module}").GROUPS
        rows: list[Row] = []
        for done, each in enumerate(groups):
            rows += each(settings._replace(progress=_part(settings, done, len(groups))))
        return rows

    group.__name__ = module
    return (group,)


BENCHMARKS: dict[str, tuple[Group, ...]] = {
    "spine": (*replays.GROUPS, *parts.GROUPS),
    "compare": (policies.compare,),
    "end_to_end": (end_to_end.end_to_end,),
    "book": (book.books,),
    "replay": tape_replay.GROUPS,
    "price": price.GROUPS,
    "journal": journal.GROUPS,
    "scaling": (scaling.flagship, scaling.recorded_day, scaling.scaling),
    "learning": learning(tuple(LEARNING)),
    "ablations": (ablations,),
    "load": (*_of_module("live_load"), *_of_module("cluster_load"), *_of_module("live_flood")),
    "reaction": _of_module("fill_to_probability"),
    "kills": _of_module("kill_rounds"),
    "back": _of_module("coming_back"),
}


def groups_of(name: str, ids: Sequence[str] = ()) -> tuple[Group, ...]:
    """Return the groups of a benchmark; of `learning` those of some ids, all where none is named.

    Those of `load` are all its groups: each leaves out what is not wanted.

    Raises:
        BadInputError: no such benchmark, no such id, or ids for another benchmark.
    """
    if name not in BENCHMARKS:
        raise BadInputError(bad_value("NAME", f"one of {', '.join(BENCHMARKS)}", name))
    if not ids:
        return BENCHMARKS[name]
    if name == "load":
        found = [id for id in ids if ".".join(id.split(".")[:2]) not in LOAD]
        if found:
            raise BadInputError(bad_value("--id", f"an id that begins with one of {', '.join(LOAD)}", found[0]))
        return BENCHMARKS[name]
    unknown = [id for id in ids if id not in LEARNING]
    if name != "learning" or unknown:
        known = f"one of {', '.join(LEARNING)}, with learning, or of rows of load"
        raise BadInputError(bad_value("--id", known, unknown[0] if unknown else f"{ids[0]} with {name}"))
    return learning(ids)


def run(name: str, settings: Settings, ids: Sequence[str] = ()) -> list[Row]:
    """Return the rows of one benchmark, or of some ids of `learning`.

    Raises:
        AnabranchError: something could not be measured; says what.
    """
    rows: list[Row] = []
    groups = groups_of(name, ids)
    if name != "learning":
        settings = settings._replace(only=tuple(ids))
    for done, group in enumerate(groups):
        inner = settings._replace(progress=_part(settings, done, len(groups)))
        inner.progress(0.0, group.__name__)
        rows += group(inner)
    return [row for row in rows if settings.wants(row.id)]


def _part(settings: Settings, done: int, groups: int) -> Callable[[float, str], None]:
    """Return the progress of one group as a part of the whole."""
    return lambda share, text: settings.progress((done + share) / groups, text)
