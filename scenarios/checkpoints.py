"""Learners' checkpoints as files: written whole or not at all, read back only for the policy that they are of.

Rule of this file: a file appears by a rename after its bytes are on the disk; what is read is compared, field by field,
with what the run would have built, and the policy that comes out must call its state what the file does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from learners.features.names import SCALER_VERSION
from learners.policies.policy import CarryingPolicy, KeepingPolicy, Policy, PolicySetup, PoolingPolicy
from learners.state.checkpoint import BYTES_MAX, Checkpoint, Provenance, from_bytes, sealed, to_bytes
from router.domain.errors import BadInputError, ConfigError, FeatureError, bad_value
from router.domain.instruments import lane_names_of
from router.domain.units import Nanos

Build = Callable[[PolicySetup], Policy]


def keeping(policy: Policy) -> KeepingPolicy:
    """Return the policy as one whose state can be written down.

    Raises:
        ConfigError: it is not; those of River keep theirs in objects that only a pickle could hold.
    """
    if not isinstance(policy, KeepingPolicy):
        expected = "a policy whose state can be written down (those of River and those that do not learn cannot)"
        raise ConfigError(bad_value("checkpoint", expected, policy.name))
    return policy


def checkpoint_of(
    policy: Policy, setup: PolicySetup, *, at: Nanos, applied: int, created_by: str, source: str, parent: str = ""
) -> Checkpoint:
    """Return what a policy of `setup` knows after `applied` outcomes, the last of them at `at`.

    Raises:
        ConfigError: a policy without a state that can be written down.
    """
    kept = keeping(policy)
    about = Provenance(
        policy=policy.name,
        lanes=lane_names_of(setup.specs),
        features=setup.feature_names,
        scaler_version=SCALER_VERSION,
        standard_qty=setup.standard_qty,
        standard_life_ns=setup.standard_life_ns,
        parameters=setup.parameters,
        half_lives_s=kept.half_lives_s,
        information=kept.information,
        at=at,
        applied=applied,
        parent=parent,
        policy_digest=policy.digest(),
        created_by=created_by,
        source=source,
    )
    return sealed(about, kept.state())


def restored(checkpoint: Checkpoint, setup: PolicySetup, build: Build, place: str) -> Policy:
    """Return the policy that a checkpoint is of, in the state that it holds; `place` names it in errors.

    Raises:
        BadInputError: another policy, lanes, features, scaling, slice or life than `setup` has, or a state that is not
            what the checkpoint calls it.
    """
    about = checkpoint.provenance
    expected: dict[str, object] = {
        "lanes": lane_names_of(setup.specs),
        "features": setup.feature_names,
        "scaler_version": SCALER_VERSION,
        "standard_qty": setup.standard_qty,
        "standard_life_ns": setup.standard_life_ns,
    }
    for name, value in expected.items():
        if getattr(about, name) != value:
            raise BadInputError(bad_value(f"{place}, {name}", repr(value), getattr(about, name)))
    policy = build(setup._replace(parameters=about.parameters))
    if policy.name != about.policy:
        raise BadInputError(bad_value(f"{place}, policy", policy.name, about.policy))
    try:
        keeping(policy).restore(checkpoint.arrays)
    except FeatureError as exc:
        raise BadInputError(f"{exc} - at {place}") from exc
    if policy.digest() != about.policy_digest:
        raise BadInputError(bad_value(f"{place}, policy_digest", about.policy_digest, policy.digest()))
    return policy


def begun_from(checkpoint: Checkpoint, setup: PolicySetup, build: Build, place: str) -> Policy:
    """Return a policy that begins a day with what a checkpoint knows: carried over as a prior where the policy can do
    that, else as it stood.

    Raises:
        BadInputError: as `restored`.
    """
    past = restored(checkpoint, setup, build, place)
    policy = build(setup)
    if not isinstance(policy, CarryingPolicy):
        return past
    policy.carry(past)
    return policy


def pooled(
    found: Mapping[str, Checkpoint], setup: PolicySetup, build: Build, *, created_by: str, symbol: str
) -> Checkpoint:
    """Return what the symbols of checkpoints, by place, have in common, as the checkpoint of a symbol of `setup`.

    Raises:
        BadInputError: as `restored`, or fewer than two checkpoints, or of models that differ.
        ConfigError: a policy that does not pool.
    """
    policy = build(setup)
    if not isinstance(policy, PoolingPolicy):
        raise ConfigError(bad_value("checkpoints", "of a policy that pools: censored", policy.name))
    try:
        policy.pool([restored(checkpoint, setup, build, place) for place, checkpoint in found.items()])
    except FeatureError as exc:
        raise BadInputError(f"{exc} - at {', '.join(found)}") from exc
    about = [checkpoint.provenance for checkpoint in found.values()]
    source = f"pooled for {symbol}: " + "; ".join(f"{each.source} ({each.sha256})" for each in about)
    at, applied = max(each.at for each in about), sum(each.applied for each in about)
    return checkpoint_of(policy, setup, at=at, applied=applied, created_by=created_by, source=source)


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; an earlier one at `path` is replaced in one step.

    Raises:
        BadInputError: it cannot be written there.
    """
    draft = path.with_name(path.name + ".part")
    try:
        with draft.open("wb") as file:
            file.write(to_bytes(checkpoint))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            # The new name is durable only with the folder that holds it.
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as exc:
        draft.unlink(missing_ok=True)
        raise BadInputError(f"expected a file that can be written, got {exc.strerror or exc} - at {path}") from exc


def read_checkpoint(path: Path) -> Checkpoint:
    """Return the verified checkpoint of a file.

    Raises:
        BadInputError: no file, one that cannot be read, or no whole checkpoint.
    """
    try:
        if not path.is_file():
            raise BadInputError(bad_value("checkpoint", "a file of `anabranch learner checkpoint`", str(path)))
        if path.stat().st_size > BYTES_MAX:
            raise BadInputError(bad_value(str(path), f"at most {BYTES_MAX:,} bytes", path.stat().st_size))
        return from_bytes(path.read_bytes(), str(path))
    except OSError as exc:
        raise BadInputError(f"expected a file that can be read, got {exc.strerror or exc} - at {path}") from exc
