"""Which forms a journal's URL may have: `sqlite:PATH`, a bare path, or `postgresql://...`.

Rule of this file: text only; what it names is opened elsewhere, and no message shows a user or a password.
"""

from __future__ import annotations

import re

from router.domain.errors import ConfigError, bad_value

FORMS = "a path, sqlite:PATH or postgresql://HOST/DATABASE?schema=NAME"
SQLITE = "sqlite:"

_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://")


def is_postgres(url: str) -> bool:
    """Whether a URL names a PostgreSQL server.

    >>> is_postgres("postgres://h/d"), is_postgres("sqlite:a.db")
    (True, False)
    """
    scheme = _SCHEME.match(url)
    return scheme is not None and scheme[1].lower() in ("postgresql", "postgres")


def check_url(url: str, where: str) -> None:
    """Refuse a URL of no known form, before anything is opened. `where` names the place that it came from.

    Raises:
        ConfigError: says which forms there are.
    """
    path = url.removeprefix(SQLITE)
    is_other = _SCHEME.match(url) is not None and path is url and not is_postgres(url)
    if is_other or not path.strip("/") or "\x00" in path:
        raise ConfigError(bad_value(where, FORMS, without_secrets(url)))


def without_secrets(url: str) -> str:
    """Return a URL as messages may show it: no user, no password, no parameters.

    >>> without_secrets("postgresql://me:secret@host/db?schema=a")
    'postgresql://host/db'
    """
    return re.sub(r"://[^/]*@", "://", url.partition("?")[0])
