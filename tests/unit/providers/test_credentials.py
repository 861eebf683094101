"""The key file: private, complete, and bound to addresses."""

from __future__ import annotations

import json
import os
import stat
import threading
import traceback
from pathlib import Path

import pytest

from jupyter_chatd.private_file import PrivateFileError
from jupyter_chatd.providers.credentials import Credentials

LOCAL = "http://127.0.0.1:8000/v1"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chatd" / "keys.json"


@pytest.fixture
def credentials(path: Path) -> Credentials:
    return Credentials(path)


def test_a_key_is_given_out_for_its_address_only(credentials: Credentials) -> None:
    credentials.set("openai", "sk-1", base_url=None)
    credentials.set("vllm", "sk-2", base_url=LOCAL)

    assert credentials.find("openai", base_url=None) == "sk-1"
    assert credentials.find("openai", base_url=LOCAL) is None
    assert credentials.find("vllm", base_url=LOCAL) == "sk-2"
    assert credentials.find("vllm", base_url=f"{LOCAL}2") is None
    assert credentials.find("nobody", base_url=None) is None


def test_only_its_owner_may_read_the_file(credentials: Credentials, path: Path) -> None:
    os.umask(0)
    try:
        credentials.set("openai", "sk-1", base_url=None)
        credentials.set("openai", "sk-2", base_url=None)
    finally:
        os.umask(0o022)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["keys.json"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_may_read_is_refused(credentials: Credentials, path: Path, mode: int) -> None:
    credentials.set("openai", "sk-1", base_url=None)
    path.chmod(mode)

    with pytest.raises(PrivateFileError, match=f"mode {mode:04o}.*chmod 600 {path}"):
        credentials.find("openai", base_url=None)
    with pytest.raises(PrivateFileError):
        credentials.set("openai", "sk-2", base_url=None)
    path.chmod(0o600)
    assert credentials.find("openai", base_url=None) == "sk-1"


@pytest.mark.parametrize("content", ["", "{", "[]", '"sk-secret"', "\xff sk-secret"])
def test_a_damaged_file_is_refused_without_quoting_it(
    credentials: Credentials, path: Path, content: str
) -> None:
    path.parent.mkdir()
    path.write_bytes(content.encode("latin-1"))
    path.chmod(0o600)

    with pytest.raises(PrivateFileError) as caught:
        credentials.find("openai", base_url=None)

    assert str(path) in str(caught.value)
    assert "secret" not in "".join(traceback.format_exception(caught.value))


def test_a_file_written_by_hand_is_understood(credentials: Credentials, path: Path) -> None:
    path.parent.mkdir()
    path.write_text(json.dumps({"openai": "sk-1"}))
    path.chmod(0o600)

    assert credentials.find("openai", base_url=None) == "sk-1"
    assert credentials.find("openai", base_url=LOCAL) is None


def test_deleting_forgets_one_key(credentials: Credentials, path: Path) -> None:
    credentials.delete("openai")
    assert not path.exists()

    credentials.set("openai", "sk-1", base_url=None)
    credentials.set("vllm", "sk-2", base_url=LOCAL)
    credentials.delete("openai")

    assert credentials.find("openai", base_url=None) is None
    assert credentials.find("vllm", base_url=LOCAL) == "sk-2"


@pytest.mark.parametrize("key", ["", "  ", "sk 1", "sk-ü", "sk\n1"])
def test_what_cannot_be_a_key_is_refused_without_quoting_it(credentials: Credentials, key: str) -> None:
    with pytest.raises(ValueError, match="API key") as caught:
        credentials.set("openai", key, base_url=None)

    assert "sk" not in str(caught.value)


def test_space_around_a_key_is_no_part_of_it(credentials: Credentials) -> None:
    credentials.set("openai", " sk-1\n", base_url=None)

    assert credentials.find("openai", base_url=None) == "sk-1"


def test_writers_at_the_same_time_lose_nothing(credentials: Credentials) -> None:
    names = [f"p{number}" for number in range(20)]
    threads = [
        threading.Thread(target=credentials.set, args=(name, name), kwargs={"base_url": None})
        for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [credentials.find(name, base_url=None) for name in names] == names


def test_a_failed_write_leaves_the_old_file(
    credentials: Credentials, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials.set("openai", "sk-1", base_url=None)

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        credentials.set("openai", "sk-2", base_url=None)

    assert credentials.find("openai", base_url=None) == "sk-1"
    assert [file.name for file in path.parent.iterdir()] == ["keys.json"]


def test_keys_are_in_no_repr(credentials: Credentials) -> None:
    credentials.set("openai", "sk-secret", base_url=None)

    assert "sk-secret" not in repr(credentials)
