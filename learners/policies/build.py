"""Every policy by the name that scenarios and commands use.

Rule of this file: a policy that `known_policies` does not name does not exist; one that it names passes `check_policy`.
River is imported when it is asked for: a venue's process has no use for it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from learners.policies.censored import CensoredPolicy
from learners.policies.cont_kukanov import ContKukanovPolicy
from learners.policies.policy import Policy, PolicySetup
from learners.policies.programme import ProgrammePolicy
from learners.policies.ranked import RankedPolicy
from learners.policies.static import PrimaryOnly, Uniform, VolumeProportional
from router.domain.errors import ConfigError, bad_value

RIVER_PREFIX = "river:"

OUR_POLICIES: tuple[str, ...] = (
    CensoredPolicy.name,
    PrimaryOnly.name,
    VolumeProportional.name,
    Uniform.name,
    ContKukanovPolicy.name,
    ProgrammePolicy.name,
)
"""Those that are not River's."""

QUARTERLY, DAILY, BEST_STATIC = "quarterly", "daily_reranked", "best_static"
"""Policies that go by past days, or in hindsight by the day itself: a shell has to find out what to tell them."""

NOT_LEARNING: tuple[str, ...] = (
    PrimaryOnly.name,
    VolumeProportional.name,
    Uniform.name,
    ProgrammePolicy.name,
    QUARTERLY,
    DAILY,
    BEST_STATIC,
    "river:RandomPolicy",
)
"""Those whose choices no outcome changes: baselines."""


@cache
def known_policies() -> tuple[str, ...]:
    """Return all names, ours first."""
    from learners.policies.bandits import river_policies

    return (*OUR_POLICIES, *(RIVER_PREFIX + name for name in river_policies()))


def build_policy(name: str, setup: PolicySetup) -> Policy:
    """Return a new policy that has learned nothing.

    Raises:
        ConfigError: an unknown name (the known ones are listed) or parameters that the policy cannot have.
    """
    if name in _OURS:
        return _OURS[name](setup)
    if name not in known_policies():
        raise ConfigError(bad_value("policy", f"one of {', '.join(known_policies())}", name))
    from learners.policies.bandits import RiverBanditPolicy

    return RiverBanditPolicy(name.removeprefix(RIVER_PREFIX), setup)


def build_ranked(name: str, setup: PolicySetup) -> Policy:
    """Return a policy that goes by `setup.past`, under the name that says how the past was looked at.

    Raises:
        ConfigError: another name, parameters, or a past that is not one score per lane.
    """
    if name not in (QUARTERLY, DAILY):
        raise ConfigError(bad_value("policy", f"{QUARTERLY} or {DAILY}", name))
    return RankedPolicy(name, setup)


_OURS: dict[str, Callable[[PolicySetup], Policy]] = {
    CensoredPolicy.name: CensoredPolicy,
    PrimaryOnly.name: PrimaryOnly,
    VolumeProportional.name: VolumeProportional,
    Uniform.name: Uniform,
    ContKukanovPolicy.name: ContKukanovPolicy,
    ProgrammePolicy.name: ProgrammePolicy,
}
