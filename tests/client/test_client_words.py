"""The client's words are the desk's: keys, types and defaults against the served document, events against the facts."""

from __future__ import annotations

import enum
import inspect
import subprocess
import sys
import types
import typing
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args, get_origin
from urllib.request import urlopen

import msgspec
import pytest
from api_desk import ServedDesk

from anabranch import (
    AsyncClient,
    AsyncOrders,
    AsyncStream,
    Client,
    OrderBody,
    Orders,
    Stream,
    UsageError,
    desk_answers,
    errors,
    events,
    words,
)
from anabranch import answers as said
from cluster.api import told
from cluster.api.problems import TABLE
from router.domain import codec, facts
from router.domain.enums import Side
from router.domain.orders import ParentOrder
from router.orders.journal import Record

JSON = dict[str, Any]
NOT_FOR_PROGRAMS = {"SignIn"}
"""People at a browser sign in; a program signs."""

QUERIES = {
    "list_orders": words.OrdersQuery,
    "cancel_all_orders": words.CancelAllQuery,
    "get_order_by_client_order_id": words.ClientIdQuery,
    "list_children": words.PageQuery,
    "list_executions": words.PageQuery,
    "list_decisions": words.PageQuery,
    "stream": words.StreamQuery,
    "stream_sse": words.StreamQuery,
}


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JSON]:
    with ServedDesk(tmp_path_factory.mktemp("desk")) as desk, urlopen(f"{desk.url}/openapi.json") as answer:
        yield msgspec.json.decode(answer.read())


def struct_of(name: str) -> Any:
    """Return the client's struct of a name; None: it has none."""
    found = (getattr(module, name, None) for module in (words, said, desk_answers))
    return next((one for one in found if one is not None), None)


def shape(schema: JSON) -> object:
    """Return what a schema asks for, in few words."""
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    if "anyOf" in schema:
        return sorted((shape(part) for part in schema["anyOf"]), key=repr)
    if "enum" in schema:
        has_null = None in schema["enum"]
        listed = ["enum", *sorted(one for one in schema["enum"] if one is not None)]
        return sorted([listed, "null"], key=repr) if has_null else listed
    match schema["type"]:
        case "array":
            return ["array", shape(schema["items"])]
        case "object":
            return ["map", shape(schema["additionalProperties"])]
        case "string" if schema.get("format") == "date-time":
            return "time"
        case other:
            return other


def shape_of_hint(hint: Any) -> object:
    """Return the same of a type."""
    parts = set(get_args(hint)) if get_origin(hint) in (typing.Union, types.UnionType) else {hint}
    is_nullable = type(None) in parts
    parts -= {type(None)}
    if parts == {Decimal, int, str}:
        parts = {Decimal}
    (one,) = parts
    origin, inner = get_origin(one), get_args(one)
    found: object
    if origin is Literal:
        found = ["enum", *sorted(inner)]
    elif origin is tuple:
        found = ["array", shape_of_hint(inner[0])]
    elif origin is dict:
        found = ["map", shape_of_hint(inner[1])]
    elif isinstance(one, type) and issubclass(one, msgspec.Struct):
        found = one.__name__
    else:
        plain = {Decimal: "string", str: "string", datetime: "time", int: "integer", float: "number", bool: "boolean"}
        found = plain[one]
    return sorted([found, "null"], key=repr) if is_nullable else found


def fields(struct: Any) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(struct)}


def default_of(field: msgspec.structs.FieldInfo) -> object:
    default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    return msgspec.to_builtins(default) if isinstance(default, msgspec.Struct) else default


def test_every_struct_of_the_document_is_here_with_the_same_keys_types_and_defaults(document: JSON) -> None:
    wrong = []
    for name, schema in document["components"]["schemas"].items():
        struct = struct_of(name)
        if name in NOT_FOR_PROGRAMS:
            continue
        if struct is None:
            wrong.append(f"{name}: there is none")
            continue
        ours, theirs = fields(struct), schema["properties"]
        wrong += [f"{name}.{key}: not here" for key in theirs if key not in ours]
        wrong += [f"{name}.{key}: not there" for key in ours if key not in theirs]
        for key in ours.keys() & theirs.keys():
            if shape_of_hint(ours[key].type) != shape(theirs[key]):
                wrong.append(f"{name}.{key}: {shape_of_hint(ours[key].type)}, there {shape(theirs[key])}")
            if ours[key].required != (key in schema.get("required", ())):
                wrong.append(f"{name}.{key}: required {ours[key].required}")
            if not ours[key].required and issubclass(struct, words.Word):
                mine, given = default_of(ours[key]), theirs[key].get("default")
                # A default that is a struct of defaults is written out there and empty here.
                if list(mine or ()) != list(given or ()) if isinstance(given, list) else mine not in (given, {}):
                    wrong.append(f"{name}.{key}: default {mine!r}, there {given!r}")
    assert wrong == []


def test_every_query_of_the_document_is_here(document: JSON) -> None:
    asked = {
        operation["operationId"]: [one for one in operation["parameters"] if one["in"] == "query"]
        for methods in document["paths"].values()
        for operation in methods.values()
    }
    assert {name for name, parameters in asked.items() if parameters} == set(QUERIES)
    for name, query in QUERIES.items():
        ours = fields(query)
        assert [one["name"] for one in asked[name]] == list(ours), name
        for one in asked[name]:
            hint = shape_of_hint(ours[one["name"]].type)
            plain = next(one for one in hint if one != "null") if isinstance(hint, list) and "null" in hint else hint
            assert plain == shape(one["schema"]), f"{name}.{one['name']}"


def test_every_code_of_the_desk_has_a_family_that_fits_its_status() -> None:
    assert set(errors.FAMILIES) == set(TABLE)
    statuses = {
        errors.NotAllowedError: {401, 403},
        errors.NotFoundError: {404},
        errors.ConflictError: {409},
        errors.DeniedError: {422},
        errors.TooManyError: {429},
        errors.UnavailableError: {503},
        errors.ServerError: {500, 504},
        errors.BadRequestError: {400, 405, 406, 408, 413, 415, 422},
    }
    assert [code for code, family in errors.FAMILIES.items() if TABLE[code].status not in statuses[family]] == []


def sample(hint: Any) -> Any:
    """Return a value of a type, of which nothing is at its default."""
    parts = [one for one in get_args(hint) if one is not type(None)]
    if get_origin(hint) in (typing.Union, types.UnionType):
        return sample(parts[0])
    if get_origin(hint) is tuple:
        return (sample(parts[0]),)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return next(iter(hint))
    if hint is ParentOrder:
        return ParentOrder(
            parent_id="P1",
            client_order_id="c",
            symbol="MIDC",
            side=Side.BUY,
            order_qty=5,
            start_at=1,
            end_at=2,
            price=9,
        )
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return hint(**{field.name: sample(field.type) for field in msgspec.structs.fields(hint)})
    return {int: 12_345, str: "text", float: 0.5, bool: True}[hint]


@pytest.mark.parametrize("fact", told.EVENTS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("is_json", [True, False])
def test_every_event_is_read_whole(fact: Any, is_json: bool) -> None:
    value = sample(fact)
    record = Record(0, told.ACCOUNT + "A", 41, 1, fact.__name__, 1, 1, "", codec.encode(value), 0, b"", "cor")
    event = told.told(record, lambda _: "0.0001")
    frame = events.frame_of(event.json if is_json else event.msgpack, is_json=is_json)
    found = events.event_of(frame, is_json=is_json)
    assert (found.account, found.seq, found.event, found.correlation_id) == ("A", 41, event.body["event"], "cor")
    struct = events.KINDS[found.event]
    assert type(found.data) is struct
    assert set(fields(struct)) == set(event.body["data"])
    back = {key: getattr(found.data, key) for key in fields(struct)}
    assert {key for key, value in back.items() if value is None} == {
        key for key, value in event.body["data"].items() if value is None
    }


def test_every_kind_of_event_is_known() -> None:
    assert set(events.KINDS) == set(told.EVENTS.values())
    assert set(told.EVENTS) <= set(typing.get_args(facts.Fact))


def test_time_is_read_to_the_microsecond() -> None:
    assert msgspec.convert("2026-01-05T14:30:00.123456Z", datetime) == datetime(2026, 1, 5, 14, 30, 0, 123456, UTC)


@pytest.mark.parametrize(
    ("given", "sent"), [(100, "100"), ("41.0100", "41.0100"), (Decimal("4.1E1"), "41"), (Decimal("0.10"), "0.10")]
)
def test_numbers_are_sent_as_plain_decimals(given: Any, sent: str) -> None:
    body = words.ReplaceBody(limit_price=given)
    assert msgspec.json.encode(body) == f'{{"limit_price":"{sent}"}}'.encode()


@pytest.mark.parametrize("given", [41.5, True, Decimal("NaN"), b"41"])
def test_float_and_others_are_refused_before_anything_is_sent(given: Any) -> None:
    with pytest.raises(UsageError, match=r"expected a Decimal.*at ReplaceBody.qty"):
        words.ReplaceBody(qty=given)


def test_time_without_its_zone_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(UsageError, match=r"with its zone.*at ReplaceBody.end_time"):
        words.ReplaceBody(end_time=datetime(2026, 1, 5))


def methods(kind: type) -> dict[str, inspect.Signature]:
    return {
        name: inspect.signature(value)
        for name, value in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_") and name not in ("aclose", "close")
    }


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [(AsyncClient, Client), (AsyncOrders, Orders), (AsyncStream, Stream)],
    ids=lambda one: one.__name__,
)
def test_client_without_asyncio_has_the_same_methods(theirs: type, ours: type) -> None:
    assert methods(theirs).keys() == methods(ours).keys()
    for name, signature in methods(theirs).items():
        assert methods(ours)[name].parameters == signature.parameters, name
        wanted = str(signature.return_annotation).replace("AsyncIterator", "Iterator").replace("AsyncStream", "Stream")
        assert methods(ours)[name].return_annotation == wanted, name


def test_both_clients_are_made_alike() -> None:
    assert inspect.signature(Client) == inspect.signature(AsyncClient)


def test_sending_orders_loads_neither_engines_nor_data_frames() -> None:
    asked = "import sys, anabranch; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    loaded = set(done.stdout.split())
    assert "anabranch" in loaded
    assert loaded & {"router", "venues", "learners", "scenarios", "cluster", "polars", "numpy", "ray"} == set()


def test_body_is_what_is_given_and_nothing_more() -> None:
    body = OrderBody(client_order_id="a", account="A", symbol="S", side="buy", type="market", qty=5)
    assert msgspec.to_builtins(body) == {
        "client_order_id": "a",
        "account": "A",
        "symbol": "S",
        "side": "buy",
        "type": "market",
        "qty": "5",
    }
