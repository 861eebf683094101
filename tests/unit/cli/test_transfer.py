"""The commands export, import, backup and check."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from transfer.place import lines_of, text_of
from transfer.samples import CHILD, ROOT, chat, file, header, message, original, row, text

from jupyter_chatd.cli.app import chatd

Run = Callable[..., Result]

OTHER = "11111111-2222-4333-8444-555555555555"
EXPORT = text_of(
    [
        header(),
        chat(),
        file(),
        message(1, "user", text("hello"), {"type": "file", "file_id": file()["id"]}),
        chat(CHILD, parent_chat_id=ROOT),
        message(1),
        chat(OTHER, title="other"),
        message(1),
    ]
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("JUPYTER_CHATD_URL", "JPY_PARENT_PID", "JUPYTER_SERVER_URL", "JUPYTERHUB_USER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Run:
    runner = CliRunner()
    return lambda *args, **options: runner.invoke(
        chatd, [str(arg) for arg in args], prog_name="jupyter chatd", **options
    )


@pytest.fixture
def filled(run: Run, folder: Path) -> Path:
    """The data folder, with two families."""
    (folder / "came.jsonl").write_text(EXPORT)
    assert run("import", folder / "came.jsonl").exit_code == 0
    return folder / "data" / "jupyter_chatd"


def owners(data: Path) -> set[str]:
    with closing(sqlite3.connect(data / "chats.db")) as conn:
        return {row[0] for row in conn.execute("SELECT owner_id FROM chats")}


# export


@pytest.mark.parametrize("args", [[], ["--all", "last"], ["--all", "--output"]])
def test_wrong_usage_has_code_2(run: Run, filled: Path, args: list[str]) -> None:
    assert run("export", *args).exit_code == 2


def test_a_child_goes_with_its_family(run: Run, filled: Path) -> None:
    ids = [line["id"] for line in lines_of(run("export", CHILD, ROOT[:8]).stdout) if line["type"] == "chat"]
    assert ids == [ROOT, CHILD]


def test_the_same_chats_give_the_same_bytes(run: Run, filled: Path, folder: Path) -> None:
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        assert run("export", "--all", "-o", name).exit_code == 0
    assert (folder / "a.jsonl.gz").read_bytes() == (folder / "b.jsonl.gz").read_bytes()
    assert run("export", "--all").stdout == run("export", "--all").stdout


def test_a_file_is_private_and_never_replaced_without_being_told(
    run: Run, filled: Path, folder: Path
) -> None:
    result = run("export", "--all", "--output", "out.jsonl")
    assert result.stderr.startswith("Exported 3 chats, 3 messages and 1 file to out.jsonl, ")
    assert stat.S_IMODE((folder / "out.jsonl").stat().st_mode) == 0o600
    (folder / "out.jsonl").write_text("mine")
    refused = run("export", "--all", "--output", "out.jsonl")
    assert (refused.exit_code, (folder / "out.jsonl").read_text()) == (1, "mine")
    assert "replace it with --force" in refused.stderr
    assert run("export", "--all", "--output", "out.jsonl", "--force").exit_code == 0
    assert (folder / "out.jsonl").read_text() == run("export", "--all").stdout


def test_a_folder_gets_a_file_for_each_family(run: Run, filled: Path, folder: Path) -> None:
    (folder / "out").mkdir()
    assert run("export", "--all", "-o", "out").exit_code == 0
    assert sorted(os.listdir(folder / "out")) == sorted([f"{ROOT}.jsonl", f"{OTHER}.jsonl"])
    (folder / "out" / f"{ROOT}.jsonl").unlink()
    assert run("export", "--all", "-o", "out").exit_code == 1
    assert os.listdir(folder / "out") == [f"{OTHER}.jsonl"], "none or all"


def test_a_damaged_chat_leaves_no_half_export(run: Run, filled: Path, folder: Path) -> None:
    with closing(sqlite3.connect(filled / "chats.db")) as conn:
        conn.execute("UPDATE messages SET content = '[' WHERE chat_id = ?", (OTHER,))
        conn.commit()
    before = sorted(os.listdir(folder))
    result = run("export", "--all", "--output", "out.jsonl")
    assert (result.exit_code, sorted(os.listdir(folder))) == (1, before)
    assert "is damaged" in result.stderr
    assert run("export", ROOT).exit_code == 0, "the others can be exported"


def test_names_of_files_go_without_their_bytes(run: Run, filled: Path) -> None:
    lines = lines_of(run("export", ROOT, "--no-files").stdout)
    assert [("data" in line, line["name"]) for line in lines if line["type"] == "file"] == [
        (False, "note.txt")
    ]


# import


def test_each_chat_is_told(run: Run, filled: Path, folder: Path) -> None:
    lines = run("import", "came.jsonl").stdout.splitlines()
    assert lines[0] == f"{ROOT}  there already, 1 messages  Sizes"
    assert len(lines) == 3
    told = json.loads(run("import", "--json", "came.jsonl").stdout)
    assert [one["outcome"] for one in told] == ["present"] * 3


def test_folders_are_taken(run: Run, folder: Path) -> None:
    (folder / "in").mkdir()
    (folder / "in" / "a.jsonl").write_text(EXPORT)
    (folder / "in" / "notes.txt").write_text("no export")
    result = run("import", "in")
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 3)
    (folder / "empty").mkdir()
    refused = run("import", "empty")
    assert refused.exit_code == 1
    assert "has no file that ends with" in refused.stderr


def test_one_bad_file_keeps_the_good_ones_out(run: Run, folder: Path) -> None:
    (folder / "good.jsonl").write_text(EXPORT)
    (folder / "bad.jsonl").write_text(EXPORT[:-40])
    result = run("import", "good.jsonl", "bad.jsonl")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: bad.jsonl, line ")
    assert not (folder / "data").exists()
    assert run("import", "nowhere.jsonl").stderr == (
        "Error: nowhere.jsonl cannot be read: No such file or directory.\n"
    )


def test_a_dry_run_makes_not_even_a_database(run: Run, folder: Path) -> None:
    (folder / "came.jsonl").write_text(EXPORT)
    result = run("import", "--dry-run", "came.jsonl")
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 3)
    assert result.stderr == "Nothing was written.\n"
    assert not (folder / "data").exists()


def test_what_is_imported_belongs_to_who_is_there(
    run: Run, filled: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert owners(filled) == {"local"}
    assert run("import", "--owner", "bob", "came.jsonl").exit_code == 0
    assert owners(filled) == {"local", "bob"}
    refused = run("import", "came.jsonl")
    assert refused.exit_code == 1
    assert "Chats here belong to bob, local" in refused.stderr
    monkeypatch.setenv("JUPYTERHUB_USER", "eve")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(folder / "hub"))
    assert run("import", "came.jsonl").exit_code == 0
    assert owners(folder / "hub" / "jupyter_chatd") == {"eve"}


def test_the_original_needs_a_model(run: Run, folder: Path) -> None:
    (folder / "old.json").write_text(json.dumps(original(row(1, "user", [text("hello")]))))
    refused = run("import", "old.json")
    assert refused.exit_code == 1
    assert "Name one: --model provider:model" in refused.stderr
    (folder / "config").mkdir()
    (folder / "config" / "jupyter_server_config.py").write_text("c.JupyterChatd.default_model = 'demo:demo'")
    assert run("import", "old.json").exit_code == 0
    assert '"model":"demo:demo"' in run("export", ROOT).stdout


# backup and check


def test_backup_and_check(run: Run, filled: Path, folder: Path) -> None:
    done = run("backup", "copy")
    assert (done.exit_code, done.stdout[:34]) == (0, "3 chats, 3 messages and 1 file, 0.")
    assert json.loads(run("backup", "copy", "--force", "--json").stdout)["chats"] == 3
    assert run("backup", "copy").exit_code == 1
    for args in ([], ["copy"]):
        checked = run("check", *args)
        assert checked.exit_code == 0
        assert [line.split(":")[0] for line in checked.stdout.splitlines()] == [
            "ok      database",
            "ok      states",
            "ok      messages",
            "ok      search",
            "ok      files",
        ]


def test_lost_bytes_fail_a_backup_that_has_all_else(run: Run, filled: Path) -> None:
    for blob in (filled / "files").iterdir():
        blob.unlink()
    result = run("backup", "copy")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: 1 files could not be copied")
    assert "failed  files: File" in run("check").stdout
    assert run("check", "copy").exit_code == 1


def test_damage_is_told_with_what_to_do(run: Run, filled: Path) -> None:
    path = filled / "chats.db"
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("UPDATE messages SET content = '['")
        conn.commit()
    result = run("check", "--json")
    assert result.exit_code == 1
    assert {one["topic"] for one in json.loads(result.stdout) if one["level"] == "failed"} == {
        "messages",
        "search",
    }
    assert "restore a backup" in result.stderr
    assert ".recover" in result.stderr
    path.write_bytes(b"junk" * 5000)
    for command in (["check"], ["export", "--all"], ["backup", "copy"], ["import", "came.jsonl"]):
        refused = run(*command)
        assert refused.exit_code == 1
        assert "not a usable SQLite database" in refused.stderr
        assert "Traceback" not in refused.output


def test_without_chats_there_is_nothing_to_export(run: Run) -> None:
    for command in (["export", "--all"], ["backup", "copy"], ["check"]):
        result = run(*command)
        assert (result.exit_code, "There are no chats yet" in result.stderr) == (1, True)
