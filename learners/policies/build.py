"""Every policy by the name that scenarios and commands use.

Rule of this file: a policy that is not in `POLICIES` does not exist; one that is passes `check_policy`.
"""

from __future__ import annotations

from learners.policies.bandits import RiverBanditPolicy, river_policies
from learners.policies.censored import CensoredPolicy
from learners.policies.policy import Policy, PolicySetup
from learners.policies.static import PrimaryOnly, Uniform, VolumeProportional
from router.domain.errors import ConfigError, bad_value

RIVER_PREFIX = "river:"

POLICIES: tuple[str, ...] = (
    CensoredPolicy.name,
    PrimaryOnly.name,
    VolumeProportional.name,
    Uniform.name,
    *(RIVER_PREFIX + name for name in river_policies()),
)
"""All names, ours first."""

NOT_LEARNING: tuple[str, ...] = (PrimaryOnly.name, VolumeProportional.name, Uniform.name, "river:RandomPolicy")
"""Those whose choices no outcome changes: baselines."""


def build_policy(name: str, setup: PolicySetup) -> Policy:
    """Return a new policy that has learned nothing.

    Raises:
        ConfigError: an unknown name (the known ones are listed) or parameters that the policy cannot have.
    """
    if name not in POLICIES:
        raise ConfigError(bad_value("policy", f"one of {', '.join(POLICIES)}", name))
    if name.startswith(RIVER_PREFIX):
        return RiverBanditPolicy(name.removeprefix(RIVER_PREFIX), setup)
    if name == PrimaryOnly.name:
        return PrimaryOnly(setup)
    if name == VolumeProportional.name:
        return VolumeProportional(setup)
    if name == Uniform.name:
        return Uniform(setup)
    return CensoredPolicy(setup)
