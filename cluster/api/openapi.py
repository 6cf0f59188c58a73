"""The OpenAPI 3.1 document, made of the table of resources, the structs and the table of problems.

Rule of this file: nothing is said here of one resource alone; what the document says of it stands in its row, in its
structs and in their docstrings.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, Final

import msgspec

from cluster.api.answers import Problem
from cluster.api.problems import COMMON, LATER, MEDIA, TABLE, WITH_BODY
from cluster.api.route import OPEN, Answered, Route, reads_views
from cluster.api.schemas import ID_PATTERN, MIC_PATTERN, NAME_PATTERN
from cluster.api.wire import JSON, MSGPACK

PATH_PARAMETERS: Final[dict[str, dict[str, Any]]] = {
    "order_id": {"schema": {"type": "string", "pattern": ID_PATTERN}, "description": "Our id of an order."},
    "client_order_id": {"schema": {"type": "string", "pattern": ID_PATTERN}, "description": "Your id of an order."},
    "approval_id": {"schema": {"type": "string", "pattern": ID_PATTERN}, "description": "Of an order that waits."},
    "mic": {"schema": {"type": "string", "pattern": MIC_PATTERN}, "description": "A venue's market identifier."},
    "learner_id": {"schema": {"type": "string", "pattern": ID_PATTERN}, "description": "A learner."},
    "act": {
        "schema": {"type": "string", "enum": ["freeze", "unfreeze", "promote", "rollback", "pin", "unpin"]},
        "description": "What the learner's release is to do.",
    },
    "account": {"schema": {"type": "string", "pattern": NAME_PATTERN}, "description": "An account."},
    "strategy": {"schema": {"type": "string", "pattern": NAME_PATTERN}, "description": "A strategy."},
    "name": {"schema": {"type": "string", "pattern": r"^[a-z0-9_.\-]{1,64}$"}, "description": "A file."},
}
"""What stands in the braces of paths."""

TAGS: Final = (
    ("orders", "Hand in, look at, change and end orders."),
    ("details", "What lies behind an order: children, executions, decisions, costs."),
    ("routing", "Ask how a slice would be split, and report what became of it."),
    ("stream", "Follow what happens, without gaps."),
    ("markets", "Venues, learners, parameters."),
    ("risk", "Limits, kills, approvals, accounts."),
    ("session", "People at a browser."),
    ("service", "The service itself."),
    ("operations", "For those who run it."),
)

_HMAC: Final = ("X-Anabranch-Key", "X-Anabranch-Timestamp", "X-Anabranch-Nonce", "X-Anabranch-Signature")
_REFERENCE: Final = "#/components/schemas/{name}"
_TEXT: Final = """Orders, routing and operations of an Anabranch desk.

Prices, quantities and money are decimal strings, times RFC 3339 in UTC, enumerations lower case. Bodies and answers are
JSON or MessagePack, by `Content-Type` and `Accept`. **201 means durable.** A time-out means "unknown": send the same
`client_order_id` again. Errors are RFC 9457 problems; `x-problems` lists every code."""


def document_of(routes: Sequence[Route], version: str) -> dict[str, Any]:
    """Return the document for a table of resources."""
    kinds = _kinds(routes)
    _, components = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
    for kind in _with_parts(kinds):
        _describe(kind, components.get(kind.__name__, {}))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Anabranch", "version": version, "description": _TEXT},
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _security_schemes()},
        "x-problems": {code: kind._asdict() for code, kind in TABLE.items()},
    }


def problem_codes(route: Route) -> tuple[str, ...]:
    """Return every code that a resource can answer with, in the order of the table."""
    codes = {*route.problems, "internal"}
    if route.roles != OPEN:
        codes |= set(COMMON)
    if any(answer.kind for answer in route.answers):
        codes.add("not_acceptable")
    if route.body is not None:
        codes |= set(WITH_BODY)
    if route.query is not None:
        codes.add("invalid")
    if "{" in route.path:
        codes.add("not_found")
    if reads_views(route):
        codes.add("not_ready")
    return tuple(code for code in TABLE if code in codes)


def patterns_of(route: Route) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Return what may stand in the braces of a row's path, by name."""
    schemas = ((name, PATH_PARAMETERS[name]["schema"]) for name in _names_in(route.path))
    return tuple((name, re.compile(schema.get("pattern") or "|".join(schema["enum"]))) for name, schema in schemas)


def _names_in(path: str) -> list[str]:
    return re.findall(r"\{(\w+)\}", path)


def _operation(route: Route) -> dict[str, Any]:
    said: dict[str, Any] = {
        "operationId": route.operation_id,
        "tags": [route.tag],
        "summary": route.summary,
        "description": _words(route),
        "parameters": [*_path_parameters(route), *_query_parameters(route)],
        "responses": _responses(route),
        "security": [] if route.roles == OPEN else [{key: [] for key in _HMAC}, {"session": []}],
        "x-roles": list(route.roles),
        "x-rate-class": route.rate_class,
    }
    if route.body is not None:
        content: dict[str, Any] = {"schema": _ref(route.body)}
        if route.example is not None:
            content["example"] = route.example
        said["requestBody"] = {"required": True, "content": {JSON: content, MSGPACK: {"schema": _ref(route.body)}}}
    return said


def _words(route: Route) -> str:
    roles = ", ".join(f"`{role}`" for role in route.roles)
    who = f"Roles: {roles}." if route.roles else "Asks for no principal."
    return f"{route.description}\n\n{who} Rate class: `{route.rate_class}`.".strip()


def _path_parameters(route: Route) -> Iterator[dict[str, Any]]:
    for name in _names_in(route.path):
        yield {"name": name, "in": "path", "required": True, **PATH_PARAMETERS[name]}


def _query_parameters(route: Route) -> Iterator[dict[str, Any]]:
    if route.query is None:
        return
    (_,), components = msgspec.json.schema_components([route.query], ref_template=_REFERENCE)
    properties = components[route.query.__name__]["properties"]
    texts = _field_texts(route.query)
    for field in msgspec.structs.fields(route.query):
        schema = dict(properties[field.encode_name])
        parameter: dict[str, Any] = {
            "name": field.encode_name,
            "in": "query",
            "required": field.required,
            "schema": _not_null(schema),
        }
        text = texts.get(field.name) or parameter["schema"].pop("description", "")
        yield {**parameter, "description": text} if text else parameter


def _not_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a query parameter's schema: what may be left out is left out, and never null."""
    schema.pop("default", None) if schema.get("default", 0) is None else None
    parts = [part for part in schema.get("anyOf", ()) if part != {"type": "null"}]
    if len(parts) == 1:
        return dict(parts[0])
    if "enum" in schema:
        schema["enum"] = [value for value in schema["enum"] if value is not None]
    return schema


def _responses(route: Route) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for answer in route.answers:
        said[str(answer.status)] = _answer(answer)
    by_status: dict[int, list[str]] = {}
    for code in problem_codes(route):
        by_status.setdefault(TABLE[code].status, []).append(code)
    for status, codes in by_status.items():
        content = {MEDIA: {"schema": _ref(Problem)}}
        text = "; ".join(f"`{code}`: {TABLE[code].title}" for code in codes)
        known = said.get(str(status))
        if known is not None:
            known["content"].update(content)
            known["description"] += f" Or {text}."
            continue
        said[str(status)] = {"description": f"{text}.", "content": content}
        if any(TABLE[code].retry == LATER for code in codes):
            said[str(status)]["headers"] = {
                "Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}
            }
    return said


def _answer(answer: Answered) -> dict[str, Any]:
    said: dict[str, Any] = {"description": answer.text}
    if answer.kind is not None:
        said["content"] = {media: {"schema": _ref(answer.kind)} for media in (JSON, MSGPACK)}
    elif answer.media:
        said["content"] = {answer.media: {"schema": {"type": "string"}}}
        if answer.media == JSON:
            said["content"] = {JSON: {"schema": {"type": "object"}}}
    if answer.status in (200, 201) and answer.kind is not None and answer.kind.__name__ == "Order":
        said["headers"] = {"Location": {"description": "The order's path.", "schema": {"type": "string"}}}
    return said


def _ref(kind: type) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(name=kind.__name__)}


def _kinds(routes: Iterable[Route]) -> list[type[msgspec.Struct]]:
    found: dict[type[msgspec.Struct], None] = {Problem: None}
    for route in routes:
        for kind in (route.body, *(answer.kind for answer in route.answers)):
            if kind is not None:
                found[kind] = None
    return list(found)


def _with_parts(kinds: Iterable[type[msgspec.Struct]]) -> list[type[msgspec.Struct]]:
    """Return the structs and every struct within them."""
    found: dict[type[msgspec.Struct], None] = {}
    waiting = list(kinds)
    while waiting:
        kind = waiting.pop()
        if kind not in found:
            found[kind] = None
            waiting.extend(part for field in msgspec.structs.fields(kind) for part in _structs_in(field.type))
    return list(found)


def _structs_in(annotation: Any) -> Iterator[type[msgspec.Struct]]:
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _structs_in(part)


def _describe(kind: type[msgspec.Struct], schema: dict[str, Any]) -> None:
    """Put the texts that stand under a struct's fields into its schema."""
    for name, text in _field_texts(kind).items():
        properties = schema.get("properties", {})
        if name in properties:
            properties[name] = {**properties[name], "description": text}


@cache
def _field_texts(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Return the docstring under each field of a struct, as its source has them."""
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    except (OSError, TypeError, SyntaxError):
        return {}
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, after in zip(body.body, body.body[1:], strict=False):
        is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and is_text:
            found[field.target.id] = " ".join(str(after.value.value).split())  # type: ignore[attr-defined]
    return found


def _security_schemes() -> dict[str, Any]:
    texts = (
        "Which key signs.",
        "Seconds since 1970, within five of our clock.",
        "16 to 64 characters, used once.",
        "HMAC-SHA256, in hexadecimal, of timestamp, method, path with query, SHA-256 of the body and nonce, by lines.",
    )
    said: dict[str, Any] = {
        name: {"type": "apiKey", "in": "header", "name": name, "description": text}
        for name, text in zip(_HMAC, texts, strict=True)
    }
    said["session"] = {
        "type": "apiKey",
        "in": "cookie",
        "name": "anabranch",
        "description": "A person's session, with X-CSRF-Token on whatever changes something.",
    }
    return said
