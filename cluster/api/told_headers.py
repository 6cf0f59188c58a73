"""Headers of answers: those that stand on every one, and those that a refusal has besides.

Rule of this file: words only; both ways out (`cluster.api.middle`, `cluster.api.quick`) say the same.
"""

from __future__ import annotations

import math
from typing import Final

from cluster.api.security import KEY, Refusal

HEADERS: Final = (
    (
        "Content-Security-Policy",
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
"""On every answer; after OWASP's list of secure headers."""

HSTS: Final = ("Strict-Transport-Security", "max-age=31536000")
"""Besides, with TLS."""


def refusal_headers(refusal: Refusal) -> dict[str, str]:
    """Return what the answer to a refused request says besides: when to come again, and how to show who one is."""
    headers: dict[str, str] = {}
    if refusal.retry_after_s:
        headers["Retry-After"] = str(max(1, math.ceil(refusal.retry_after_s)))
    if refusal.code == "unauthenticated":
        headers["WWW-Authenticate"] = f'Anabranch-HMAC-SHA256 key="{KEY}"'
    return headers
