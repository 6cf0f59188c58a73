"""A state folder or a port that cannot be used is said in one line before anything is started."""

from __future__ import annotations

import os
import shutil
import socket
import stat
from contextlib import ExitStack
from pathlib import Path
from threading import Timer

import pytest

from cluster.api.options import ApiOptions
from cluster.live import folder
from cluster.live.folder import check_port, claim_folder, hold_folder, is_held
from router.domain.errors import ConfigError, JournalError


def test_a_folder_is_made_for_its_owner_alone_and_nothing_is_left_in_it(tmp_path: Path) -> None:
    state = tmp_path / "deep" / "state"
    for _ in range(2):
        claim_folder(state)
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert list(state.iterdir()) == []


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.touch()
    with pytest.raises(ConfigError, match=r"expected a state folder that can be written to, got .* live\.state"):
        claim_folder(state)


def test_a_folder_that_takes_no_files_is_refused(tmp_path: Path) -> None:
    # A folder in its way stops the probe for every user, also for one whom no mode stops.
    (tmp_path / "probe").mkdir()
    with pytest.raises(ConfigError, match="expected a state folder that can be written to, got Is a directory"):
        claim_folder(tmp_path)


def test_a_folder_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: other)
    with pytest.raises(ConfigError, match=f"expected a state folder of user {other}, got one of user {other - 1}"):
        claim_folder(tmp_path)


@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(ConfigError, match=rf"its owner alone may write to \(chmod go-w\), got mode {mode:04o}"):
        claim_folder(tmp_path)
    tmp_path.chmod(0o755)
    claim_folder(tmp_path)


def test_a_disk_with_no_room_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = shutil.disk_usage(tmp_path).free
    monkeypatch.setattr(folder, "FREE_BYTES_MIN", free * 2)
    with pytest.raises(ConfigError, match=r"expected \d+ MB free for a desk's journals, got \d+ MB"):
        claim_folder(tmp_path)


def test_two_desks_do_not_hold_one_folder(tmp_path: Path) -> None:
    assert not is_held(tmp_path / "none")
    with hold_folder(tmp_path):
        assert is_held(tmp_path)
        with pytest.raises(JournalError, match="held by another desk"), hold_folder(tmp_path):
            pass
    assert not is_held(tmp_path)


def test_whoever_only_looks_keeps_no_desk_from_holding_the_folder(tmp_path: Path) -> None:
    looking = ExitStack()
    looking.enter_context(hold_folder(tmp_path))
    timer = Timer(0.05, looking.close)
    timer.start()
    with hold_folder(tmp_path, timeout_s=30.0):
        assert is_held(tmp_path)
    timer.join()


@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)])
def test_a_port_in_use_is_refused_and_a_free_one_is_not(host: str, family: socket.AddressFamily) -> None:
    with socket.create_server((host, 0), family=family) as other:
        options = ApiOptions(host=host, port=other.getsockname()[1], is_open=True)
        with pytest.raises(ConfigError, match=r"\(Address already in use\) - at desk\.toml, api\.port"):
            check_port(options, "desk.toml")
    check_port(options, "desk.toml")
    check_port(ApiOptions(host=host, port=0, is_open=True), "desk.toml")


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"got 198\.51\.100\.7:1 \(.*\) - at desk\.toml, api\.port"):
        check_port(ApiOptions(host="198.51.100.7", port=1), "desk.toml")
