"""Names of policies, checked before a run starts.

Rule of this file: the list is the learners' own, and the oracle besides.
"""

from __future__ import annotations

from router.domain.errors import BadInputError, bad_value


def check_policy(name: str, where: str) -> str:
    """Return `name` if there is such a policy.

    Raises:
        BadInputError: there is none; the known ones are listed.
    """
    from scenarios.policies import policy_names

    known = policy_names()
    if name not in known:
        raise BadInputError(bad_value(where, f"one of {', '.join(known)}", name))
    return name
