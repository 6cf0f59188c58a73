"""The page that shows the OpenAPI document to people: plain HTML, CSS and JavaScript of our own.

Rule of this file: the page works offline and under the policy `default-src 'self'`: no script and no style stands in
it, and it asks nobody but this door.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

_FOLDER: Final = Path(__file__).parent / "static"


class Asset(NamedTuple):
    """A file as it is served."""

    body: bytes
    media: str


DOCS: Final = (_FOLDER / "docs.html").read_bytes()

STATIC: Final[dict[str, Asset]] = {
    "docs.js": Asset((_FOLDER / "docs.js").read_bytes(), "text/javascript"),
    "docs.css": Asset((_FOLDER / "docs.css").read_bytes(), "text/css"),
}
"""What is served under `/static`, by name: nothing else of the folder can be asked for."""
