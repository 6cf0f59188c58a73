"""The client keeps the style of the engines: first lines, sizes, exceptions in one file, docstrings that run."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "anabranch").glob("*.py"))
LINES_MAX = 400
FUNCTION_LINES_MAX = 50


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_file_says_what_it_is_for_and_fits_on_a_few_screens(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.search(r"Rule of this (file|package): \S", ast.get_docstring(ast.parse(text)) or "")
    assert len(text.splitlines()) <= LINES_MAX


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_everything_public_has_a_docstring_and_fits_on_a_screen(path: Path) -> None:
    wrong = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if not node.name.startswith("_") and not ast.get_docstring(node):
            wrong.append(f"{node.name}: no docstring")
        is_function = not isinstance(node, ast.ClassDef)
        if is_function and (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES_MAX + 10:
            wrong.append(f"{node.name}: too long")
    assert wrong == []


def test_exceptions_are_in_one_file_and_end_as_exceptions_do() -> None:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            bases = [ast.unparse(base) for base in node.bases] if isinstance(node, ast.ClassDef) else []
            if any(base.endswith(("Error", "Exception")) for base in bases):
                assert path.stem == "errors", path.name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_docstrings_run(path: Path) -> None:
    name = "anabranch" if path.stem == "__init__" else f"anabranch.{path.stem}"
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0
