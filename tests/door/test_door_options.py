"""The `[api]` table and the file of keys: what is wrong is said with its place, and a secret never."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from door_kit import SECRETS, keys_file

from cluster.api.keys import KeyRing, Secret, read_keys
from cluster.api.options import Rate, api_options
from router.domain.errors import ConfigError, DefectError

GOOD = '[[keys]]\nid = "k"\nname = "n"\nrole = "trader"\naccounts = ["A"]\n'
SECRET = "s3cr3t-" * 6


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({}, r"expected a file of keys, or is_open = true, got None - at FILE, api\.keys"),
        ({"is_open": True, "prot": 1}, r"did you mean api\.port .*, got 'api\.prot' - at FILE"),
        ({"is_open": True, "port": True}, r"expected a whole number from 0 to 65535, got True - at FILE, api\.port"),
        ({"is_open": "yes"}, r"expected true or false, got 'yes' - at FILE, api\.is_open"),
        (
            {"is_open": True, "host": "0.0.0.0"},
            r"a loopback address with is_open, got '0\.0\.0\.0' - at FILE, api\.host",
        ),
        ({"is_open": True, "keys": "keys.toml"}, r"false where there are keys, got True - at FILE, api\.is_open"),
        ({"keys": "none.toml"}, r"expected a file, got '.*none\.toml' - at FILE, api\.keys"),
        ({"keys": "keys.toml", "tls_key": "keys.toml"}, r"- at FILE, api\.tls_certificate"),
        ({"is_open": True, "header_timeout_s": float("nan")}, r"seconds from 0\.1 to 600, got nan"),
        ({"is_open": True, "allowed_origins": ["desk"]}, r"a list of origins .* - at FILE, api\.allowed_origins"),
        (
            {"is_open": True, "rates": {"orders": 5}},
            r"per_s = \.\.\., burst = \.\.\. \}, got 5 - at FILE, api\.rates\.orders",
        ),
        ({"is_open": True, "rates": {"order": {}}}, r"did you mean api\.rates\.orders"),
        ({"is_open": True, "rates": {"orders": {"per_s": 0, "burst": 1}}}, r"api\.rates\.orders\.per_s"),
        ({"is_open": True, "rates": {"orders": {"per_s": 1, "burst": 0}}}, r"api\.rates\.orders\.burst"),
    ],
)
def test_bad_value_is_refused_by_its_key(tmp_path: Path, table: dict[str, Any], said: str) -> None:
    keys_file(tmp_path)
    where = str(tmp_path / "anabranch.toml")
    with pytest.raises(ConfigError, match=said.replace("FILE", ".*anabranch.toml")):
        api_options(table, where)


def test_good_table_is_read(tmp_path: Path) -> None:
    keys = keys_file(tmp_path)
    table = {"keys": "keys.toml", "host": "::", "rates": {"orders": {"per_s": 5, "burst": 7}}}
    options = api_options(table, str(tmp_path / "anabranch.toml"))
    assert (options.keys, options.host, options.rates["orders"]) == (keys, "::", Rate(per_s=5.0, burst=7))
    assert options.rates["cancels"].burst > options.rates["orders"].burst


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected 1 to 10000 tables"),
        ("x", "got one that does not parse"),
        (GOOD, "expected one of secret, secret_env, secret_file, got 0 of them"),
        (GOOD + 'secret = "short"', r"expected 32 or more ASCII characters, got 5 - at .*keys\[0\]\.secret"),
        (GOOD + f'secret = "{SECRET}"\nsecret_env = "A"', "got 2 of them"),
        (GOOD + 'secret_env = "ABSENT"', "expected a variable that is set, got 'ABSENT'"),
        (GOOD + 'secret_file = "absent"', "expected a file of ASCII text, got 'absent'"),
        (GOOD + "secret = 5", r"expected a text, got a int - at .*keys\[0\]\.secret"),
        (GOOD + f'sceret = "{SECRET}"', "did you mean secret"),
        (GOOD.replace("trader", "king") + f'secret = "{SECRET}"', "expected one of trader, operator"),
        (GOOD.replace('"A"', '"A,B"') + f'secret = "{SECRET}"', "expected a list of accounts"),
        ((GOOD + f'secret = "{SECRET}"\n') * 2, r"expected an id of its own, got 'k' - at .*keys\[1\]\.id"),
        (GOOD + f'secret = "{SECRET}', "got one that does not parse"),
    ],
)
def test_bad_file_of_keys_is_refused_without_its_secrets(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=said) as fault:
        read_keys(path, {})
    assert SECRET not in str(fault.value)


def test_secrets_come_from_files_and_the_environment(tmp_path: Path) -> None:
    (tmp_path / "k.secret").write_text(SECRET + "\n")
    path = tmp_path / "keys.toml"
    path.write_text(GOOD + 'secret_file = "k.secret"\n' + GOOD.replace('"k"', '"e"') + 'secret_env = "E"\n')
    (tmp_path / "k.secret").chmod(0o600)
    ring = KeyRing(path, {"E": SECRET})
    found = [ring.find(key) for key in ("k", "e", "none")]
    assert [None if key is None else key.secret.reveal() for key in found] == [SECRET.encode()] * 2 + [None]


def test_secret_in_a_file_of_its_own_that_others_can_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "k.secret").write_text(SECRET)
    (tmp_path / "k.secret").chmod(0o604)
    path = tmp_path / "keys.toml"
    path.write_text(GOOD + 'secret_file = "k.secret"\n')
    with pytest.raises(ConfigError, match=r"that others cannot read, got 100604 - at .*secret_file") as fault:
        read_keys(path, {})
    assert SECRET not in str(fault.value)


def test_file_of_secrets_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = keys_file(tmp_path)
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="that others cannot read"):
        read_keys(path, {})


def test_secret_does_not_show(tmp_path: Path) -> None:
    keys = read_keys(keys_file(tmp_path), {})
    assert len(keys) == len(SECRETS)
    assert not any(secret in repr(keys) for secret in SECRETS.values())
    with pytest.raises(DefectError, match="a secret to stay in its process"):
        pickle.dumps(Secret(SECRET))
