"""Who gets in, by what, and who does not; over real sockets."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSServerHandshakeError
from door_kit import ROLES, SECRETS, keys_file, opened, signed

from cluster.api.security import KEY, NONCE, SIGNATURE, TIMESTAMP

PATH = "/v1/orders?x=%20y&z=1"
BODY = b'{"qty": "100"}'


async def test_signed_request_passes_and_its_handler_knows_who_asks(tmp_path: Path) -> None:
    async with opened(tmp_path) as door:
        assert await door.ask("ada", "POST", PATH, BODY) == (201, {"who": "ada", "bytes": len(BODY)})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({KEY: "key-nobody"}, "unauthenticated"),
        ({KEY: "key-bob"}, "unauthenticated"),
        ({SIGNATURE: "0" * 64}, "unauthenticated"),
        ({SIGNATURE: "é"}, "unauthenticated"),
        ({TIMESTAMP: "now"}, "unauthenticated"),
        ({TIMESTAMP: "1700000000"}, "unauthenticated"),
        ({TIMESTAMP: "9" * 300}, "unauthenticated"),
        ({NONCE: "short"}, "unauthenticated"),
        ({NONCE: "another-nonce-altogether"}, "unauthenticated"),
    ],
)
async def test_request_with_one_header_wrong_is_refused(tmp_path: Path, change: dict[str, str], code: str) -> None:
    async with opened(tmp_path) as door:
        status, problem = await door.ask("ada", "POST", PATH, BODY, **change)
        assert (status, problem["code"]) == (401, code)
        assert not any(secret in json.dumps(problem) for secret in SECRETS.values())


@pytest.mark.parametrize("change", ["method", "path", "query", "body"])
async def test_signature_covers_all_of_the_request(tmp_path: Path, change: str) -> None:
    async with opened(tmp_path) as door:
        headers = signed("ada", "POST", PATH, BODY)
        method = "DELETE" if change == "method" else "POST"
        path = {"path": "/v1/kill?x=%20y&z=1", "query": "/v1/orders?x=%20y&z=2"}.get(change, PATH)
        body = b'{"qty": "900"}' if change == "body" else BODY
        async with door.client.request(method, door.url(path), data=body, headers=headers) as answer:
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"].startswith("Anabranch-HMAC-SHA256")


async def test_recorded_request_is_of_no_use(tmp_path: Path) -> None:
    async with opened(tmp_path) as door:
        headers = signed("ada", "POST", PATH, BODY)
        statuses = []
        for _ in range(2):
            async with door.client.post(door.url(PATH), data=BODY, headers=headers) as answer:
                statuses.append(answer.status)
        assert statuses == [201, 401]
        async with door.client.post(
            door.url(PATH), data=BODY, headers=signed("ada", "POST", PATH, BODY, age_s=6.0)
        ) as answer:
            assert answer.status == 401


async def test_nobody_gets_in_without_anything(tmp_path: Path) -> None:
    async with opened(tmp_path) as door:
        for method, path in (
            ("POST", "/v1/orders"),
            ("GET", "/metrics"),
            ("GET", "/v1/stream"),
            ("GET", "/v1/session"),
        ):
            async with door.client.request(method, door.url(path)) as answer:
                assert (method, path, answer.status) == (method, path, 401)
        async with door.client.get(door.url("/healthz")) as answer:
            assert answer.status == 200


@pytest.mark.parametrize("name", ROLES)
async def test_roles_are_kept_over_the_wire(tmp_path: Path, name: str) -> None:
    async with opened(tmp_path) as door:
        found = {
            f"{method} {path}": (await door.ask(name, method, path))[0]
            for method, path in (("POST", "/v1/orders"), ("DELETE", "/v1/orders"), ("POST", "/v1/kill"))
        }
    role = ROLES[name]
    assert found == {
        "POST /v1/orders": 201 if role == "trader" else 403,
        "DELETE /v1/orders": 202 if role in ("trader", "operator", "risk") else 403,
        "POST /v1/kill": 202 if role in ("operator", "risk") else 403,
    }


async def test_every_answer_has_the_headers_that_protect_browsers(tmp_path: Path) -> None:
    async with opened(tmp_path) as door:
        for path in ("/healthz", "/v1/orders", "/nowhere"):
            async with door.client.get(door.url(path)) as answer:
                assert answer.headers["Content-Security-Policy"].startswith("default-src 'self';")
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["Cache-Control"] == "no-store"
                assert answer.headers["Server"] == "anabranch"
                assert len(answer.headers["X-Correlation-Id"]) == 16


async def sign_in(door: Any, name: str = "ada") -> str:
    headers = signed(name, "POST", "/v1/session")
    async with door.client.post(door.url("/v1/session"), headers=headers) as answer:
        assert answer.status == 201
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        token: str = (await answer.json())["csrf_token"]
        return token


async def test_person_signs_in_acts_and_signs_out(tmp_path: Path) -> None:
    async with opened(tmp_path) as door:
        token = await sign_in(door)
        async with door.client.get(door.url("/v1/session")) as answer:
            said = await answer.json()
            assert (said["name"], said["role"], said["accounts"]) == ("ada", "trader", ["ACME"])
        for headers, status in (({}, 403), ({"X-CSRF-Token": "another"}, 403), ({"X-CSRF-Token": token}, 201)):
            async with door.client.post(door.url("/v1/orders"), data=b"{}", headers=headers) as answer:
                assert answer.status == status
        async with door.client.delete(door.url("/v1/session"), headers={"X-CSRF-Token": token}) as answer:
            assert answer.status == 204
        async with door.client.get(door.url("/v1/session")) as answer:
            assert answer.status == 401


async def test_stolen_cookie_is_dead_after_signing_out(tmp_path: Path) -> None:
    async with opened(tmp_path) as door:
        token = await sign_in(door)
        cookies = {cookie.key: cookie.value for cookie in door.client.cookie_jar}
        async with door.client.delete(door.url("/v1/session"), headers={"X-CSRF-Token": token}) as answer:
            assert answer.status == 204
        async with door.client.get(door.url("/v1/session"), cookies=cookies) as answer:
            assert answer.status == 401


@pytest.mark.parametrize(("origin", "status"), [("http://evil.example", 403), ("null", 403), ("own", 201)])
async def test_page_of_another_origin_cannot_use_a_session(tmp_path: Path, origin: str, status: int) -> None:
    async with opened(tmp_path) as door:
        token = await sign_in(door)
        headers = {"X-CSRF-Token": token, "Origin": door.server.url if origin == "own" else origin}
        async with door.client.post(door.url("/v1/orders"), data=b"{}", headers=headers) as answer:
            assert answer.status == status


@pytest.mark.parametrize("origin", [None, "http://evil.example"])
async def test_websocket_of_a_session_needs_our_origin(tmp_path: Path, origin: str | None) -> None:
    async with opened(tmp_path) as door:
        await sign_in(door)
        with pytest.raises(WSServerHandshakeError) as refused:
            await door.client.ws_connect(door.url("/v1/stream"), headers={"Origin": origin} if origin else None)
        assert refused.value.status == 403


async def test_one_time_password_works_once(tmp_path: Path) -> None:
    once = tmp_path / "ada.once"
    once.write_text("correct horse battery\n")
    keys = keys_file(tmp_path, ada={"one_time_password_file": "ada.once"})
    async with opened(tmp_path, keys=keys) as door:

        async def attempt(password: str) -> int:
            given = {"key_id": "key-ada", "password": password}
            async with door.client.post(door.url("/v1/session"), json=given) as answer:
                return answer.status

        found = [await attempt(text) for text in ("wrong horse battery", "correct horse battery")]
        assert found == [401, 201]
        assert not once.exists()
        assert await attempt("correct horse battery") == 401


async def test_guessing_passwords_is_slowed_down(tmp_path: Path) -> None:
    async with opened(tmp_path) as door:
        statuses = []
        for _ in range(120):
            given = {"key_id": "key-ada", "password": "a guess at it"}
            async with door.client.post(door.url("/v1/session"), json=given) as answer:
                statuses.append(answer.status)
                if answer.status == 429:
                    assert int(answer.headers["Retry-After"]) >= 1
                    break
        assert statuses[0] == 401
        assert statuses[-1] == 429


async def test_keys_taken_away_end_their_sessions_on_reload(tmp_path: Path) -> None:
    keys = keys_file(tmp_path)
    async with opened(tmp_path, keys=keys) as door:
        await sign_in(door)
        good = keys.read_text()
        keys.write_text("[[keys]")
        door.server.reload_keys()
        async with door.client.get(door.url("/v1/session")) as answer:
            assert answer.status == 200, "a file that cannot be used changes nothing"
        keys.write_text(good.replace("key-ada", "key-new"))
        door.server.reload_keys()
        async with door.client.get(door.url("/v1/session")) as answer:
            assert answer.status == 401


async def test_metrics_open_to_their_token_and_nothing_else_does(tmp_path: Path) -> None:
    token = tmp_path / "metrics.token"
    token.write_text("a-token-of-metrics\n")
    async with opened(tmp_path, metrics_token=token) as door:
        for given, path, status in (
            ("Bearer a-token-of-metrics", "/metrics", 200),
            ("Bearer another-token-of-it", "/metrics", 401),
            ("Bearer a-token-of-metrics", "/v1/session", 401),
        ):
            async with door.client.get(door.url(path), headers={"Authorization": given}) as answer:
                assert (path, answer.status) == (path, status)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 201),
        ({"Host": "evil.example"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Host": "localhost"}, 201),
    ],
)
async def test_open_mode_keeps_pages_of_other_sites_out(tmp_path: Path, headers: dict[str, str], status: int) -> None:
    async with (
        opened(tmp_path, is_open=True) as door,
        door.client.post(door.url("/v1/orders"), data=b"{}", headers=headers) as answer,
    ):
        assert answer.status == status


async def test_unexpected_failure_says_nothing_of_itself(tmp_path: Path) -> None:
    async with opened(tmp_path) as door:
        status, problem = await door.ask("ada", "GET", "/v1/fail", **{"X-Correlation-Id": "mine-7"})
        assert (status, problem["code"], problem["correlation_id"]) == (500, "internal", "mine-7")
        assert "hunter2" not in json.dumps(problem)
        assert "ZeroDivision" not in json.dumps(problem)


async def test_tls_door_speaks_https_with_secure_cookies(tmp_path: Path) -> None:
    certificate, key = tmp_path / "door.pem", tmp_path / "door.key"
    making = await asyncio.create_subprocess_exec(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-subj", "/CN=localhost", "-days", "1", "-keyout", str(key), "-out", str(certificate)),
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await making.wait() == 0
    async with opened(tmp_path, tls_certificate=certificate, tls_key=key) as door:
        headers = signed("ada", "POST", "/v1/session")
        async with door.client.post(door.url("/v1/session"), headers=headers, ssl=False) as answer:
            assert answer.status == 201
            assert answer.headers["Set-Cookie"].startswith("__Host-anabranch=")
            assert "Secure" in answer.headers["Set-Cookie"]
            assert "max-age" in answer.headers["Strict-Transport-Security"]
