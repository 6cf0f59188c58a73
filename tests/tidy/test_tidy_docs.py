"""The docs name only what exists, and nothing in the repository names the machine it was written on.

Rule of this file: each test lists every offender by place, so that one run says all that there is to do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("router", "venues", "learners", "scenarios", "cluster", "tests", "benchmarks", "docs", ".ci")
TEXTS = (".py", ".md", ".toml", ".yml", ".yaml", ".json", ".html", ".js", ".css", ".sh", "")

CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)#\s]+)[^)\s]*\)")
PATH = re.compile(r"\.?/?[\w.-]+(?:/[\w.*-]+)*/?")
MACHINE_PATH = re.compile(r"(?<![\w.~])/(?:home|Users|root|work|mnt|media)/\w")


def documents() -> list[Path]:
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def texts() -> Iterator[Path]:
    yield from (path for path in sorted(ROOT.iterdir()) if path.is_file() and path.suffix in TEXTS)
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and path.suffix in TEXTS and "__pycache__" not in path.parts:
                yield path


def numbered(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each line with its place, but not the lines of fenced code, which may show a user's own files."""
    is_fenced = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.lstrip().startswith("```"):
            is_fenced = not is_fenced
        elif not is_fenced:
            yield f"{path.relative_to(ROOT)}:{number}", line


def names_a_file_of_ours(text: str) -> bool:
    first, _, rest = text.removeprefix("./").partition("/")
    return bool(PATH.fullmatch(text)) and first in FOLDERS and bool(rest)


def exists(text: str, *bases: Path) -> bool:
    pattern = text.removeprefix("./").rstrip("/")
    return any(next(iter(base.glob(pattern)), None) is not None for base in bases)


def test_docs_name_only_files_that_exist() -> None:
    absent = [
        f"{where} {text}"
        for path in documents()
        for where, line in numbered(path)
        for text in CODE.findall(line)
        if names_a_file_of_ours(text) and not exists(text, ROOT)
    ]
    assert absent == []


def test_links_between_docs_lead_somewhere() -> None:
    absent = [
        f"{where} {target}"
        for path in documents()
        for where, line in numbered(path)
        for target in LINK.findall(line)
        if "://" not in target and not target.startswith("mailto:") and not (path.parent / target).exists()
    ]
    assert absent == []


def test_paths_in_docs_are_recognised() -> None:
    ours = ["router/route.py", "docs/", "./check", "tests/tidy", "GET /v1/orders", "a/b", "router", "venues/types/*.py"]
    assert [text for text in ours if names_a_file_of_ours(text)] == [
        "router/route.py",
        "tests/tidy",
        "venues/types/*.py",
    ]


def test_nothing_names_the_machine_it_was_written_on() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in texts()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1)
        if MACHINE_PATH.search(line)
    ]
    assert found == []


def test_entrances_can_be_run() -> None:
    for name in ("check", "demo", ".ci/run"):
        path = ROOT / name
        assert path.read_text(encoding="utf-8").startswith("#!/usr/bin/env bash\n"), name
        assert path.stat().st_mode & 0o111, f"{name} can be run"
