"""What a door knows of a request besides what stands in it: who asks, by which session, and its correlation id.

Rule of this file: keys only; the middlewares of `cluster.api.middle` set them, and handlers read them.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from cluster.api.sessions import Session
from router.domain.requests import Principal

PRINCIPAL: Final = web.RequestKey("principal", Principal)
"""Absent where nobody was asked who he is."""

SESSION: Final = web.RequestKey("session", Session)
"""Absent where it was signed."""

CORRELATION_ID: Final = web.RequestKey("correlation_id", str)
