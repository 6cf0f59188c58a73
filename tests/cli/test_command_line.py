"""The command line from outside: what is printed where, and with which exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import typer

from cluster.cli import main
from cluster.cli.exits import run_app
from router.domain.errors import BadInputError, JournalError
from scenarios.scenario import library
from scenarios.tables import TABLES, RunSummary

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ANABRANCH_CONFIG", "ANABRANCH_DATA"):
        monkeypatch.delenv(name, raising=False)


def anabranch(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "import sys; from cluster.cli import main; sys.exit(main())", *arguments]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=300, check=False, env=env)


def test_replay_json_is_the_summary_and_nothing_else(tmp_path: Path) -> None:
    done = anabranch("replay", "smoke", "--seed", "3", "--out", "here", "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(json.loads(done.stdout)) == list(RunSummary.__struct_fields__)
    summary = msgspec.json.decode(done.stdout, type=RunSummary)
    assert (summary.scenario, summary.seed, summary.runtime) == ("smoke", 3, "inprocess")
    names = {"summary.json", "scenario.toml", "report.html", *(f"{name}.parquet" for name in TABLES)}
    assert {path.name for path in (tmp_path / "here").iterdir()} == names


def test_replay_writes_under_runs_and_says_where(capfd: Captured) -> None:
    assert main(["replay", "smoke", "--policy", "uniform", "--seed", "5"]) == 0
    printed = capfd.readouterr()
    assert "smoke · uniform · seed 5 · inprocess" in printed.out
    assert "runs/smoke-uniform-5/report.html" in printed.out
    assert printed.err == ""
    assert Path("runs/smoke-uniform-5/report.html").is_file()


def test_replay_again_gives_the_same_digest(capfd: Captured) -> None:
    digests = []
    for _ in range(2):
        assert main(["replay", "smoke", "--out", "again", "--no-report", "--json"]) == 0
        digests.append(json.loads(capfd.readouterr().out)["digest"])
    assert digests[0] == digests[1]
    assert not Path("again/report.html").exists()


def test_failed_check_counts_only_when_asked(capfd: Captured) -> None:
    text = library()["smoke"].read_text(encoding="utf-8").replace("decisions_min = 20", "decisions_min = 99_999")
    Path("hard.toml").write_text(text, encoding="utf-8")
    assert main(["replay", "hard.toml", "--no-report"]) == 0
    assert "FAILS  decisions_min" in capfd.readouterr().out
    assert main(["replay", "hard.toml", "--no-report", "--strict"]) == 3


def test_report_of_a_run_written_before(capfd: Captured) -> None:
    assert main(["replay", "smoke", "--out", "run", "--no-report"]) == 0
    capfd.readouterr()
    assert main(["report", "run", "--out", "pages/one.html"]) == 0
    assert capfd.readouterr().out == "pages/one.html\n"
    assert Path("pages/one.html").stat().st_size > 1_000_000


def test_compare_adds_the_baselines_and_pairs_the_seeds(capfd: Captured) -> None:
    assert main(["compare", "smoke", "--policies", "uniform", "--seeds", "2", "--out", "pairs", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert [result["policy"] for result in found["policies"]] == ["uniform", "volume_proportional", "oracle"]
    assert found["seeds"] == [1, 2]
    assert {path.name for path in Path("pairs").iterdir()} == {
        "comparison.html",
        "comparison.json",
        "summaries.json",
    }
    alone = json.loads(Path("pairs/summaries.json").read_text(encoding="utf-8"))["uniform"][1]
    assert main(["replay", "smoke", "--policy", "uniform", "--seed", "2", "--no-report", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["digest"] == alone["digest"]


def test_compare_says_what_is_not_beaten(capfd: Captured) -> None:
    assert main(["compare", "smoke", "--policies", "uniform", "--seeds", "1"]) == 0
    printed = capfd.readouterr().out
    assert "uniform does not beat: volume_proportional, oracle" in printed
    assert "runs/smoke-compare-1/comparison.html" in printed


def test_scenarios_lists_the_library(capfd: Captured) -> None:
    assert main(["scenarios"]) == 0
    listed = [line.split()[0] for line in capfd.readouterr().out.splitlines()]
    assert listed == list(library())
    assert main(["scenarios", "--json"]) == 0
    assert [row["name"] for row in json.loads(capfd.readouterr().out)] == list(library())


def test_config_shows_values_and_origins(capfd: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ANABRANCH_DATA", str(tmp_path))
    Path("own.toml").write_text("[ray]\npool_size = 4", encoding="utf-8")
    assert main(["config", "--config", "own.toml", "--json"]) == 0
    shown = json.loads(capfd.readouterr().out)
    assert shown["data"] == {"value": str(tmp_path), "origin": "ANABRANCH_DATA"}
    assert shown["ray.pool_size"] == {"value": 4, "origin": "own.toml"}
    assert main(["config", "--config", "own.toml"]) == 0
    assert "ray.pool_size" in capfd.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["replay"],
        ["replay", "no-such-scenario"],
        ["replay", "smoke", "--seed", "-1"],
        ["replay", "smoke", "--seed", "many"],
        ["replay", "smoke", "--seed", str(2**63)],
        ["replay", "smoke", "--runtime", "cloud"],
        ["replay", "smoke", "--policy", "no-such-policy"],
        ["replay", "smoke", "--policy", ""],
        ["replay", "smoke", "--policy", "../../x"],
        ["replay", "smoke", "--data", "nowhere"],
        ["replay", "smoke", "--address", "127.0.0.1:1"],
        ["replay", "smoke", "--config", "nowhere.toml"],
        ["replay", "smoke", "--out", "/dev/null/run"],
        ["replay", "smoke", "--out", "full"],
        ["replay", "smoke", "--out", "full/notes.txt"],
        ["replay", "smoke", "--out", ""],
        ["compare", "smoke", "--policies", "uniform", "--out", "full/notes.txt"],
        ["replay", "broken.toml"],
        ["replay", "smoke", "--unknown-option"],
        ["replay", "smoke", "extra"],
        ["compare", "smoke"],
        ["compare", "smoke", "--policies", "uniform,nobody"],
        ["compare", "smoke", "--policies", "uniform,uniform"],
        ["compare", "smoke", "--policies", ","],
        ["compare", "smoke", "--policies", "uniform", "--seeds", "0"],
        ["report", "nowhere"],
        ["report", "full"],
        ["config", "--config", "nowhere.toml"],
        ["no-such-command"],
        ["--no-such-option"],
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments: list[str], capfd: Captured) -> None:
    Path("full").mkdir()
    Path("full/notes.txt").write_text("not a run", encoding="utf-8")
    Path("broken.toml").write_text("title = ", encoding="utf-8")
    code = main(arguments)
    printed = capfd.readouterr()
    assert code == 2
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    assert Path("full/notes.txt").read_text(encoding="utf-8") == "not a run"


def test_no_traceback_reaches_the_shell(tmp_path: Path) -> None:
    done = anabranch("replay", "no-such-scenario", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_help_is_quick_because_nothing_heavy_is_loaded(tmp_path: Path) -> None:
    heavy = "{'numpy', 'numba', 'polars', 'pyarrow', 'plotly', 'ray', 'river', 'sklearn'}"
    program = f"import sys; from cluster.cli import main; main(['--help']); print(sorted({heavy} & set(sys.modules)))"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=True, timeout=60, env=env
    )
    assert done.stdout.splitlines()[-1] == "[]"
    for command in ("demo", "replay", "compare", "report", "scenarios", "config"):
        assert f"  {command} " in done.stdout


def test_no_command_prints_the_help(capfd: Captured) -> None:
    assert main([]) == 0
    assert "Usage: anabranch" in capfd.readouterr().out
    assert main(["--version"]) == 0
    assert capfd.readouterr().out.strip()


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (BadInputError("expected a,\n got b"), 2, "error: expected a, got b\n"),
        (JournalError("disk full"), 1, "error: JournalError: disk full\n"),
        (OSError(28, "No space left on device"), 1, "error: [Errno 28] No space left on device\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_each_kind_of_failure_has_its_exit_code(
    raised: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    app = typer.Typer()

    @app.command()
    def fail() -> None:
        raise raised

    assert run_app(app, []) == code
    assert said in capsys.readouterr().err


def test_a_defect_is_not_hidden() -> None:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def fail() -> None:
        raise ZeroDivisionError("ours")

    with pytest.raises(ZeroDivisionError):
        run_app(app, [])


@pytest.mark.ray
def test_demo_on_local_ray_ends_with_the_same_digest_and_a_report(tmp_path: Path) -> None:
    demo = anabranch("demo", "--out", "demo", "--json", cwd=tmp_path)
    assert (demo.returncode, demo.stderr) == (0, "")
    alone = anabranch("replay", "smoke", "--no-report", "--json", cwd=tmp_path)
    assert json.loads(demo.stdout)["digest"] == json.loads(alone.stdout)["digest"]
    assert (tmp_path / "demo/report.html").is_file()
