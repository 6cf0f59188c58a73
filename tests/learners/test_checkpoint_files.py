"""Checkpoints in files and runs: written whole, refused where they do not belong, and found again by rebuilding."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from cluster.cli import main
from learners.policies.build import NOT_LEARNING, RIVER_PREFIX, build_policy, known_policies
from learners.policies.check import example_outcomes, example_setup
from learners.policies.policy import KeepingPolicy, Policy, PolicySetup
from learners.state.checkpoint import Checkpoint, sealed
from router.domain.errors import BadInputError, ConfigError, RunError
from scenarios.checkpoints import begun_from, checkpoint_of, pooled, read_checkpoint, restored, write_checkpoint
from scenarios.decision_log import log_of_run
from scenarios.rebuild import rebuild
from scenarios.report.reading import read_run
from scenarios.runner import run
from scenarios.scenario import library, load_scenario, parse_scenario

KEEPING = [n for n in known_policies() if n not in NOT_LEARNING and not n.startswith(RIVER_PREFIX)]
SMOKE = library()["smoke"].read_text(encoding="utf-8")


def builder(name: str):  # type: ignore[no-untyped-def]
    def build(setup: PolicySetup) -> Policy:
        return build_policy(name, setup)

    return build


def taught(name: str, setup: PolicySetup | None = None) -> Policy:
    setup = setup or example_setup()
    policy = build_policy(name, setup)
    policy.learn(example_outcomes(setup, 4))
    return policy


def made(name: str = "censored", setup: PolicySetup | None = None) -> Checkpoint:
    setup = setup or example_setup()
    return checkpoint_of(taught(name, setup), setup, at=9, applied=7, created_by="ann", source="an example")


@pytest.mark.parametrize("name", KEEPING)
def test_every_policy_of_ours_that_learns_comes_back_from_a_file(name: str, tmp_path: Path) -> None:
    assert isinstance(taught(name), KeepingPolicy)
    write_checkpoint(tmp_path / "one.arrow", made(name))
    found = read_checkpoint(tmp_path / "one.arrow")
    again = restored(found, example_setup(), builder(name), "one")
    assert again.digest() == taught(name).digest() == found.provenance.policy_digest
    assert [path.name for path in tmp_path.iterdir()] == ["one.arrow"]


@pytest.mark.parametrize("name", [n for n in known_policies() if n not in KEEPING][:6])
def test_others_say_that_they_keep_nothing(name: str) -> None:
    with pytest.raises(ConfigError, match="whose state can be written down"):
        made(name)


def test_a_checkpoint_is_refused_by_any_other_policy_and_setup() -> None:
    setup, found = example_setup(), made()
    cases = [
        (setup._replace(standard_qty=7), "standard_qty"),
        (setup._replace(standard_life_ns=7), "standard_life_ns"),
        (setup._replace(specs=setup.specs[1:]), "lanes"),
        (setup._replace(feature_names=("bias", "spread", "size")), "features"),
    ]
    for other, field in cases:
        with pytest.raises(BadInputError, match=f"at one, {field}"):
            restored(found, other, builder("censored"), "one")
    with pytest.raises(BadInputError, match="at one, policy"):
        restored(found, setup, builder("cont_kukanov"), "one")
    scaled = sealed(msgspec.structs.replace(found.provenance, scaler_version=99), found.arrays)
    with pytest.raises(BadInputError, match="at one, scaler_version"):
        restored(scaled, setup, builder("censored"), "one")
    lying = sealed(msgspec.structs.replace(found.provenance, policy_digest="00"), found.arrays)
    with pytest.raises(BadInputError, match="at one, policy_digest"):
        restored(lying, setup, builder("censored"), "one")
    short = sealed(msgspec.structs.replace(found.provenance, information=()), dict(list(found.arrays.items())[1:]))
    with pytest.raises(BadInputError, match="the arrays"):
        restored(short, setup, builder("censored"), "one")


def test_beginning_from_a_checkpoint_is_knowing_more_than_nothing() -> None:
    setup = example_setup()
    for name in KEEPING:
        begun = begun_from(made(name), setup, builder(name), "one")
        assert begun.digest() != build_policy(name, setup).digest()


def test_files_that_are_none_are_refused_by_name(tmp_path: Path) -> None:
    for path, text in ((tmp_path / "absent", None), (tmp_path / "text", b"ARROW1"), (tmp_path, None)):
        if text is not None:
            path.write_bytes(text)
        with pytest.raises(BadInputError, match=path.name):
            read_checkpoint(path)
    with pytest.raises(BadInputError, match="can be written"):
        write_checkpoint(tmp_path / "nowhere" / "one", made())


def test_a_runs_learner_is_rebuilt_to_the_bit_and_a_changed_outcome_is_found(tmp_path: Path) -> None:
    run(load_scenario("smoke"), seed=3, out=tmp_path / "run")
    log, data = log_of_run(tmp_path / "run"), read_run(tmp_path / "run")
    found = rebuild(log, data)
    assert found.applied == len(log.outcomes)
    assert found.checked > 20
    assert found.policy.digest() == data.summary.learner_digest
    first = next(k for k, o in enumerate(log.outcomes) if o.filled_qty)
    changed = msgspec.structs.replace(log.outcomes[first], fee_bps=9.0)
    forged = log._replace(outcomes=(*log.outcomes[:first], changed, *log.outcomes[first + 1 :]))
    with pytest.raises(RunError, match=r"the state [0-9a-f]{64}"):
        rebuild(forged, data)


def test_a_day_begins_from_a_checkpoint_of_another_day(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "day.toml").write_text(SMOKE, encoding="utf-8")
    warm = SMOKE.replace("[learning]", '[learning]\ncheckpoint = "day.arrow"', 1)
    (tmp_path / "warm.toml").write_text(warm, encoding="utf-8")
    day, out, file = str(tmp_path / "day.toml"), str(tmp_path / "day"), str(tmp_path / "day.arrow")
    assert main(["replay", day, "--seed", "5", "--out", out, "--no-report"]) == 0
    assert main(["learner", "checkpoint", out, "--out", file, "--by", "ann"]) == 0
    assert "checkpoint written" in capsys.readouterr().out
    about = read_checkpoint(Path(file)).provenance
    assert (about.created_by, about.source, about.policy) == ("ann", "day, seed 5", "censored")
    cold = run(load_scenario(day), seed=6)
    begun = run(load_scenario(str(tmp_path / "warm.toml")), seed=6, out=tmp_path / "warm")
    assert begun.checkpoint == about.sha256
    assert begun.digest != cold.digest
    assert run(load_scenario(str(tmp_path / "warm.toml")), seed=6, policy="uniform").checkpoint == ""
    assert main(["learner", "rebuild", str(tmp_path / "warm")]) == 2
    again = str(tmp_path / "again.arrow")
    assert main(["learner", "rebuild", str(tmp_path / "warm"), "--checkpoint", file, "--out", again]) == 0
    assert read_checkpoint(Path(again)).provenance.parent == about.sha256


def test_a_checkpoint_that_is_not_there_is_the_scenarios_fault(tmp_path: Path) -> None:
    text = SMOKE.replace("[learning]", '[learning]\ncheckpoint = "absent.arrow"', 1)
    with pytest.raises(BadInputError, match=r"learning\.checkpoint"):
        run(parse_scenario(text, "warm", str(tmp_path / "warm.toml")), seed=1)


def _taught_on(folder: Path, symbol: str, seed: int) -> str:
    """Run a day of a symbol, write its learner's checkpoint and return the file."""
    place = folder / f"{symbol}.toml"
    place.write_text(SMOKE.replace('symbol = "SMOK"', f'symbol = "{symbol}"', 1), encoding="utf-8")
    out, file = str(folder / symbol), str(folder / f"{symbol}.arrow")
    assert main(["replay", str(place), "--seed", str(seed), "--out", out, "--no-report"]) == 0
    assert main(["learner", "checkpoint", out, "--out", file, "--by", "ann"]) == 0
    return file


def test_a_new_symbol_begins_from_what_others_have_in_common(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [_taught_on(tmp_path, symbol, seed) for seed, symbol in enumerate(("AAA", "BBB", "CCC"), start=1)]
    begun = SMOKE.replace("[learning]", '[learning]\ncheckpoint = "group.arrow"', 1)
    (tmp_path / "new.toml").write_text(begun, encoding="utf-8")
    new, out = str(tmp_path / "new.toml"), str(tmp_path / "group.arrow")
    pool = ["learner", "pool", *files, "--scenario", new, "--out", out, "--by", "ann"]
    assert main(pool) == 0
    assert "3 symbols" in capsys.readouterr().out
    about = read_checkpoint(Path(out)).provenance
    assert all(read_checkpoint(Path(file)).provenance.sha256 in about.source for file in files)
    first = Path(out).read_bytes()
    assert main(pool) == 0
    assert Path(out).read_bytes() == first
    summary = run(load_scenario(new), seed=6, out=tmp_path / "new")
    assert summary.checkpoint == about.sha256
    assert summary.digest != run(load_scenario("smoke"), seed=6).digest
    assert main(["learner", "rebuild", str(tmp_path / "new"), "--checkpoint", out]) == 0
    for bad, said in (([files[0]], "two members"), ([files[0]] * 2, "each checkpoint once")):
        assert main(["learner", "pool", *bad, "--scenario", new, "--out", out]) == 2
        assert said in capsys.readouterr().err
    assert Path(out).read_bytes() == first


def test_other_policies_do_not_pool() -> None:
    setup, kept = example_setup(), made("cont_kukanov")
    with pytest.raises(ConfigError, match="a policy that pools"):
        pooled({"one": kept, "two": kept}, setup, builder("cont_kukanov"), created_by="ann", symbol="X")
