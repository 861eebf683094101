from __future__ import annotations

import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from jupyter_chatd.workspace.files import LINE_MARK, Files
from jupyter_chatd.workspace.guard import Guard
from jupyter_chatd.workspace.limits import FileLimits
from jupyter_chatd.workspace.protocol import Edit, FileEdits, FileLines, WorkspaceError
from jupyter_chatd.workspace.staging import StagedFile

SMALL = FileLimits(read_bytes=200, edit_bytes=200, lines=10, line_bytes=20, response_bytes=100)


@pytest.fixture
def files() -> Files:
    return Files(Guard([]), SMALL)


def lines_of(files: Files, path: Path, offset: int = 1, limit: int = 10) -> FileLines:
    return files.read_lines(str(path), offset=offset, limit=limit)


def one_edit(path: Path, search: str, replace: str) -> FileEdits:
    return FileEdits(path=str(path), edits=[Edit(search=search, replace=replace)])


# Reading


def test_lines_are_numbered_and_a_final_newline_gives_an_empty_line(files: Files, folder: Path) -> None:
    (folder / "f").write_bytes(b"one\ntwo\r\n")
    assert lines_of(files, folder / "f") == FileLines(
        content="1\tone\n2\ttwo\r\n3\t", file_size=9, total_lines=3, lines_read=3
    )


def test_a_page_of_lines(files: Files, folder: Path) -> None:
    (folder / "f").write_bytes(b"a\nb\nc\nd")
    assert lines_of(files, folder / "f", 2, 2) == FileLines(
        content="2\tb\n3\tc", file_size=7, total_lines=4, lines_read=2
    )


def test_an_empty_file_has_no_lines(files: Files, folder: Path) -> None:
    (folder / "f").touch()
    assert lines_of(files, folder / "f") == FileLines(content="", file_size=0, total_lines=0, lines_read=0)


def test_long_lines_are_cut_between_characters(files: Files, folder: Path) -> None:
    (folder / "f").write_text("é" * 11 + "\nshort")
    shown = lines_of(files, folder / "f").content
    assert shown == f"1\t{'é' * 10}{LINE_MARK.decode()}\n2\tshort"


def test_invalid_utf8_is_replaced_when_read(files: Files, folder: Path) -> None:
    (folder / "f").write_bytes(b"a\xffb")
    assert lines_of(files, folder / "f").content == "1\ta\N{REPLACEMENT CHARACTER}b"


def test_too_many_lines_are_refused_whole(files: Files, folder: Path) -> None:
    (folder / "f").write_bytes(b"\n" * 20)
    with pytest.raises(WorkspaceError, match=r"21 lines are too many.*offset and limit"):
        lines_of(files, folder / "f", 1, 50)
    assert lines_of(files, folder / "f", 12, 50).lines_read == 10


def test_too_many_bytes_are_refused_whole(files: Files, folder: Path) -> None:
    (folder / "f").write_bytes(b"0123456789012345678\n" * 8)
    with pytest.raises(WorkspaceError, match=r"too many for one answer.*offset and limit"):
        lines_of(files, folder / "f")


def test_a_large_file_is_refused(files: Files, folder: Path) -> None:
    (folder / "f").write_bytes(b"x" * 201)
    with pytest.raises(WorkspaceError, match=r"201 bytes.*too large"):
        lines_of(files, folder / "f")
    (folder / "f").write_bytes(b"x" * 200)
    assert lines_of(files, folder / "f").file_size == 200


@pytest.mark.parametrize(("offset", "limit"), [(0, 1), (-1, 1), (1, 0), (1, -5)])
def test_lines_count_from_one(files: Files, folder: Path, offset: int, limit: int) -> None:
    (folder / "f").write_bytes(b"a")
    with pytest.raises(WorkspaceError, match="start at 1"):
        lines_of(files, folder / "f", offset, limit)


def test_an_offset_beyond_the_end_is_refused(files: Files, folder: Path) -> None:
    (folder / "f").write_bytes(b"a\nb")
    with pytest.raises(WorkspaceError, match=r"offset 3 is beyond the end.*2 lines"):
        lines_of(files, folder / "f", 3)
    (folder / "f").write_bytes(b"")
    with pytest.raises(WorkspaceError, match=r"beyond the end.*0 lines"):
        lines_of(files, folder / "f", 2)


def test_what_is_no_file_is_refused_without_waiting(files: Files, folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        for name in ("pipe", "socket"):
            with pytest.raises(WorkspaceError, match="not a regular file"):
                lines_of(files, folder / name)
            with pytest.raises(WorkspaceError, match="not a regular file"):
                files.write(str(folder / name), "x")
    for path in ("/dev/zero", "/dev/tty", "/dev/null"):
        with pytest.raises(WorkspaceError, match="not a regular file"):
            lines_of(files, Path(path))


def test_errors_name_the_reason(files: Files, folder: Path) -> None:
    (folder / "file").touch()
    (folder / "loop").symlink_to(folder / "loop")
    reasons = {
        "missing": "does not exist",
        ".": "is a folder",
        "file/below": "should be a folder is a file",
        "loop": "in a circle",
        "n" * 300: "longer than the system allows",
    }
    for name, reason in reasons.items():
        with pytest.raises(WorkspaceError, match=reason):
            lines_of(files, folder / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_a_file_without_permission_is_refused(files: Files, folder: Path) -> None:
    (folder / "f").write_text("x")
    (folder / "f").chmod(0)
    with pytest.raises(WorkspaceError, match="no permission"):
        lines_of(files, folder / "f")
    (folder / "f").chmod(0o444)
    with pytest.raises(WorkspaceError, match="read-only"):
        files.write(str(folder / "f"), "y")


# Writing


def test_a_new_file_gets_its_folders(files: Files, folder: Path) -> None:
    old = os.umask(0o002)
    try:
        files.write(str(folder / "a/b/c.txt"), "é")
    finally:
        os.umask(old)
    assert (folder / "a/b/c.txt").read_bytes() == "é".encode()
    assert [stat.S_IMODE((folder / name).stat().st_mode) for name in ("a", "a/b", "a/b/c.txt")] == [
        0o755,
        0o755,
        0o664,
    ]


def test_an_existing_file_keeps_its_mode(files: Files, folder: Path) -> None:
    path = folder / "run.sh"
    path.write_text("old")
    path.chmod(0o750)
    files.write(str(path), "new")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", 0o750)


def test_links_are_followed_also_to_nowhere(files: Files, folder: Path) -> None:
    (folder / "target").write_text("old")
    (folder / "link").symlink_to("target")
    (folder / "dangling").symlink_to(folder / "sub/new")
    files.write(str(folder / "link"), "new")
    files.write(str(folder / "dangling"), "made")
    assert (folder / "target").read_text() == "new"
    assert (folder / "sub/new").read_text() == "made"
    assert (folder / "link").is_symlink()
    assert (folder / "dangling").is_symlink()


def test_a_folder_is_not_overwritten(files: Files, folder: Path) -> None:
    (folder / "sub").mkdir()
    with pytest.raises(WorkspaceError, match="is a folder"):
        files.write(str(folder / "sub"), "x")
    with pytest.raises(WorkspaceError, match="names a folder"):
        files.write(f"{folder}/new/", "x")
    assert os.listdir(folder) == ["sub"]


def test_text_that_is_not_unicode_is_refused(files: Files, folder: Path) -> None:
    with pytest.raises(WorkspaceError, match="character 1 is half of a surrogate pair"):
        files.write(str(folder / "f"), "a\ud800")
    assert os.listdir(folder) == []


def test_a_reader_never_sees_half_a_file(folder: Path) -> None:
    files = Files(Guard([]), FileLimits())
    path = folder / "f"
    texts = {"a" * 300_000, "b" * 200_000}
    path.write_text("a" * 300_000)
    seen: set[str] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(path.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for text in [*texts] * 10:
        files.write(str(path), text)
    done.set()
    reader.join()
    assert seen <= texts


def test_a_failed_write_leaves_no_trace(files: Files, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "f").write_text("old")

    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(WorkspaceError, match="disk is full"):
        files.write(str(folder / "f"), "new")
    assert os.listdir(folder) == ["f"]
    assert (folder / "f").read_text() == "old"


# Editing


def test_edits_of_several_files(files: Files, folder: Path) -> None:
    (folder / "a").write_text("one\n")
    (folder / "b").write_text("two\n")
    (folder / "b").chmod(0o700)
    files.edit([one_edit(folder / "a", "one", "1"), one_edit(folder / "b", "two", "2")])
    assert (folder / "a").read_text() + (folder / "b").read_text() == "1\n2\n"
    assert stat.S_IMODE((folder / "b").stat().st_mode) == 0o700


def test_one_bad_edit_writes_nothing_and_all_problems_are_told(files: Files, folder: Path) -> None:
    (folder / "a").write_text("one\n")
    (folder / "b").write_text("x x\n")
    with pytest.raises(WorkspaceError) as caught:
        files.edit(
            [
                one_edit(folder / "a", "one", "1"),
                one_edit(folder / "b", "x", "y"),
                one_edit(folder / "missing", "x", "y"),
                FileEdits(path="relative", edits=[]),
                FileEdits(path=str(folder / "c"), edits=[]),
            ]
        )
    assert (folder / "a").read_text() == "one\n"
    message = str(caught.value)
    assert message.startswith("Nothing was written.\n")
    for part in (
        f"{folder}/b: edit 1: the search text matches 2 times",
        f"{folder}/missing does not exist",
        "'relative' is not",
        f"{folder}/c: no edits came",
    ):
        assert part in message


def test_a_file_may_come_once(files: Files, folder: Path) -> None:
    (folder / "a").write_text("one")
    (folder / "alias").symlink_to("a")
    with pytest.raises(WorkspaceError, match="same file comes twice"):
        files.edit([one_edit(folder / "a", "o", "0"), one_edit(folder / "alias", "n", "N")])
    assert (folder / "a").read_text() == "one"


def test_no_files_is_an_error(files: Files) -> None:
    with pytest.raises(WorkspaceError, match="at least one"):
        files.edit([])


def test_bytes_that_are_not_utf8_survive_an_edit(files: Files, folder: Path) -> None:
    (folder / "f").write_bytes(b"\xff\x00 name \xe2\x82")
    files.edit([one_edit(folder / "f", "name", "é")])
    assert (folder / "f").read_bytes() == b"\xff\x00 \xc3\xa9 \xe2\x82"


def test_a_replacement_that_is_not_unicode_is_refused(files: Files, folder: Path) -> None:
    (folder / "f").write_bytes(b"a")
    with pytest.raises(WorkspaceError, match="surrogate"):
        files.edit([one_edit(folder / "f", "a", "\udcff")])
    assert (folder / "f").read_bytes() == b"a"


def test_a_file_changed_meanwhile_is_not_overwritten(
    files: Files, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "notebook.ipynb"
    path.write_text("old")
    real_write = StagedFile.write

    def write_while_the_user_saves(self: StagedFile, data: bytes) -> None:
        path.write_text("saved by the user")
        real_write(self, data)

    monkeypatch.setattr(StagedFile, "write", write_while_the_user_saves)
    with pytest.raises(WorkspaceError, match="changed by someone else"):
        files.edit([one_edit(path, "old", "new")])
    assert path.read_text() == "saved by the user"
    assert os.listdir(folder) == ["notebook.ipynb"]


def test_a_full_disk_changes_none_of_the_files(
    files: Files, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a").write_text("one")
    (folder / "b").write_text("two")
    real_write = StagedFile.write
    written: list[bytes] = []

    def full_at_the_second(self: StagedFile, data: bytes) -> None:
        written.append(data)
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        real_write(self, data)

    monkeypatch.setattr(StagedFile, "write", full_at_the_second)
    with pytest.raises(WorkspaceError, match="disk is full"):
        files.edit([one_edit(folder / "a", "one", "1"), one_edit(folder / "b", "two", "2")])
    assert sorted(os.listdir(folder)) == ["a", "b"]
    assert (folder / "a").read_text() == "one"
