"""What every handler finds in its application: the desk, the views of its journal, and the options of this door.

Rule of this file: it is set once, when the application is made.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from aiohttp import web

from cluster.api.asked import CORRELATION_ID, PRINCIPAL
from cluster.api.backend import Backend
from cluster.api.options import ApiOptions
from cluster.api.parents import Parents
from cluster.api.views import Views
from router.domain.requests import Principal


class Door(NamedTuple):
    """One door to one desk."""

    backend: Backend
    views: Views
    options: ApiOptions
    parents: Parents


DOOR: Final = web.AppKey("door", Door)


def door_of(request: web.Request) -> Door:
    """Return the door that a request came to."""
    return request.app[DOOR]


def principal_of(request: web.Request) -> Principal:
    """Return who asks, as the middlewares of `cluster.api.middle` found out."""
    return request[PRINCIPAL]


def correlation_of(request: web.Request) -> str:
    """Return the request's correlation id; empty where it failed before it had one."""
    given: str = request.get(CORRELATION_ID, "")
    return given
