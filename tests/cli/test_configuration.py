"""The configuration file: each value checked once, and each with where it came from."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.config import CONFIG_VARIABLE, DATA_VARIABLE, Configuration, RayOptions, load_config
from router.domain.errors import ConfigError


def written(folder: Path, text: str) -> Path:
    path = folder / "anabranch.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_need_no_file() -> None:
    config = load_config(environ={})
    assert config.ray == RayOptions()
    assert config.runs == Path("runs")
    assert set(config.origins.values()) == {"default"}


def test_file_values_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "tapes").mkdir()
    text = 'data = "tapes"\nruns = "out"\n[ray]\npool_size = 3\norders_per_actor = 5\nworker_niceness = 7\nlink = "ray"'
    path = written(tmp_path, text)
    config = load_config(path, environ={})
    ray = RayOptions(pool_size=3, orders_per_actor=5, worker_niceness=7, link="ray")
    assert (config.data, config.runs, config.ray) == (tmp_path / "tapes", tmp_path / "out", ray)
    assert set(config.origins.values()) == {str(path)}


def test_file_named_by_the_environment_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, "[ray]\npool_size = 9")
    config = load_config(environ={CONFIG_VARIABLE: str(path)})
    assert config.ray.pool_size == 9
    assert config.origins["ray.pool_size"] == str(path)
    assert config.origins["ray.link"] == "default"


def test_named_file_goes_before_the_environments(tmp_path: Path) -> None:
    path = written(tmp_path, "[ray]\npool_size = 9")
    assert load_config(path, environ={CONFIG_VARIABLE: "/nowhere.toml"}).ray.pool_size == 9


def test_data_of_the_environment_goes_before_the_files(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    path = written(tmp_path, 'data = "a"')
    config = load_config(path, environ={DATA_VARIABLE: str(tmp_path / "b")})
    assert (config.data, config.origins["data"]) == (tmp_path / "b", DATA_VARIABLE)


def test_rows_show_every_value_with_its_origin(tmp_path: Path) -> None:
    config = Configuration(data=None, runs=tmp_path, ray=RayOptions(), origins=load_config(environ={}).origins)
    rows = config.rows()
    keys = ["data", "runs", "ray.pool_size", "ray.orders_per_actor", "ray.worker_niceness", "ray.link"]
    assert [key for key, _, _ in rows] == keys
    assert rows[0] == ("data", None, "default")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("runs = 5", "runs"),
        ('runs = ""', "runs"),
        ("colour = 1", "'colour'"),
        ("ray = 3", "ray"),
        ("[ray]\npool_size = 0", "ray.pool_size"),
        ("[ray]\npool_size = 65", "ray.pool_size"),
        ("[ray]\npool_size = true", "ray.pool_size"),
        ("[ray]\npool_size = 2.0", "ray.pool_size"),
        ("[ray]\norders_per_actor = -1", "ray.orders_per_actor"),
        ("[ray]\nworker_niceness = 20", "ray.worker_niceness"),
        ('[ray]\nlink = "pigeon"', "ray.link"),
        ("[ray]\nlink = []", "ray.link"),
        ("[ray]\nspeed = 1", "'ray.speed'"),
        ('data = "nowhere"', "data"),
        ("[ray", "TOML"),
    ],
)
def test_faults_name_file_key_expected_and_got(tmp_path: Path, text: str, says: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path, environ={})
    message = str(caught.value)
    assert str(path) in message
    assert says in message
    assert message.startswith("expected ")
    assert ", got " in message


def test_absent_file_and_absent_data_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_config(tmp_path / "none.toml", environ={})
    with pytest.raises(ConfigError, match=DATA_VARIABLE):
        load_config(environ={DATA_VARIABLE: str(tmp_path / "none")})


def test_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bytes.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="expected a TOML file"):
        load_config(path, environ={})
