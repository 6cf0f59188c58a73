"""The documents name only functions that exist, and the tour tells a run as it happens.

Rule of this file: the tour is checked against calls that were really made, of `one_share` in this process.
"""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from pathlib import Path
from types import FrameType

import pytest

from scenarios.report import write_report
from scenarios.runner import run
from scenarios.scenario import load_scenario

ROOT = Path(__file__).parents[2]
TOUR = ROOT / "docs" / "tour.md"
NAME = re.compile(r"`([\w./-]+\.py):([A-Za-z_][\w.]*)`")
STEP = re.compile(r"^\d+\. ")
WALK = re.compile(r"^## (Walk \d+)", re.MULTILINE)

Name = tuple[str, str]
"""A file from the top of the repository, and a name in it: `f`, `Class` or `Class.method`."""


def documents() -> list[Path]:
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def names_in(text: str) -> list[Name]:
    return [(found[1], found[2]) for found in NAME.finditer(text)]


@cache
def defined_in(path: str) -> frozenset[str]:
    """Return every function, class, method and constant that a file defines, as `f` or `Class.method`."""
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    found: set[str] = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        found.update(_names_of(node))
        if isinstance(node, ast.ClassDef):
            found.update(f"{node.name}.{name}" for inner in node.body for name in _names_of(inner))
    return frozenset(found)


def _names_of(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def walks() -> dict[str, list[str]]:
    """Return the tour's walks: for each the text of its numbered steps, in order."""
    parts = WALK.split(TOUR.read_text(encoding="utf-8"))[1:]
    return {name: _steps(text.partition("\n## ")[0]) for name, text in zip(parts[::2], parts[1::2], strict=True)}


def _steps(text: str) -> list[str]:
    steps: list[str] = []
    for line in text.splitlines():
        if STEP.match(line):
            steps.append(line)
        elif steps and line.startswith("   "):
            steps[-1] += f" {line.strip()}"
    return steps


def record_calls(folder: Path) -> list[Name]:
    """Run `one_share` from its file to its report and return every call of ours, in order."""
    calls: list[Name] = []
    ours = {str(ROOT / package): package for package in ("router", "venues", "learners", "scenarios")}

    def note(frame: FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        if event == "call" and any(code.co_filename.startswith(place) for place in ours):
            calls.append((str(Path(code.co_filename).relative_to(ROOT)), code.co_qualname))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        summary = run(load_scenario("one_share"), seed=1, out=folder)
        write_report(folder)
    finally:
        sys.setprofile(before)
    assert summary.filled_qty == 1, "the tour is about a fill"
    return calls


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[Name]:
    return record_calls(tmp_path_factory.mktemp("tour") / "run")


def test_documents_name_only_what_the_files_define() -> None:
    absent = [
        f"{path.relative_to(ROOT)} {file}:{name}"
        for path in documents()
        for file, name in names_in(path.read_text(encoding="utf-8"))
        if name not in defined_in(file)
    ]
    assert absent == []


def test_names_are_looked_up_as_they_are_written() -> None:
    assert "route" in defined_in("router/route.py")
    assert "OrderHost.handle" in defined_in("router/orders/host.py")
    assert "TABLE" in defined_in("router/orders/child.py")
    assert "handle" not in defined_in("router/orders/host.py")
    assert names_in("see `router/route.py:route` and `tests/tidy`") == [("router/route.py", "route")]


def test_tour_has_its_walks_and_each_step_begins_with_a_function() -> None:
    assert [name for name, steps in walks().items() if len(steps) < 3] == []
    assert [step for steps in walks().values() for step in steps if not NAME.match(STEP.sub("", step))] == []


def test_every_function_the_walks_name_is_called(calls: list[Name]) -> None:
    called = set(calls)
    silent = [
        f"{walk}: {file}:{name}"
        for walk, steps in walks().items()
        for step in steps
        for file, name in names_in(step)
        if not file.startswith("cluster/") and _is_function(name) and (file, name) not in called
    ]
    assert silent == []


def test_steps_happen_in_the_order_of_their_numbers(calls: list[Name]) -> None:
    """From the first call of a walk's first step on, each step's first call comes after that of the step before."""
    wrong = []
    for walk, steps in walks().items():
        leads = [names_in(step)[0] for step in steps]
        rest = calls[calls.index(leads[0]) :]
        first = [rest.index(lead) if lead in rest else -1 for lead in leads]
        wrong += [f"{walk}: step {n + 1} {leads[n]}" for n in range(1, len(leads)) if first[n] <= first[n - 1]]
    assert wrong == []


def test_walks_follow_each_other(calls: list[Name]) -> None:
    starts = [calls.index(names_in(steps[0])[0]) for steps in walks().values()]
    assert starts == sorted(set(starts))


def _is_function(name: str) -> bool:
    """Say whether a name is called at all: constants and classes (a class by its capital) are not."""
    last = name.rpartition(".")[2]
    return not last[:1].isupper()
