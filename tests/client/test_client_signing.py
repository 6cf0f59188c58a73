"""What the client signs is what the door checks; a secret does not show."""

from __future__ import annotations

import json
import pickle
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from api_desk import ServedDesk
from client_desk import order
from hypothesis import given
from hypothesis import strategies as st

from anabranch import AsyncClient, Client, ClientOptions, Key, NotAllowedError, Snapshot, UnreachableError, UsageError
from cluster.api import security

SECRET = "0123456789abcdef0123456789abcdef"
ROLES = {"ada": "trader", "olga": "operator", "rita": "risk", "rob": "read_only"}

VECTORS = (
    ("k" * 32, "1700000000", "0123456789abcdef", "GET", "/v1/orders?limit=5", b""),
    (SECRET, "1700000000.123456", "n" * 64, "POST", "/v1/orders", b'{"client_order_id":"a-1"}'),
    (SECRET, "0", "a.b:c-d_e0123456", "DELETE", "/v1/orders/P1%2F2", b"\x81\xa1a\x01"),
)
"""Secret, timestamp, nonce, method, path and body: what both sides must sign alike."""


@pytest.mark.parametrize("vector", VECTORS)
def test_both_sides_sign_alike(vector: tuple[str, str, str, str, str, bytes]) -> None:
    secret, timestamp, nonce, method, path, body = vector
    ours = Key("desk-1", secret).sign(timestamp, nonce, method, path, body)
    assert ours == security.sign(secret.encode(), timestamp, nonce, method, path, body)


@given(
    path=st.text("/?&=%abcABC019._-", max_size=60), body=st.binary(max_size=200), nonce=st.text("abc09-", max_size=64)
)
def test_both_sides_sign_whatever_it_is_alike(path: str, body: bytes, nonce: str) -> None:
    ours = Key("desk-1", SECRET).sign("1700000000", nonce, "POST", path, body)
    assert ours == security.sign(SECRET.encode(), "1700000000", nonce, "POST", path, body)


def test_headers_have_the_names_the_door_reads_and_no_two_are_alike() -> None:
    first, second = (Key("desk-1", SECRET).headers("GET", "/v1/clock", b"") for _ in range(2))
    assert set(first) == {security.KEY, security.TIMESTAMP, security.NONCE, security.SIGNATURE}
    assert first[security.NONCE] != second[security.NONCE]


def test_secret_does_not_show() -> None:
    key = Key("desk-1", SECRET)
    assert SECRET not in f"{key!r} {key} {[key]}"
    with pytest.raises(UsageError) as caught:
        pickle.dumps(key)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(("id", "secret"), [("", SECRET), ("desk-1", "short"), ("desk-1", "ü" * 40)])
def test_key_that_cannot_be_one_is_refused(id: str, secret: str) -> None:
    with pytest.raises(UsageError, match="at Key") as caught:
        Key(id, secret)
    assert secret not in str(caught.value)


def keys_file(folder: Path) -> Path:
    rows = []
    for name, role in ROLES.items():
        rows.append(f'[[keys]]\nid = "key-{name}"\nname = "{name}"\nrole = "{role}"\nsecret = "{name}-{SECRET}"')
        rows.append(f"accounts = {json.dumps(['*'] if name != 'rob' else ['ACME-1'])}")
    path = folder / "keys.toml"
    path.write_text("\n".join(rows), encoding="utf-8")
    path.chmod(0o600)
    return path


def key_of(name: str) -> Key:
    return Key(f"key-{name}", f"{name}-{SECRET}")


async def test_signed_client_does_everything_by_its_role(tmp_path: Path) -> None:
    keys_file(tmp_path)
    with ServedDesk(tmp_path, api='keys = "keys.toml"') as desk:
        for encoding in ("json", "msgpack"):
            options: Any = ClientOptions(encoding=encoding)
            async with (
                AsyncClient(desk.url, key_of("ada"), options=options) as ada,
                AsyncClient(desk.url, key_of("rita"), options=options) as rita,
                AsyncClient(desk.url, key_of("rob"), options=options) as rob,
            ):
                me = await ada.whoami()
                assert (me.name, me.role, me.accounts) == ("ada", "trader", ("*",))
                found = await ada.orders.submit(order(f"slash/and:{encoding}"))
                assert found.who == "ada"
                again = await ada.orders.by_client_order_id(f"slash/and:{encoding}", "ACME-1")
                assert again.order_id == found.order_id
                assert [one.order_id async for one in ada.orders.list(symbol="SMOK", status="open")] != []
                async with ada.stream(accounts=["ACME-1"]) as stream, ada.stream(is_sse=True) as sse:
                    assert isinstance(await stream.next(10), Snapshot)
                    assert isinstance(await sse.next(10), Snapshot)
                assert (await rita.kill("symbol", "a test", "SMOK")).count >= 1
                assert [one.level for one in (await rita.kills()).kills] == ["symbol"]
                assert (await rita.rearm("symbol", "it is over", "SMOK")).waits_for == ""
                with pytest.raises(NotAllowedError) as caught:
                    await rob.orders.submit(order())
                assert caught.value.problem.code == "forbidden"
        with Client(desk.url, Key("key-ada", "another" + SECRET)) as stranger, pytest.raises(NotAllowedError):
            stranger.venues()
        with Client(desk.url) as nobody, pytest.raises(NotAllowedError):
            nobody.venues()
        async with AsyncClient(desk.url) as nobody_else, nobody_else.stream() as stream:
            with pytest.raises(NotAllowedError) as caught:
                await anext(stream)
            assert caught.value.problem.status == 401


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")
def test_certificate_of_ones_own_is_checked(tmp_path: Path) -> None:
    certificate, secret = tmp_path / "door.pem", tmp_path / "door.key"
    command = (
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "1"),
        *("-keyout", str(secret), "-out", str(certificate)),
    )
    subprocess.run(command, check=True, capture_output=True)
    keys_file(tmp_path)
    api = 'keys = "keys.toml"\ntls_certificate = "door.pem"\ntls_key = "door.key"'
    with ServedDesk(tmp_path, api=api) as desk:
        trusted = ssl.create_default_context(cafile=str(certificate))
        with Client(desk.url, key_of("ada"), tls=trusted) as client, client.stream() as stream:
            assert client.whoami().name == "ada"
            assert isinstance(next(stream), Snapshot)
        quick = ClientOptions(deadline_s=0.2)
        with (
            Client(desk.url, key_of("ada"), options=quick) as client,
            pytest.raises(UnreachableError, match="ertificate"),
        ):
            client.whoami()
