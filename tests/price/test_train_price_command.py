"""`anabranch learner train-price` from a run directory, from recorded tapes, and with what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cluster.cli import main
from cluster.cli.learner_train_price import verdict
from learners.price.judge import Gain
from learners.price.model import model_from_bytes
from scenarios.runner import run
from scenarios.scenario import load_scenario

TAQ = Path("us_taq_venue_bbo_2018")
LOBSTER = Path("lobster_nasdaq_20120621") / "LOBSTER_SampleFile_AMZN_2012-06-21_1.zip"


@pytest.fixture(scope="module")
def run_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("price") / "smoke"
    run(load_scenario("smoke"), seed=1, policy="uniform", out=out)
    return out


def train(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["learner", "train-price", *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_run_becomes_a_model_file_with_its_judgement(
    run_directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "model.arrow"
    asked = ("--run", str(run_directory), "--step", "0.25", "--model", "hgb", "--out", str(out), "--json")
    code, said, _ = train(capsys, *asked)
    assert code == 0
    found = json.loads(said)
    assert [score["name"] for score in found["scores"]] == ["hgb", "microprice", "imbalance", "nothing"]
    assert [gain["over"] for gain in found["gains"]] == ["microprice", "imbalance", "nothing"]
    assert found["difference"] == 0.0
    model = model_from_bytes(out.read_bytes(), "model")
    assert model.provenance.sha256 == found["model"]["sha256"]
    assert model.provenance.source == "run smoke, seed 1"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.arrow"]


def test_the_table_says_who_is_compared_and_what_follows(
    run_directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("--run", str(run_directory), "--step", "0.25", "--model", "logistic", "--out", str(tmp_path / "m"))
    code, said, _ = train(capsys, *asked)
    assert code == 0
    assert "microprice" in said
    assert "help" in said
    assert "model written to" in said


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((), "expected one of them, got 'neither' - at --tape, --run"),
        (("--tape", "a", "--run", "b"), "expected one of them, got 'both'"),
        (("--run", "nowhere"), "expected a run directory"),
        (("--tape", "nowhere"), "expected a file or folder"),
        (("--tape", "a", "--model", "forest"), "forest"),
        (("--tape", "a", "--horizon", "7"), "7"),
        (("--tape", "a", "--step", "0"), "0"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...], error: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said, errors = train(capsys, *arguments, "--out", str(tmp_path / "model.arrow"))
    assert (code, said) == (2, "")
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
    assert error in errors
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_place_of_the_model_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, errors = train(capsys, "--tape", "a", "--out", str(tmp_path))
    assert code == 2
    assert "expected a file for the model" in errors


def test_a_damaged_run_is_refused(run_directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = tmp_path / "run"
    damaged.mkdir()
    (damaged / "summary.json").write_bytes((run_directory / "summary.json").read_bytes())
    code, _, errors = train(capsys, "--run", str(damaged), "--out", str(tmp_path / "m.arrow"))
    assert code == 2
    assert "expected a readable scenario" in errors


def gain(over: str, low: float, high: float) -> Gain:
    return Gain(over, (low + high) / 2, low, high, 0.0, 0.0, 0.0, is_better=low > 0.0)


@pytest.mark.parametrize(
    ("microprice", "imbalance", "nothing", "said"),
    [
        ((0.1, 0.2), (0.1, 0.2), (0.1, 0.2), "helps: less log-loss than microprice alone and than imbalance alone"),
        ((0.1, 0.2), (-0.1, 0.2), (0.1, 0.2), "helps over microprice alone, not provably over imbalance alone"),
        ((-0.1, 0.2), (-0.1, 0.2), (0.1, 0.2), "does not help provably"),
        ((0.1, 0.2), (-0.2, -0.1), (0.1, 0.2), "does not help: more log-loss than a single signal"),
        ((0.1, 0.2), (0.1, 0.2), (-0.1, 0.2), "does not help: not provably better than saying 1/2 always"),
    ],
)
def test_verdict_says_what_the_intervals_prove(
    microprice: tuple[float, float], imbalance: tuple[float, float], nothing: tuple[float, float], said: str
) -> None:
    gains = [gain("microprice", *microprice), gain("imbalance", *imbalance), gain("nothing", *nothing)]
    assert verdict(gains).startswith(said)


@pytest.mark.parametrize("tape", [TAQ, LOBSTER], ids=["taq", "lobster"])
def test_real_tapes_are_judged_against_microprice_and_imbalance(
    tape: Path, data_dir: Path | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if data_dir is None or not (data_dir / tape).exists():
        pytest.skip(f"no {tape} (ANABRANCH_DATA)")
    out = tmp_path / "model.arrow"
    asked = ("--tape", str(tape), "--data", str(data_dir), "--model", "logistic", "--out", str(out), "--json")
    code, said, _ = train(capsys, *asked)
    assert code == 0
    found = json.loads(said)
    assert found["difference"] < 1e-12
    assert sum(found["samples"].values()) > 20_000
    model, microprice, _, nothing = found["scores"]
    assert model["log_loss"] < microprice["log_loss"] < nothing["log_loss"]
    assert 0.05 < model["mcc"] < 0.3


def test_a_folder_of_several_symbols_is_refused(
    data_dir: Path | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = "crypto_binance_3markets"
    if data_dir is None or not (data_dir / folder).is_dir():
        pytest.skip(f"no {folder} (ANABRANCH_DATA)")
    code, _, errors = train(capsys, "--tape", folder, "--data", str(data_dir), "--out", str(tmp_path / "m"))
    assert code == 2
    assert "one file, or days of one symbol" in errors
