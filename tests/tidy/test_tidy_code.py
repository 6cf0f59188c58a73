"""The code keeps the style it promises: first lines, sizes, names, floors, where exceptions and assertions are.

Rule of this file: each test lists every offender by place, so that one run says all that there is to do.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENGINES = ("router", "venues", "learners")
PACKAGES = (*ENGINES, "scenarios", "cluster")
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50
VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
LATER = re.compile(r"\b(?:TODO|FIXME|NotImplementedError|unittest\.mock)\b")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def place(path: Path, line: int = 1) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def functions(path: Path) -> Iterator[Function]:
    return (node for node in ast.walk(tree_of(path)) if isinstance(node, Function))


def code_lines(function: Function) -> int:
    """Count a function's lines without its docstring, which is as long as its contract needs."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


@pytest.mark.parametrize("package", PACKAGES)
def test_files_open_with_what_they_are_for_and_their_rule(package: str) -> None:
    missing = []
    for path in sources(package):
        text = ast.get_docstring(tree_of(path)) or ""
        if not text.partition("\n")[0].strip() or not re.search(r"Rule of this (file|package|folder): \S", text):
            missing.append(place(path))
    assert missing == []


def test_test_files_open_with_what_they_are_for() -> None:
    assert [place(path) for path in sources("tests", "benchmarks") if not ast.get_docstring(tree_of(path))] == []


def test_files_fit_on_a_few_screens() -> None:
    sizes = {place(path): len(path.read_text(encoding="utf-8").splitlines()) for path in sources(*PACKAGES)}
    assert {path: size for path, size in sizes.items() if size > FILE_LINES_MAX} == {}


def test_functions_fit_on_a_screen() -> None:
    sizes = {
        f"{place(path, function.lineno)} {function.name}": code_lines(function)
        for path in sources(*PACKAGES)
        for function in functions(path)
    }
    assert {name: size for name, size in sizes.items() if size > FUNCTION_LINES_MAX} == {}


def test_modules_have_names_that_say_something() -> None:
    assert [place(path) for path in sources(*PACKAGES, "tests") if VAGUE & {path.stem, path.parent.name}] == []


def test_every_package_says_that_it_is_one() -> None:
    folders = {path.parent for path in sources(*PACKAGES)}
    assert sorted(str(folder.relative_to(ROOT)) for folder in folders if not (folder / "__init__.py").exists()) == []


def test_engines_do_not_print() -> None:
    prints = [
        place(path, node.lineno)
        for path in sources(*ENGINES)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert prints == []


def test_nothing_is_left_for_later() -> None:
    found = [
        place(path, number)
        for path in sources(*PACKAGES)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if LATER.search(line)
    ]
    assert found == []


def test_exceptions_are_defined_in_one_file() -> None:
    home = ROOT / "router/domain/errors.py"
    strays = [
        place(path, node.lineno)
        for path in sources(*PACKAGES)
        for node in ast.walk(tree_of(path))
        if path != home and isinstance(node, ast.ClassDef) and any(_is_exception(base) for base in node.bases)
    ]
    assert strays == []


def test_tests_assert_something() -> None:
    idle = [
        f"{place(path, function.lineno)} {function.name}"
        for path in sources("tests")
        if path.name.startswith("test_")
        for function in functions(path)
        if function.name.startswith("test_") and not _asserts(function)
    ]
    assert idle == []


def test_tests_do_not_sleep() -> None:
    sleeps = [
        place(path, node.lineno)
        for path in sources("tests")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and _called(node) == "sleep"
    ]
    assert sleeps == []


def test_test_files_have_names_of_their_own() -> None:
    # Test folders are no packages, so two files of one name would be one module.
    names = sorted(path.name for path in sources("tests") if path.name.startswith("test_"))
    assert [name for name in dict.fromkeys(names) if names.count(name) > 1] == []


def test_import_contract_names_every_part_of_the_router() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = {contract["id"]: contract for contract in settings["tool"]["importlinter"]["contracts"]}
    parts = {path.stem for path in (ROOT / "router").glob("*.py")} - {"__init__"}
    parts |= {path.parent.name for path in (ROOT / "router").glob("*/__init__.py")} - {"domain"}
    assert contracts["domain-only"]["forbidden_modules"] == sorted(f"router.{part}" for part in parts)


def _is_exception(base: ast.expr) -> bool:
    name = base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")
    return name.endswith(("Error", "Exception", "Warning"))


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _asserts(function: Function) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call) and re.match(r"raises$|warns$|_?(assert|check|expect|agree)_?", _called(node)):
            return True
    return False
