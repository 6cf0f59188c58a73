"""Replays a scenario, in one process or over actors on a Ray cluster: the same run, and so the same digest.

Rule of this file: where shells live shows in no result; how Ray is started or joined is `cluster.local_ray`'s.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.actors.placement import place
from cluster.actors.recipe import Recipe
from cluster.config import RayOptions
from cluster.local_ray import local_ray
from router.domain.errors import ConfigError, LinkError, bad_value
from scenarios.assembly import Assembly, assemble
from scenarios.day import LEARNER, Progress
from scenarios.link import Link
from scenarios.policies import policy_names
from scenarios.runner import conduct, run
from scenarios.scenario import HostCrash, Scenario
from scenarios.tables import RunSummary

RUNTIMES = ("inprocess", "ray")

if TYPE_CHECKING:
    # Importing these imports Ray, which a run in one process does not need.
    from cluster.actors.registry import ClusterRegistry
    from cluster.link.cluster_link import Registry


def replay(
    scenario: Scenario,
    *,
    runtime: str = "inprocess",
    address: str | None = None,
    seed: int,
    policy: str | None = None,
    data: Path | None = None,
    out: Path | None = None,
    progress: Progress | None = None,
    options: RayOptions | None = None,
) -> RunSummary:
    """Run `scenario` and return what it came to.

    `address` joins a running Ray cluster (its nodes must see the same files); without it, Ray starts here.

    Raises:
        BadInputError: the scenario, policy, data, runtime or directory cannot be used.
        LinkError: an actor could not be started or brought back.
    """
    if runtime not in RUNTIMES:
        raise ConfigError(bad_value("runtime", " or ".join(RUNTIMES), runtime))
    if runtime == "inprocess":
        if address is not None:
            raise ConfigError(bad_value("address", "no address with the runtime inprocess", address))
        return run(scenario, seed=seed, policy=policy, data=data, out=out, progress=progress)
    with local_ray(address, options or RayOptions()):
        return replay_on_ray(scenario, seed=seed, policy=policy, data=data, out=out, progress=progress, options=options)


def replay_on_ray(
    scenario: Scenario,
    *,
    seed: int,
    policy: str | None = None,
    data: Path | None = None,
    out: Path | None = None,
    progress: Progress | None = None,
    options: RayOptions | None = None,
    wrap: Callable[[Link, ClusterRegistry], Link] | None = None,
) -> RunSummary:
    """Run over actors on the Ray cluster this process is in. `wrap` may stand between the conductor and the link."""
    from cluster.actors.registry import ClusterRegistry

    options = options or RayOptions()
    name = policy or scenario.file.learning.policy
    if name not in policy_names():
        raise ConfigError(bad_value("policy", f"one of {', '.join(policy_names())}", name))
    if any(isinstance(broken, HostCrash) for broken in scenario.file.breaks):
        raise ConfigError(bad_value("runtime", "inprocess with host_crash, which is simulated", "ray"))
    assembly = assemble(scenario, seed, data)
    host_of = place([p.parent_id for p in assembly.parents], options.pool_size, options.orders_per_actor)
    token = secrets.token_hex(32)
    with tempfile.TemporaryDirectory(prefix="anabranch-") as folder:
        registry = ClusterRegistry(f"anabranch-{secrets.token_hex(4)}", f"{folder}/supervisor.sqlite")
        try:
            if progress is not None:
                progress(0.0, "starting actors")
            registry.start(recipes(assembly, host_of, name, data, folder, token, options.link))
            link = make_link(registry, options.link, token)
            if wrap is not None:
                link = wrap(link, registry)
            try:
                return conduct(assembly, link, host_of, name, runtime="ray", out=out, progress=progress)
            finally:
                link.close()
        finally:
            registry.stop()


def make_link(registry: Registry, kind: str, token: str) -> Link:
    """Return the link of that kind over the registry's actors."""
    from cluster.link.cluster_link import RayLink, StreamLink

    if kind == "ray":
        return RayLink(registry)
    if kind == "stream":
        return StreamLink(registry, token)
    raise LinkError(bad_value("ray.link", "stream or ray", kind))


def recipes(
    assembly: Assembly,
    host_of: dict[str, str],
    policy: str,
    data: Path | None,
    folder: str,
    token: str,
    link: str = "stream",
) -> list[Recipe]:
    """Return one recipe for each actor of the run: venues, the learner, hosts."""
    names = [(spec.mic, "venue") for spec in assembly.specs]
    names.append((LEARNER, "learner"))
    names.extend((host, "host") for host in sorted(set(host_of.values())))
    return [
        Recipe(
            name=name,
            role=role,  # type: ignore[arg-type]
            scenario_name=assembly.scenario.name,
            scenario_text=assembly.scenario.text,
            seed=assembly.seed,
            policy=policy,
            data=str(data.resolve()) if data else None,
            journal=f"{folder}/{name}.sqlite",
            token=token,
            link=link,
            scenario_path=str(Path(assembly.scenario.path).resolve()),
        )
        for name, role in names
    ]
