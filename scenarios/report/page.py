"""The page: markup, style and script of an offline report, shared by run reports and comparisons.

Rule of this file: everything a reader's browser needs is in the one file, and every text that comes from a run is
escaped on its way in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

import plotly.graph_objects as go
import plotly.io as pio
from plotly.offline import get_plotlyjs

from router.domain.errors import RunError
from scenarios.report import theme

_STYLE = """
:root{--ink:#1b2430;--muted:#667085;--line:#e3e7ee;--wash:#f5f7fa;--accent:#2b5fd9;--good:#17885a;--bad:#c2413b}
*{box-sizing:border-box}
body{margin:0;background:var(--wash);color:var(--ink);font:15px/1.55 FONT}
main{max-width:1280px;margin:0 auto;padding:28px 20px 64px}
h1{font-size:27px;margin:0 0 2px;letter-spacing:-.01em}h2{font-size:19px;margin:0 0 6px}
h3{font-size:15px;margin:18px 0 6px}
p{margin:0 0 10px;max-width:100ch}.muted{color:var(--muted)}.small{font-size:13px}
header .muted{margin-bottom:18px}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:0 0 18px}
.figure,section{background:#fff;border:1px solid var(--line);border-radius:10px}
.figure{padding:12px 14px}.figure b{display:block;font-size:22px;line-height:1.25;font-variant-numeric:tabular-nums}
.figure span{font-size:13px;color:var(--muted)}
section{padding:20px 22px;margin:0 0 18px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:13.5px;font-variant-numeric:tabular-nums}
th,td{padding:6px 9px;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap;vertical-align:top}
th{white-space:normal;min-width:52px}
th{color:var(--muted);font-weight:600;font-size:12.5px;vertical-align:bottom}
th.t,td.t{text-align:left}td.w{white-space:normal;min-width:220px}
tbody tr:hover{background:#f8fafc}
.good{color:var(--good)}.bad{color:var(--bad)}
.chip{display:inline-block;padding:1px 9px;border-radius:9px;font-size:12.5px;margin-right:6px;background:#eef1f6}
.chip.good{background:#e2f3ea}.chip.bad{background:#fbe6e4}
details{border-top:1px solid var(--line);padding:8px 0}summary{cursor:pointer;font-size:14px}
details table{margin:8px 0 4px}details tr.off{color:var(--muted)}
code{font:12.5px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
nav{display:flex;flex-wrap:wrap;gap:4px 16px;margin:0 0 18px;font-size:13.5px}
a{color:var(--accent);text-decoration:none}a:hover{text-decoration:underline}
@media print{body{background:#fff}section,.figure{break-inside:avoid}nav{display:none}}
""".replace("FONT", theme.FONT)


class Section(NamedTuple):
    """One block of the page: an anchor, a title, an explanation (markup) and its content (markup)."""

    anchor: str
    title: str
    explanation: str
    content: str


class Cell(NamedTuple):
    """One cell of a table: its text (escaped here), and CSS classes (t: left, w: may wrap, good, bad)."""

    text: str
    classes: str = ""


def text_cell(text: str) -> Cell:
    """Return a left-aligned cell."""
    return Cell(text, "t")


def render(title: str, header: str, sections: Iterable[Section]) -> str:
    """Return the whole page; `header` and the sections' explanation and content are markup."""
    kept = list(sections)
    links = "".join(f'<a href="#{s.anchor}">{escape(s.title)}</a>' for s in kept)
    blocks = "".join(
        f'<section id="{s.anchor}"><h2>{escape(s.title)}</h2><p class="muted">{s.explanation}</p>{s.content}</section>'
        for s in kept
    )
    # The script stands before the figures, each of which calls it as the page is read.
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
        f"<script>{get_plotlyjs()}</script></head>"
        f"<body><main><header>{header}</header><nav>{links}</nav>{blocks}</main></body></html>\n"
    )


def plot(made: go.Figure, anchor: str) -> str:
    """Return a figure as markup; `anchor` is its element's id, so that the same run gives the same page."""
    markup: str = pio.to_html(
        made, full_html=False, include_plotlyjs=False, config=theme.CONFIG, div_id=f"plot-{anchor}"
    )
    return markup


def table(heads: Sequence[Cell], rows: Iterable[Sequence[Cell]], row_class: str = "") -> str:
    """Return a table as markup."""

    def cells(row: Sequence[Cell], tag: str) -> str:
        return "".join(f'<{tag} class="{cell.classes}">{escape(cell.text)}</{tag}>' for cell in row)

    opening = f'<tr class="{row_class}">' if row_class else "<tr>"
    body = "".join(f"{opening}{cells(row, 'td')}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{cells(heads, "th")}</tr></thead><tbody>{body}</tbody></table></div>'


def key_figures(figures: Iterable[tuple[str, str]]) -> str:
    """Return (label, number) pairs as a row of boxes."""
    boxes = "".join(
        f'<div class="figure"><b>{escape(value)}</b><span>{escape(label)}</span></div>' for label, value in figures
    )
    return f'<div class="figures">{boxes}</div>'


def note(text: str) -> str:
    """Return a line that stands where there is nothing to draw."""
    return f'<p class="muted">{escape(text)}</p>'


def write_page(path: Path, page: str) -> Path:
    """Write a page whole or not at all, and return its path.

    Raises:
        RunError: the file cannot be written.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(page, encoding="utf-8")
        partial.replace(path)
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise RunError(f"expected a file that can be written, got {reason} - at {path}") from exc
    return path
