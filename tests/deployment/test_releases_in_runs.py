"""Releases inside runs: who is routed by whom, what people and guards change, and the same again on a second run."""

from __future__ import annotations

import numpy as np
import pytest
from many_parents import RELEASE, arms, many, path, recorded

from cluster.actors.recorded import RecordedShell
from learners.deployment.release import Act
from learners.policies.static import Uniform
from router.domain.chance import uniform
from router.domain.errors import FeatureError, LinkError, ScenarioError
from router.domain.messages import LearnerBatch, LearnerReply, Message
from router.domain.scores import CHALLENGER, CHAMPION
from router.orders.memory_journal import MemoryJournal
from scenarios.assembly import assemble
from scenarios.day import HOST, drive, link_of
from scenarios.learning_part import ReleasePart
from scenarios.link import Link
from scenarios.policies import learner_of, make_learner, make_policy
from scenarios.release_shell import ReleaseShell
from scenarios.runner import run


def steer(at_s: float, act: str, who: str = "ann", why: str = "a reason") -> str:
    return f'[[learning.steer]]\nat_s = {at_s}\nact = "{act}"\nwho = "{who}"\nwhy = "{why}"\n'


def test_a_challenger_routes_the_parents_that_are_drawn_for_it_and_keeps_them() -> None:
    told = recorded(many(RELEASE + 'start = "canary"\n', orders=60))
    found = arms(told.decisions)
    drawn = {p: CHALLENGER if uniform(1, p, "arm:uniform", 0) < 0.3 else CHAMPION for p in found}
    in_canary = [d for d in told.decisions if not told.steered or d.at < told.steered[0].at]
    assert {p: set(found) for p, found in arms(in_canary).items()} == {p: {drawn[p]} for p in arms(in_canary)}
    assert {CHAMPION, CHALLENGER} == {arm for one in found.values() for arm in one}
    assert all(len(set(one)) == 1 for one in found.values())
    policies = {d.arm: d.policy for d in told.decisions}
    assert policies == {CHAMPION: "censored", CHALLENGER: "uniform"}


def test_parents_keep_their_arms_over_crashes_of_their_host() -> None:
    crashes = '[[breaks]]\nkind = "host_crash"\nprobability = 0.01\n'
    told = recorded(many(RELEASE.replace("min_parents = 5", "min_parents = 500") + 'start = "canary"\n', crashes))
    drawn = {p: CHALLENGER if uniform(1, p, "arm:uniform", 0) < 0.3 else CHAMPION for p in arms(told.decisions)}
    assert {p: set(found) for p, found in arms(told.decisions).items()} == {p: {arm} for p, arm in drawn.items()}


def test_outcomes_carry_the_arm_of_their_decision() -> None:
    told = recorded(many(RELEASE + 'start = "canary"\n'))
    arm_of = {d.decision_id: d.arm for d in told.decisions}
    assert len(told.outcomes) > 100
    assert all(o.arm == arm_of[o.decision_id] for o in told.outcomes)


def test_gates_bring_a_harmless_challenger_live_and_runs_repeat() -> None:
    scenario = many(RELEASE, orders=120)
    told, again = recorded(scenario), recorded(scenario)
    assert path(told.steered)[:2] == [("pass", "gate", "CANARY"), ("pass", "gate", "HALF")]
    assert told.release is not None
    assert (told.digest, told.release) == (again.digest, again.release)


def test_people_promote_pin_freeze_and_roll_back_and_all_of_it_is_recorded() -> None:
    people = [
        steer(20, "promote", "ann", "looks sane"),
        steer(40, "pin", "ann", "hold it there"),
        steer(50, "promote", "bob", "too soon"),
        steer(60, "unpin", "ann", "enough seen"),
        steer(70, "freeze", "ann", "odd market"),
        steer(80, "unfreeze", "ann", "market is back"),
        steer(90, "roll_back", "eve", "a client asked"),
    ]
    told = recorded(many(RELEASE.replace("min_outcomes = 50", "min_outcomes = 5000") + "".join(people)))
    assert path(told.steered) == [
        ("promote", "ann", "CANARY"),
        ("pin", "ann", "PINNED"),
        ("promote", "bob", "PINNED"),
        ("unpin", "ann", "CANARY"),
        ("freeze", "ann", "FROZEN"),
        ("unfreeze", "ann", "CANARY"),
        ("roll_back", "eve", "ROLLED_BACK"),
    ]
    assert told.steered[2].why == "refused in PINNED: too soon"
    back = told.steered[-1].at
    assert {d.arm for d in told.decisions if d.at >= back} == {CHAMPION}
    assert {d.arm for d in told.decisions if told.steered[0].at <= d.at < back} == {CHAMPION, CHALLENGER}


def test_a_frozen_learner_routes_on_and_learns_nothing() -> None:
    told = recorded(many(RELEASE + steer(30, "freeze")))
    frozen = told.steered[-1].at
    versions = {d.policy_version for d in told.decisions if d.at >= frozen}
    assert len(versions) == 1
    assert len({d.policy_version for d in told.decisions if d.at < frozen}) > 1


def test_the_champion_learns_as_it_would_alone() -> None:
    shadowed = recorded(many(RELEASE.replace("min_outcomes = 50", "min_outcomes = 100000")))
    alone = recorded(many(""))
    assert {d.arm for d in shadowed.decisions} == {CHAMPION}
    assert [d.quantities for d in shadowed.decisions] == [d.quantities for d in alone.decisions]
    # Outcomes name their arm, so that digests differ; what was learned of them does not.
    pairs = zip(shadowed.probabilities, alone.probabilities, strict=True)
    assert all((a["routing_probabilities"] == b["routing_probabilities"]).all() for a, b in pairs)


def test_a_policy_named_on_a_command_line_routes_alone() -> None:
    summary = run(many(), seed=1, policy="volume_proportional")
    assert (summary.policy, summary.release, summary.steered) == ("volume_proportional", None, ())


class _Breaking(Uniform):
    """A challenger with a defect: after some outcomes it fails."""

    def learn(self, outcomes: object) -> None:
        raise ZeroDivisionError("a defect")


def test_a_challenger_that_breaks_is_out_and_the_champion_goes_on() -> None:
    assembly = assemble(many(), 1, None)
    part = ReleasePart(challenger="uniform")
    champion = learner_of(assembly, "learner", make_policy(assembly, "censored"))
    setup = make_policy(assembly, "uniform")
    broken = _Breaking.__new__(_Breaking)
    broken.__dict__.update(setup.__dict__)
    shell = ReleaseShell(champion, learner_of(assembly, "learner", broken), part.plan())
    outcomes = tuple(recorded(many("")).outcomes[:20])
    reply = shell.handle(LearnerBatch(seq=1, now=5, outcomes=outcomes, frames=()))
    assert len(reply.publications) == 20
    assert path(list(reply.steered)) == [("alarm", "guard", "ROLLED_BACK")]
    assert reply.steered[0].why == "broke: ZeroDivisionError: a defect"
    refused = shell.release.steer(Act.PROMOTE, "ann", "again", 9)
    assert refused[0].after == "ROLLED_BACK"
    assert len(shell.handle(LearnerBatch(seq=2, now=9, outcomes=outcomes[:1], frames=())).publications) == 1


def test_a_batch_seen_last_gets_the_same_reply_and_an_older_one_none() -> None:
    assembly = assemble(many(), 1, None)
    shell = make_learner(assembly, "learner", "censored")
    batch = LearnerBatch(seq=4, now=5, outcomes=(), frames=())
    assert shell.handle(batch) is shell.handle(batch)
    with pytest.raises(LinkError, match="after 4"):
        shell.handle(LearnerBatch(seq=3, now=5, outcomes=(), frames=()))


class _Keeping:
    """A link that keeps every learner's batch and reply."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.told: list[tuple[Message, Message]] = []

    def send(self, to: str, batch: Message) -> None:
        self.link.send(to, batch)
        self._last = batch

    def receive(self) -> dict[str, Message]:
        replies = self.link.receive()
        if "learner" in replies:
            self.told.append((self._last, replies["learner"]))
        return replies

    def close(self) -> None:
        self.link.close()


def test_a_learner_that_comes_back_from_its_journal_releases_on_as_it_would_have() -> None:
    assembly = assemble(many(RELEASE + steer(60, "promote")), 1, None)
    link = _Keeping(link_of(assembly, make_learner(assembly, "learner", "censored")))
    drive(assembly, link, {parent.parent_id: HOST for parent in assembly.parents})
    assert sum(len(reply.steered) for _, reply in link.told if isinstance(reply, LearnerReply)) >= 2
    journal, half = MemoryJournal(), len(link.told) // 2
    shell = RecordedShell(make_learner(assembly, "learner", "censored"), journal)
    for batch, reply in link.told[:half]:
        assert shell.handle(batch) == reply
    again = RecordedShell(make_learner(assembly, "learner", "censored"), journal)
    assert [again.handle(batch) for batch, _ in link.told[half:]] == [reply for _, reply in link.told[half:]]


def test_a_release_that_cannot_be_is_refused_with_its_key() -> None:
    for bad, key in (("canary_share = 0.9", "canary_share"), ('start = "live"', "start"), ("colour = 1", "colour")):
        with pytest.raises(ScenarioError, match=key):
            many(f'[learning.release]\nchallenger = "uniform"\n{bad}\n')


@pytest.mark.parametrize("how", ["nan", "range"])
def test_hosts_do_not_go_by_what_a_lying_learner_publishes(how: str) -> None:
    lies = f'[[breaks]]\nkind = "learner_lies"\nfrom_s = 40\nto_s = 80\nhow = "{how}"\n'
    told = recorded(many("", lies))
    start = told.market[0]["at"] // 10**9 * 10**9
    while_lying = [d for d in told.decisions if 41 <= (d.at - start) / 1e9 < 79]
    assert while_lying
    assert {d.policy for d in while_lying} == {"fall_back"}
    assert all(d.fall_back.startswith("LEARNER_LIED: ") for d in while_lying)
    others = [d for d in told.decisions if not 39 <= (d.at - start) / 1e9 <= 81]
    assert {(d.policy, d.fall_back) for d in others} == {("censored", "")}
    assert all(np.isfinite(d.propensity) for d in told.decisions)


def test_who_has_used_a_newer_version_does_not_go_back_to_an_older_one() -> None:
    told = recorded(many("", '[[breaks]]\nkind = "learner_lies"\nfrom_s = 40\nto_s = 80\nhow = "version"\n'))
    start = told.market[0]["at"] // 10**9 * 10**9
    used: dict[str, int] = {}
    for d in told.decisions:
        is_old = d.policy_version == 0
        if 40 < (d.at - start) / 1e9 < 80 and used.get(d.parent_id):
            assert d.fall_back == f"LEARNER_LIED: version 0 after {used[d.parent_id]}"
        elif not is_old:
            used[d.parent_id] = d.policy_version
    assert any(d.fall_back for d in told.decisions)


def test_hosts_fall_back_when_the_learner_is_down_for_too_long_and_nothing_it_should_hear_is_lost() -> None:
    down = '[[breaks]]\nkind = "learner_down"\nfrom_s = 40\nto_s = 100\n'
    told = recorded(many("stale_s = 15\n", down))
    start = told.market[0]["at"] // 10**9 * 10**9
    at = {d.decision_id: (d.at - start) / 1e9 for d in told.decisions}
    stale = [d for d in told.decisions if d.fall_back]
    assert {d.fall_back.partition(":")[0] for d in stale} == {"LEARNER_STALE"}
    assert min(at[d.decision_id] for d in stale) >= 54
    assert max(at[d.decision_id] for d in stale) <= 101
    assert [d for d in told.decisions if at[d.decision_id] > 101 and not d.fall_back]
    finals = [o.cl_ord_id for o in told.outcomes if o.is_final]
    assert sorted(finals) == sorted(told.children)


def test_a_learner_that_never_publishes_leaves_hosts_with_the_static_policy() -> None:
    told = recorded(many("", '[[breaks]]\nkind = "learner_down"\nfrom_s = 0\n'))
    assert {(d.policy, d.fall_back) for d in told.decisions} == {("fall_back", "LEARNER_LOST: nothing published")}
    assert all(order["ord_status"] in ("FILLED", "EXPIRED") for order in told.orders.values())


def test_refusals_of_the_champion_are_not_swallowed() -> None:
    assembly = assemble(many(), 1, None)
    shell = make_learner(assembly, "learner", "censored")
    outcome = recorded(many("")).outcomes[0]
    bad = type(outcome)(**{name: getattr(outcome, name) for name in outcome.__struct_fields__} | {"x": (1.0,)})
    with pytest.raises(FeatureError):
        shell.handle(LearnerBatch(seq=1, now=5, outcomes=(bad,), frames=()))
