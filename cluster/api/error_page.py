"""The page on errors, made from the table of problems: `python -m cluster.api.error_page` prints it.

Rule of this file: the page says what the table says; whoever changes a row makes the page again.
"""

from __future__ import annotations

import sys
from typing import Final

from cluster.api.problems import CHANGED, LATER, NEVER, SAME, TABLE
from router.risk.reasons import REASONS

_RETRIES: Final = {
    NEVER: "no: the answer would be the same",
    SAME: "yes, with the same `client_order_id`: you get what was done",
    LATER: "yes, after `Retry-After`",
    CHANGED: "once it is changed",
}

_HEAD: Final = """# Errors of the HTTP API

Made by `python -m cluster.api.error_page` from `cluster/api/problems.py`; a test holds the two equal.

Every error is an RFC 9457 problem, `application/problem+json`, whatever the request accepts:

```json
{
  "type": "/docs#problem-invalid",
  "title": "The request is not of the right shape",
  "status": 422,
  "code": "invalid",
  "detail": "expected a known key (did you mean urgency?), got 'urgensy' - at $.routing",
  "instance": "/v1/orders",
  "correlation_id": "0969458f7b860a6b",
  "retry": "after_change",
  "errors": [
    {
      "code": "invalid",
      "detail": "expected a known key (did you mean urgency?), got 'urgensy' - at $.routing",
      "pointer": "$.routing",
      "check": null
    }
  ]
}
```

Programs go by `code` and by the codes in `errors`, which never change their meaning; `detail` is for people. `pointer`
says where in the body or the query, `check` which of the risk gate's checks ([risk.md](risk.md)), and `correlation_id`
finds everything that the request caused, in our logs and in the journal.

`unknown` and a connection that breaks before the answer mean the same: nobody knows yet whether the order was accepted.
Send the same body again under the same `client_order_id`: 201 says that it was not and now is, 200 that it was.

## Codes
"""

_DENIALS: Final = """
## Reasons in `errors` of `denied` and `message_rate`

The risk gate's own codes. What failed first comes first.
"""


def errors_page() -> str:
    """Return the page as Markdown."""
    lines = [_HEAD, "| code | status | title | meaning | send it again? |", "|---|---|---|---|---|"]
    lines += [
        f"| `{code}` | {kind.status} | {kind.title} | {kind.meaning} | {_RETRIES[kind.retry]} |"
        for code, kind in TABLE.items()
    ]
    lines += [_DENIALS, "| code | check | meaning |", "|---|---|---|"]
    lines += [f"| `{code}` | {reason.check} | {reason.sentence} |" for code, reason in REASONS.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(errors_page())
