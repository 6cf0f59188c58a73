"""Signing in and out, for people at a browser.

Rule of this file: a session is opened by a signed request or by a one-time password; its cookie is out of reach of
scripts, and the token that unsafe methods need besides is in the answer alone.
"""

from __future__ import annotations

import time
from typing import Annotated

from aiohttp import web
from msgspec import Meta

from cluster.api.answers import Said, Timestamp
from cluster.api.asked import SESSION
from cluster.api.decimals import time_text
from cluster.api.door import principal_of
from cluster.api.gate import GATE, Gate, principal_of_key
from cluster.api.keys import ApiKey
from cluster.api.problems import refuse
from cluster.api.route import CONTROL, EVERYBODY, OPEN, READS, Answered, Route
from cluster.api.schemas import Body, Id
from cluster.api.security import KEY, Refusal
from cluster.api.sessions import Session
from cluster.api.wire import body_of, reply
from router.domain.requests import Principal


class SignIn(Body, frozen=True, kw_only=True):
    """Who signs in with a one-time password."""

    key_id: Id
    password: Annotated[str, Meta(min_length=1, max_length=256, description="It is used up.")]


class SessionSaid(Said, frozen=True):
    """Who you are here."""

    name: str
    role: str
    accounts: tuple[str, ...]
    csrf_token: str
    """For the header X-CSRF-Token of every method that changes something; empty without a session."""
    expires_time: Timestamp | None
    """When the session ends; none without a session."""


async def sign_in(request: web.Request) -> web.StreamResponse:
    """Open a session."""
    gate = request.app[GATE]
    refusal = gate.origin_refusal(request, is_needed=False)
    key = refusal if refusal is not None else await _key(gate, request)
    if isinstance(key, Refusal):
        if key.code == "unauthenticated":
            key = gate.count_stranger(request, key)
        headers = {"Retry-After": str(max(1, round(key.retry_after_s)))} if key.retry_after_s else None
        return refuse(request, key.code, key.text, headers=headers)
    token, session = gate.sessions.open(key, time.time())
    response = reply(request, _said(principal_of_key(key), session), 201)
    response.set_cookie(
        gate.cookie,
        token,
        max_age=int(gate.options.session_s),
        path="/",
        secure=gate.options.has_tls,
        httponly=True,
        samesite="Strict",
    )
    return response


async def get_session(request: web.Request) -> web.StreamResponse:
    """Say who asks."""
    return reply(request, _said(principal_of(request), request.get(SESSION)))


async def sign_out(request: web.Request) -> web.StreamResponse:
    """End the session."""
    gate, session = request.app[GATE], request.get(SESSION)
    if session is not None:
        gate.sessions.close(session)
    response = web.Response(status=204)
    response.del_cookie(gate.cookie, path="/", secure=gate.options.has_tls, httponly=True, samesite="Strict")
    return response


async def _key(gate: Gate, request: web.Request) -> ApiKey | Refusal:
    if gate.ring is None:
        return Refusal("not_found", "expected a door with keys: in the open mode nobody signs in")
    body = await request.read()
    if KEY in request.headers:
        identity = gate.signed(request, body)
        if isinstance(identity, Refusal):
            return identity
        key = gate.ring.find(identity.principal.session)
        return key or Refusal("unauthenticated", "expected a key that is still there, got one that is gone")
    given = await body_of(request, SignIn)
    return gate.by_password(given.key_id, given.password, request.remote or "")


def _said(principal: Principal, session: Session | None) -> SessionSaid:
    return SessionSaid(
        name=principal.name,
        role=principal.role,
        accounts=principal.accounts,
        csrf_token="" if session is None else session.csrf,
        expires_time=None if session is None else time_text(int(session.expires) * 1_000_000_000),
    )


def session_routes() -> tuple[Route, ...]:
    """Return the rows of sessions in the table of resources."""
    said = "Who you are."
    return (
        Route(
            method="POST",
            path="/v1/session",
            handler=sign_in,
            roles=OPEN,
            rate_class=CONTROL,
            tag="session",
            summary="Sign in",
            answers=(Answered(201, said, SessionSaid),),
            description="By a signed request with any body, or by a one-time password. The answer sets a cookie.",
            body=SignIn,
            problems=("unauthenticated", "not_found"),
            example={"key_id": "ada", "password": "a one-time password"},
        ),
        Route(
            method="GET",
            path="/v1/session",
            handler=get_session,
            roles=EVERYBODY,
            rate_class=READS,
            tag="session",
            summary="Who am I?",
            answers=(Answered(200, said, SessionSaid),),
        ),
        Route(
            method="DELETE",
            path="/v1/session",
            handler=sign_out,
            roles=EVERYBODY,
            rate_class=CONTROL,
            tag="session",
            summary="Sign out",
            answers=(Answered(204, "Signed out."),),
        ),
    )
