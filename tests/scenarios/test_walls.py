"""What must not be known: no engine can reach the oracle, and nothing hidden is in what policies are shown.

Rule of this file: reach is read from the imports of the source, functions' own imports included.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import msgspec
import pytest
from small_market import ListeningLink, small

from learners.features.names import FEATURES
from learners.policies.build import build_policy, known_policies
from learners.policies.policy import PolicySetup
from router.domain import codec
from router.domain.errors import ConfigError
from router.domain.messages import HostBatch, LearnerBatch
from router.domain.scores import ContextFrame
from scenarios.clairvoyant import CLAIRVOYANT
from scenarios.oracle import ORACLE
from scenarios.policies import policy_names
from scenarios.runner import conduct, local_link
from scenarios.scenario import RegimePart
from venues.models.reference import REGIMES
from venues.types.dark import DarkParameters
from venues.types.dealer import DealerParameters
from venues.types.lit import LitParameters

ROOT = Path(__file__).parents[2]
ENGINES = ("router", "venues", "learners")


@cache
def sources() -> dict[str, Path]:
    """Return every module of ours by its name."""
    found = {}
    for package in (*ENGINES, "scenarios", "cluster"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports_of(module: str) -> frozenset[str]:
    """Return our own modules that a module imports, its packages included."""
    names: set[str] = {module.rpartition(".")[0]} - {""}
    for node in ast.walk(ast.parse(sources()[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"expected whole names, got a relative import in {module}"
            names |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(names & set(sources()))


def reach(module: str) -> set[str]:
    """Return everything that importing a module brings with it."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(imports_of(name))
    return seen


@pytest.mark.parametrize("engine", ENGINES)
def test_no_engine_reaches_a_shell_or_the_oracle(engine: str) -> None:
    for module in (name for name in sources() if name.split(".")[0] == engine):
        beyond = {name for name in reach(module) if name.split(".")[0] in ("scenarios", "cluster")}
        assert beyond == set(), f"{module} reaches them"


@pytest.mark.parametrize(("one", "other"), [("router", "venues"), ("router", "learners"), ("learners", "venues")])
def test_engines_do_not_reach_each_other(one: str, other: str) -> None:
    for a, b in ((one, other), (other, one)):
        for module in (name for name in sources() if name.split(".")[0] == a):
            assert not {name for name in reach(module) if name.startswith(f"{b}.") and ".domain" not in name}


SEERS = ("scenarios.oracle", "scenarios.clairvoyant", "venues.truth", "venues.foresight")
"""What sees hidden parameters, or hidden liquidity itself."""


@pytest.mark.parametrize("seer", SEERS)
def test_only_the_evaluation_names_those_who_see(seer: str) -> None:
    users = {name for name in sources() if seer in imports_of(name)}
    assert users
    assert {user.split(".")[0] for user in users} <= {"scenarios", "cluster"}
    assert not {user for user in users if user.split(".")[-1] in ("conductor", "network", "recorder", "link")}


def test_the_reach_that_is_asserted_here_is_real() -> None:
    assert "scenarios.oracle" in reach("scenarios.runner")
    assert "learners.policies.censored" in reach("scenarios.shells")


@pytest.mark.parametrize("name", [ORACLE, CLAIRVOYANT])
def test_who_sees_is_no_policy_of_the_learners(name: str) -> None:
    assert name not in known_policies()
    assert name in policy_names()
    setup = PolicySetup(
        specs=small().specs, feature_names=FEATURES, standard_qty=100, standard_life_ns=1, seed=1, parameters={}
    )
    with pytest.raises(ConfigError, match=f"got '{name}'"):
        build_policy(name, setup)


HIDDEN = {
    *REGIMES,
    *(name for kind in (LitParameters, DarkParameters, DealerParameters) for name in kind.__struct_fields__),
    *(name for name in RegimePart.__struct_fields__ if name != "name"),
} - {"tiers", "segments", "mode"}
"""Words of what only the venues know. A dealer's tiers are his public quotes, his mode shows in them, and a pool names
its segments."""


def _struct_names(kind: type[msgspec.Struct]) -> set[str]:
    return set(kind.__struct_fields__)


def test_no_field_of_what_is_shown_is_named_for_something_hidden() -> None:
    assert HIDDEN & (_struct_names(ContextFrame) | set(FEATURES)) == set()
    assert HIDDEN & (_struct_names(HostBatch) | _struct_names(LearnerBatch)) == set()


REGIMES_TURN = "".join(f'[[regimes]]\nfrom_s = {60 * n}\nname = "{name}"\n' for n, name in enumerate(REGIMES))


def test_no_batch_to_a_host_or_a_learner_carries_a_word_of_the_hidden_state() -> None:
    assembly = small(1, ("[learning]", f"{REGIMES_TURN}[learning]"))
    link = ListeningLink(assembly, "censored")
    conduct(assembly, link, {"SMOKE-1": "host-0"}, "censored", runtime="test")
    assert len(link.heard) > 50
    for batch in link.heard:
        data = codec.encode(batch)
        assert not [word for word in HIDDEN if word.encode() in data]
        frames = batch.frames
        assert all(frame.names == FEATURES for frame in frames)


def test_a_run_names_every_shell_once() -> None:
    link = local_link(small(), "uniform")
    assert link.receive() == {}
    link.close()
