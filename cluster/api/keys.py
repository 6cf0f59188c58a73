"""Who may come in: the file of keys, each with a secret, a person or program, a role and its accounts.

Rule of this file: a secret is seen by whoever computes with it and by nobody else; its text is in no log, no repr, no
error and no pickle.

    [[keys]]
    id = "desk-1"                 # what X-Anabranch-Key says
    name = "ada"                  # who it is, in every record of what it asked for
    role = "trader"               # trader, operator, risk, read_only or auditor
    accounts = ["ACME-1"]         # what it may act for and see; ["*"] is all
    secret_file = "desk-1.secret" # or secret_env = "DESK_1_SECRET", or secret = "..."
    one_time_password_file = "ada.once"   # optional: its text signs a person in once, and the file is deleted
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from cluster.api.route import ROLES
from router.domain.errors import BadInputError, ConfigError, DefectError, bad_value
from router.domain.ids import check_id
from scenarios.keys import expected_key

SECRET_MIN = 32
"""Characters of a secret: 128 bits in hexadecimal."""

PASSWORD_MIN = 12
"""Characters of a one-time password: it is guessed at a bounded rate and used once."""

KEYS_MAX = 10_000
"""Keys in one file: each has buckets and a nonce cache of its own."""

_FIELDS = ("id", "name", "role", "accounts", "secret", "secret_env", "secret_file", "one_time_password_file")
_SOURCES = ("secret", "secret_env", "secret_file")


class Secret:
    """A text that does not show.

    >>> secret = Secret("0123456789abcdef0123456789abcdef")
    >>> secret, f"{secret}", secret.reveal()[:4]
    (Secret(redacted), 'Secret(redacted)', b'0123')
    """

    __slots__ = ("_bytes",)

    def __init__(self, text: str) -> None:
        self._bytes = text.encode()

    def reveal(self) -> bytes:
        """Return the secret's bytes, for a computation."""
        return self._bytes

    def __repr__(self) -> str:
        return "Secret(redacted)"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise DefectError("expected a secret to stay in its process, got a pickle of it - at cluster.api.keys.Secret")


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """One key of the file."""

    id: str
    name: str
    role: str
    accounts: tuple[str, ...]
    secret: Secret
    one_time_password_file: Path | None = None


class KeyRing:
    """The keys of a file, by id. `reload` replaces them all, or none where the file has become unusable."""

    def __init__(self, path: Path, environ: Mapping[str, str] | None = None) -> None:
        self.path = path
        self._environ = os.environ if environ is None else environ
        self._keys = read_keys(path, self._environ)

    def find(self, key_id: str) -> ApiKey | None:
        """Return a key by its id; None: there is none, or no longer."""
        return self._keys.get(key_id)

    def reload(self) -> int:
        """Read the file again and return how many keys it holds.

        Raises:
            ConfigError: the file cannot be used now; the keys stay as they were.
        """
        self._keys = read_keys(self.path, self._environ)
        return len(self._keys)


def read_keys(path: Path, environ: Mapping[str, str]) -> dict[str, ApiKey]:
    """Return the keys in a file, by id.

    Raises:
        ConfigError: names the file and the key; never a secret's text.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            table = tomllib.loads(file.read().decode())
    except (OSError, ValueError) as exc:
        # A parser's complaint may quote the line that it stumbled over, and a secret may stand in it.
        reason = (exc.strerror or "none") if isinstance(exc, OSError) else "one that does not parse"
        raise ConfigError(f"expected a TOML file of keys, got {reason} - at {path}") from None
    rows = table.pop("keys", None)
    if not isinstance(rows, list) or not 1 <= len(rows) <= KEYS_MAX or not all(isinstance(row, dict) for row in rows):
        raise ConfigError(f"expected 1 to {KEYS_MAX} tables [[keys]], got none or too many - at {path}")
    if table:
        raise ConfigError(bad_value(str(path), "tables [[keys]] and nothing else", sorted(table)[0]))
    if mode & stat.S_IROTH and any("secret" in row for row in rows):
        raise ConfigError(f"expected a file that others cannot read, as it holds a secret, got {mode:o} - at {path}")
    keys: dict[str, ApiKey] = {}
    for number, row in enumerate(rows):
        key = _key(row, f"{path}, keys[{number}]", path.parent, environ)
        if key.id in keys:
            raise ConfigError(bad_value(f"{path}, keys[{number}].id", "an id of its own", key.id))
        keys[key.id] = key
    return keys


def _key(row: Mapping[str, Any], where: str, base: Path, environ: Mapping[str, str]) -> ApiKey:
    for name in row:
        if name not in _FIELDS:
            raise ConfigError(bad_value(where, expected_key(name, _FIELDS), name))
    try:
        key_id, name = (check_id(_text(row, field, where), f"{where}.{field}") for field in ("id", "name"))
    except BadInputError as exc:
        raise ConfigError(str(exc)) from None
    role, accounts = row.get("role"), row.get("accounts", [])
    if role not in ROLES:
        raise ConfigError(bad_value(f"{where}.role", f"one of {', '.join(ROLES)}", role))
    if not isinstance(accounts, list) or not all(isinstance(one, str) and _is_account(one) for one in accounts):
        raise ConfigError(bad_value(f"{where}.accounts", 'a list of accounts, or ["*"]', accounts))
    given = [source for source in _SOURCES if source in row]
    if len(given) != 1:
        raise ConfigError(f"expected one of {', '.join(_SOURCES)}, got {len(given)} of them - at {where}")
    text = _secret(given[0], _text(row, given[0], where), where, base, environ)
    if len(text) < SECRET_MIN or not text.isascii():
        raise ConfigError(f"expected {SECRET_MIN} or more ASCII characters, got {len(text)} - at {where}.{given[0]}")
    once = row.get("one_time_password_file")
    return ApiKey(
        id=key_id,
        name=name,
        role=role,
        accounts=tuple(accounts),
        secret=Secret(text),
        one_time_password_file=None if once is None else base / _text(row, "one_time_password_file", where),
    )


def _is_account(text: str) -> bool:
    try:
        return text == "*" or bool(check_id(text, ""))
    except BadInputError:
        return False


def _text(row: Mapping[str, Any], field: str, where: str) -> str:
    value = row.get(field)
    if not isinstance(value, str) or not value:
        got = "nothing" if value in (None, "") else f"a {type(value).__name__}"
        raise ConfigError(f"expected a text, got {got} - at {where}.{field}")
    return value


def _secret(source: str, given: str, where: str, base: Path, environ: Mapping[str, str]) -> str:
    if source == "secret":
        return given
    if source == "secret_env":
        if given not in environ:
            raise ConfigError(bad_value(f"{where}.secret_env", "a variable that is set", given))
        return environ[given].strip()
    try:
        with (base / given).open(encoding="ascii") as file:
            mode, text = os.fstat(file.fileno()).st_mode, file.read().strip()
    except (OSError, ValueError):
        raise ConfigError(bad_value(f"{where}.secret_file", "a file of ASCII text", given)) from None
    if mode & stat.S_IROTH:
        raise ConfigError(f"expected a file that others cannot read, got {mode:o} - at {where}.secret_file")
    return text
