"""Flow parameters as a TOML file and back.

Rule of this file: what is written is read back equal.
"""

from __future__ import annotations

import tomllib

import msgspec

from router.domain.errors import ConfigError
from venues.flow.parameters import FlowParameters


def parameters_toml(parameters: FlowParameters, title: str) -> str:
    """Return the parameters as a TOML document that begins with `title` as a comment.

    Runs of equal sizes are not shortened: a quantile function is what it is.
    """
    lines = [f"# {' '.join(title.split())}", ""]
    tables: list[str] = []
    for name, value in msgspec.to_builtins(parameters).items():
        if isinstance(value, dict):
            tables += ["", f"[{name}]", *(f"{key} = {_text(inner)}" for key, inner in value.items())]
        else:
            lines.append(f"{name} = {_text(value)}")
    return "\n".join([*lines, *tables, ""])


def parse_parameters(text: str, where: str = "<text>") -> FlowParameters:
    """Return the parameters of a TOML document.

    Raises:
        ConfigError: not TOML, or a value that is missing, unknown or out of range; names file and key.
    """
    try:
        return msgspec.convert(tomllib.loads(text), FlowParameters)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, ValueError) as exc:
        raise ConfigError(f"{where}: {exc}") from exc


def _text(value: object) -> str:
    """Write a number, a list or a small table in TOML."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(_text(of) for of in value)}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_text(of)}' for key, of in value.items())} }}"
    return repr(value)
