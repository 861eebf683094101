from __future__ import annotations

import os
from pathlib import Path

import pytest

from jupyter_chatd.workspace.files import Files
from jupyter_chatd.workspace.guard import Guard, ProtectedPathError
from jupyter_chatd.workspace.limits import FileLimits
from jupyter_chatd.workspace.protocol import Edit, FileEdits, WorkspaceError


@pytest.fixture
def guard(secrets: Path) -> Guard:
    return Guard([secrets])


@pytest.fixture
def files(guard: Guard) -> Files:
    return Files(guard, FileLimits())


def disguises(secrets: Path, folder: Path) -> dict[str, str]:
    """Ways to name the key."""
    key = secrets / "key.json"
    (folder / "link").symlink_to(key)
    (folder / "up").symlink_to(secrets.parent.parent)
    (folder / "chain").symlink_to(folder / "link")
    return {
        "plain": str(key),
        "dots": f"{folder}/../jupyter/./runtime/key.json",
        "slashes": str(key).replace("/", "//"),
        "link": f"{folder}/link",
        "chain": f"{folder}/chain",
        "linked parent": f"{folder}/up/jupyter/runtime/key.json",
        "proc root": f"/proc/self/root{key}",
        "proc thread root": f"/proc/thread-self/root{key}",
        "other proc root": f"/proc/{os.getpid()}/root{key}",
        "proc cwd": f"/proc/self/cwd/{os.path.relpath(key)}",
        "dots into proc": f"/tmp/../proc/self/root{key}",
    }


NAMES = sorted(
    [
        "plain",
        "dots",
        "slashes",
        "link",
        "chain",
        "linked parent",
        "proc root",
        "proc thread root",
        "other proc root",
        "proc cwd",
        "dots into proc",
    ]
)


@pytest.mark.parametrize("name", NAMES)
def test_a_protected_file_is_refused_however_it_is_named(
    name: str, files: Files, secrets: Path, folder: Path
) -> None:
    path = disguises(secrets, folder)[name]
    edits = [FileEdits(path=path, edits=[Edit(search="sk", replace="x")])]
    with pytest.raises(ProtectedPathError):
        files.read_lines(path, offset=1, limit=1)
    with pytest.raises(ProtectedPathError):
        files.write(path, "x")
    with pytest.raises(WorkspaceError, match="is protected"):
        files.edit(edits)
    assert (secrets / "key.json").read_text() == "sk-secret"


def test_nothing_is_made_in_a_protected_folder(files: Files, secrets: Path, folder: Path) -> None:
    (folder / "link").symlink_to(secrets)
    for path in (secrets / "new", secrets / "deep/new", folder / "link/new", secrets):
        with pytest.raises(ProtectedPathError):
            files.write(str(path), "x")
    assert os.listdir(secrets) == ["key.json"]


@pytest.mark.parametrize(
    "path",
    [
        "/proc/self/environ",
        "/proc/1/environ",
        "/proc/1/mem",
        "/proc/self/mem",
        "/proc/self/maps",
        "/proc/self/cmdline",
        "/proc/self/fd/0",
        "/proc/self/task/1/environ",
        "/proc/thread-self/environ",
        "/dev/fd/0",
        "/dev/stdin",
    ],
)
def test_what_belongs_to_a_process_is_refused(path: str, files: Files) -> None:
    with pytest.raises(ProtectedPathError):
        files.read_lines(path, offset=1, limit=1)


def test_a_link_to_an_open_file_of_the_server_is_refused(files: Files, folder: Path, secrets: Path) -> None:
    with (secrets / "key.json").open() as key:
        (folder / "link").symlink_to(f"/proc/self/fd/{key.fileno()}")
        with pytest.raises(ProtectedPathError):
            files.read_lines(f"{folder}/link", offset=1, limit=1)


def test_a_hard_link_to_a_protected_file_is_refused(secrets: Path, folder: Path) -> None:
    os.link(secrets / "key.json", folder / "alias")
    with pytest.raises(ProtectedPathError):
        Guard([secrets / "key.json"]).resolve(f"{folder}/alias")


def test_a_folder_may_be_protected_before_it_exists(tmp_path: Path) -> None:
    with pytest.raises(ProtectedPathError):
        Guard([tmp_path / "later"]).resolve(f"{tmp_path}/later/key")


def test_a_name_that_only_begins_alike_is_free(guard: Guard, secrets: Path) -> None:
    beside = f"{secrets}-notes/a.txt"
    assert guard.resolve(beside) == os.path.realpath(beside)


def test_files_about_the_machine_are_free(files: Files) -> None:
    assert files.read_lines("/proc/cpuinfo", offset=1, limit=1).lines_read == 1


def test_a_link_exchanged_after_the_look_is_seen_at_the_open(
    guard: Guard, files: Files, folder: Path, secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The race: `resolve` sees a plain folder, and it is a link to the secrets when the file is opened."""
    inner = folder / "inner"
    inner.mkdir()
    (inner / "key.json").write_text("harmless")
    real_resolve = Guard.resolve

    def resolve_then_exchange(self: Guard, path: str) -> str:
        real = real_resolve(self, path)
        if inner.is_dir() and not inner.is_symlink():
            inner.rename(folder / "moved")
            inner.symlink_to(secrets)
        return real

    monkeypatch.setattr(Guard, "resolve", resolve_then_exchange)
    with pytest.raises(ProtectedPathError):
        files.read_lines(f"{inner}/key.json", offset=1, limit=1)


def test_a_folder_exchanged_before_the_write_is_not_followed(
    files: Files, folder: Path, secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = folder / "inner"
    inner.mkdir()
    real_resolve = Guard.resolve

    def resolve_then_exchange(self: Guard, path: str) -> str:
        real = real_resolve(self, path)
        inner.rmdir()
        inner.symlink_to(secrets)
        return real

    monkeypatch.setattr(Guard, "resolve", resolve_then_exchange)
    with pytest.raises(WorkspaceError):
        files.write(f"{inner}/key.json", "x")
    assert (secrets / "key.json").read_text() == "sk-secret"
    assert os.listdir(secrets) == ["key.json"]


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("", "missing"),
        ("  ", "missing"),
        ("a/b", "absolute"),
        ("~/a", "absolute"),
        ("/a\0b", "NUL"),
        ("/a\ud800b", "Unicode"),
    ],
)
def test_a_path_that_is_none_is_refused(path: str, complaint: str, guard: Guard) -> None:
    with pytest.raises(WorkspaceError, match=complaint):
        guard.resolve(path)
