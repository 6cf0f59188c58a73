"""Mailboxes and where parents live: a batch counts once, a shell comes back from its journal, hosts are shared least.

Rule of this file: what a shell is asked is what the conductor of a real run asked it.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_market import SMOKE, ListeningLink, small

from cluster.actors.building import build
from cluster.actors.placement import HOSTS_MAX, place
from cluster.actors.recipe import Recipe
from cluster.actors.recorded import RecordedShell
from learners.features.market import MarketFeatures
from learners.policies.build import known_policies
from router.domain import codec
from router.domain.enums import Side
from router.domain.errors import ConfigError, FeatureError, LinkError
from router.domain.messages import HostBatch, LearnerBatch, Message, VenueBatch
from router.domain.score_table import lane_scores, names_of
from router.domain.scores import ContextFrame, PolicySnapshot
from router.domain.units import SECOND
from router.orders.memory_journal import MemoryJournal
from router.route import book_side
from scenarios.assembly import make_venue
from scenarios.oracle import ORACLE
from scenarios.policies import make_policy
from scenarios.runner import conduct
from scenarios.shells import LearnerShell, Shell, VenueShell, standard_opportunity

# Placement


@settings(derandomize=True, database=None, deadline=None)
@given(st.integers(0, 400), st.integers(1, 64), st.integers(1, 40))
def test_every_parent_has_a_host_and_hosts_are_shared_as_little_as_can_be(n: int, pool: int, most: int) -> None:
    parents = [f"P{i}" for i in range(n)]
    if -(-n // most) > HOSTS_MAX:
        with pytest.raises(ConfigError, match=r"ray\.orders_per_actor"):
            place(parents, pool, most)
        return
    host_of = place(parents, pool, most)
    assert list(host_of) == parents
    loads = [list(host_of.values()).count(host) for host in dict.fromkeys(host_of.values())]
    assert max(loads, default=0) <= most
    assert max(loads, default=0) - min(loads, default=0) <= 1, "nobody carries two more than another"
    assert len(loads) == max(min(pool, n), -(-n // most)), "the pool is used whole before anybody shares"
    assert set(host_of.values()) == {f"host-{i}" for i in range(len(loads))}


def test_a_pool_larger_than_can_be_is_used_up_to_the_bound() -> None:
    parents = [f"P{i}" for i in range(100)]
    assert len(set(place(parents, 1_000, 16).values())) == HOSTS_MAX


def test_more_parents_than_hosts_may_carry_are_refused_with_numbers() -> None:
    with pytest.raises(ConfigError, match=r"at most 128 parents at 2 a host, got 129 - at ray\.orders_per_actor"):
        place([f"P{i}" for i in range(129)], 2, 2)


# Mailboxes


@cache
def asked() -> dict[str, tuple[Message, ...]]:
    """Return what each shell of a small run was asked, in order."""
    assembly = small()
    link = _Asked(assembly, "censored")
    conduct(assembly, link, {"SMOKE-1": "host-0"}, "censored", runtime="test")
    return {name: tuple(batches) for name, batches in link.asked.items()}


class _Asked(ListeningLink):
    def __init__(self, assembly: Any, policy: str) -> None:
        super().__init__(assembly, policy)
        self.asked: dict[str, list[Message]] = {}

    def send(self, to: str, batch: Message) -> None:
        self.asked.setdefault(to, []).append(batch)
        super().send(to, batch)


def venue_shell() -> VenueShell:
    return VenueShell(make_venue(small(), "XLTA"))


def learner_shell(policy: str = "censored") -> LearnerShell:
    assembly = small()
    return LearnerShell("learner", make_policy(assembly, policy), assembly.specs, 100)


MAKERS: dict[str, Any] = {"XLTA": venue_shell, "learner": learner_shell}


@pytest.mark.parametrize("name", MAKERS)
def test_a_batch_that_comes_again_gets_the_same_reply(name: str) -> None:
    once, twice = MAKERS[name](), MAKERS[name]()
    for batch in asked()[name]:
        reply = once.handle(batch)
        assert twice.handle(batch) == reply
        assert twice.handle(batch) == reply


@pytest.mark.parametrize("name", MAKERS)
def test_a_batch_from_the_past_or_of_another_kind_is_refused_and_changes_nothing(name: str) -> None:
    batches = asked()[name]
    shell, undisturbed = MAKERS[name](), MAKERS[name]()
    for batch in batches[:5]:
        shell.handle(batch)
        undisturbed.handle(batch)
    with pytest.raises(LinkError, match=f"after {batches[4].seq}, got .* {batches[3].seq}"):
        shell.handle(batches[3])
    with pytest.raises(LinkError, match="got HostBatch 10000"):
        shell.handle(HostBatch(seq=10_000, now=0))
    assert shell.handle(batches[5]) == undisturbed.handle(batches[5])


@pytest.mark.parametrize("name", MAKERS)
def test_a_recorded_shell_comes_back_to_where_it_was_before_every_batch(name: str) -> None:
    journal = MemoryJournal()
    shell: Shell = RecordedShell(MAKERS[name](), journal)
    plain = MAKERS[name]()
    for n, batch in enumerate(asked()[name][:40]):
        reply = shell.handle(batch)
        assert codec.encode(reply) == codec.encode(plain.handle(batch))
        if n % 8 == 0:
            journal.crash()
            shell = RecordedShell(MAKERS[name](), journal)
            assert codec.encode(shell.handle(batch)) == codec.encode(reply)
    assert sum(1 for _ in journal.read()) == min(len(asked()[name]), 40), "a batch that came again is recorded once"


@pytest.mark.parametrize("name", MAKERS)
def test_a_batch_that_was_refused_does_not_keep_a_shell_from_coming_back(name: str) -> None:
    journal = MemoryJournal()
    shell = RecordedShell(MAKERS[name](), journal)
    batches = asked()[name]
    for batch in batches[:3]:
        shell.handle(batch)
    with pytest.raises(LinkError):
        shell.handle(batches[0])
    back, undisturbed = RecordedShell(MAKERS[name](), journal), MAKERS[name]()
    for batch in batches[:3]:
        undisturbed.handle(batch)
    assert back.handle(batches[3]) == undisturbed.handle(batches[3])


@pytest.mark.parametrize(("name", "role"), [("XLTA", "venue"), ("learner", "learner"), ("host-0", "host")])
def test_a_recipe_gives_the_same_shell_in_every_process(name: str, role: Any, tmp_path: Path) -> None:
    recipe = Recipe(
        name=name,
        role=role,
        scenario_name="small",
        scenario_text=SMOKE,
        seed=1,
        policy="censored",
        data=None,
        journal=str(tmp_path / "journals" / f"{name}.sqlite"),
        token="00",
    )
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(recipe), type=Recipe) == recipe
    assert recipe.scenario() == msgspec.structs.replace(small().scenario, path="<text>")
    batches = asked()[name]
    elsewhere = msgspec.structs.replace(recipe, journal=str(tmp_path / "elsewhere.sqlite"))
    first, second = build(recipe), build(elsewhere)
    for batch in batches[:12]:
        reply = first.handle(batch)
        assert codec.encode(second.handle(batch)) == codec.encode(reply)
    back = build(recipe)
    assert codec.encode(back.handle(batches[11])) == codec.encode(reply)
    assert codec.encode(back.handle(batches[12])) == codec.encode(second.handle(batches[12]))


def test_a_venue_shell_passes_on_what_its_engine_said() -> None:
    batch = asked()["XLTA"][0]
    assert isinstance(batch, VenueBatch)
    reply = venue_shell().handle(batch)
    out = make_venue(small(), "XLTA").advance(batch.until, batch.arrivals, batch.ripples, batch.sessions)
    assert (reply.quotes, reply.prints) == (out.quotes.tobytes(), out.prints.tobytes())
    assert (reply.events, reply.next_at) == (out.events, out.next_at)


# What learners refuse and publish


def good_frame() -> ContextFrame:
    return next(b.frames[0] for b in asked()["learner"] if isinstance(b, LearnerBatch) and any(b.frames[0].max_qty))


def _spoiled(frame: ContextFrame, name: str) -> ContextFrame:
    match name:
        case "x":
            x = np.frombuffer(frame.x, dtype=np.float64).copy()
            x[3] = math.nan
            return msgspec.structs.replace(frame, x=x.tobytes())
        case "price_bps" | "fee_bps":
            return msgspec.structs.replace(frame, **{name: (math.nan, *getattr(frame, name)[1:])})
        case "lanes":
            return msgspec.structs.replace(frame, lanes=frame.lanes[::-1])
    return msgspec.structs.replace(frame, max_qty=frame.max_qty[1:])


@pytest.mark.parametrize("spoiled", ["x", "price_bps", "fee_bps", "lanes", "max_qty"])
@pytest.mark.parametrize("policy", [*known_policies()[:4], known_policies()[-1]])
def test_a_frame_that_cannot_be_is_refused_and_the_next_one_is_answered(policy: str, spoiled: str) -> None:
    shell, undisturbed = learner_shell(policy), learner_shell(policy)
    frame = good_frame()
    with pytest.raises(FeatureError):
        shell.handle(LearnerBatch(seq=1, now=frame.at, outcomes=(), frames=(_spoiled(frame, spoiled),)))
    batch = LearnerBatch(seq=2, now=frame.at, outcomes=(), frames=(frame,))
    assert codec.encode(shell.handle(batch)) == codec.encode(undisturbed.handle(batch))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_market_refuses_shares_that_are_no_numbers(bad: float) -> None:
    specs = small().specs
    features = MarketFeatures(specs, "SMOK", 0, SECOND)
    with pytest.raises(FeatureError, match="own_fills"):
        features.frame(0, Side.BUY, [bad] * len(specs))


@pytest.mark.parametrize("policy", ["censored", "volume_proportional", ORACLE])
def test_every_outcome_makes_one_version(policy: str) -> None:
    shell = learner_shell(policy)
    version, digests = 0, set()
    for batch in asked()["learner"]:
        assert isinstance(batch, LearnerBatch)
        reply = shell.handle(batch)
        versions = [publication.policy_version for publication in reply.publications]
        assert versions == list(range(version + 1, version + len(batch.outcomes) + 1))
        version += len(batch.outcomes)
        for snapshot in reply.policies:
            assert snapshot.policy_version == snapshot.outcomes_applied == version
            digests.add(snapshot.model_digest)
        if reply.publications and reply.policies:
            # Every policy is asked again for the window's last version, and says what that version said.
            assert reply.publications[-1].routing_probabilities == reply.policies[0].routing_probabilities
    assert version > 0
    assert (len(digests) > 1) == (policy == "censored"), "what no outcome changes has one state"


def test_probabilities_are_shown_at_the_end_of_a_batch_that_asks_for_them() -> None:
    shell, shown, silent = learner_shell(), 0, 0
    for batch in asked()["learner"]:
        assert isinstance(batch, LearnerBatch)
        reply = shell.handle(batch)
        by_side = {policy.side: policy.routing_probabilities for policy in reply.policies}
        for outcome, publication in reversed(tuple(zip(batch.outcomes, reply.publications, strict=True))):
            assert publication.routing_probabilities == by_side.pop(book_side(outcome.side), ())
            is_shown = bool(publication.routing_probabilities)
            shown, silent = shown + is_shown, silent + (not is_shown)
    assert shown > 0
    assert silent > 0


def test_a_policy_is_published_where_a_host_may_route_and_when_the_run_ends() -> None:
    batches = [batch for batch in asked()["learner"] if isinstance(batch, LearnerBatch)]
    assert batches[-1].frames
    assert any(not batch.frames for batch in batches)
    deciding = [batch for batch in asked()["host-0"] if isinstance(batch, HostBatch) and batch.is_deciding]
    looked = {batch.now for batch in deciding if batch.frames}
    assert looked | {batches[-1].now} == {batch.now for batch in batches if batch.frames}
    assert looked < {batch.now for batch in deciding}, "who routes nothing needs no policy"


def test_not_looking_between_outcomes_changes_no_policy() -> None:
    whole, parts = learner_shell(), learner_shell()
    seq = 0
    for batch in asked()["learner"]:
        assert isinstance(batch, LearnerBatch)
        policies = whole.handle(batch).policies
        apart: tuple[PolicySnapshot, ...] = ()
        for outcome in batch.outcomes:
            seq += 1
            one = msgspec.structs.replace(batch, seq=seq, outcomes=(outcome,))
            apart = parts.handle(one).policies
        assert not batch.outcomes or apart == policies


def test_probabilities_are_one_share_for_each_lane() -> None:
    for policy in (*known_policies(), ORACLE):
        shell = learner_shell(policy)
        frame = good_frame()
        (snapshot,) = shell.handle(LearnerBatch(seq=1, now=frame.at, outcomes=(), frames=(frame,))).policies
        assert names_of(snapshot) == frame.lanes == tuple(score.lane for score in lane_scores(snapshot))
        assert math.fsum(snapshot.routing_probabilities) == pytest.approx(1.0)
        assert min(snapshot.routing_probabilities) >= 0.0


def test_what_a_missed_share_costs_is_the_cheapest_taking() -> None:
    frame = good_frame()
    taking = [
        frame.fee_bps[i] - frame.price_bps[i]
        for i, lane in enumerate(frame.lanes)
        if lane.endswith(":TAKE") and frame.max_qty[i]
    ]
    assert standard_opportunity(frame) == max(min(taking), 0.0)
    closed = msgspec.structs.replace(frame, max_qty=(0,) * len(frame.lanes))
    assert standard_opportunity(closed) == 0.0
