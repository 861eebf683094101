"""Commands that need no server: usage, the database, what is set up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from jupyter_chatd.cli.app import chatd
from jupyter_chatd.loop.prompt_settings import PromptSettings
from jupyter_chatd.loop.service import ChatService, NewChat
from jupyter_chatd.messages import TextPart, Usage
from jupyter_chatd.store import Store
from jupyter_chatd.store.reads import get_chat
from jupyter_chatd.store.usage import PaidCall, count_call

Run = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("JUPYTER_CHATD_URL", "JPY_PARENT_PID", "JUPYTER_SERVER_URL", "JUPYTERHUB_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")  # in a virtual environment its own files would win
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Run:
    runner = CliRunner()
    return lambda *args, **options: runner.invoke(chatd, args, prog_name="jupyter chatd", **options)


async def _fill(path: Path, texts: list[str]) -> list[str]:
    async with Store(path) as store:
        service = ChatService(store, prompts=PromptSettings(store, include_default=False))
        chats = [
            await service.create(NewChat(owner_id="local", parts=(TextPart(text=text),), model="demo:demo"))
            for text in texts
        ]
    return [chat.id for chat in chats]


@pytest.fixture
def ids(folder: Path) -> list[str]:
    """Two chats, oldest first, in a database that no server has open."""
    return asyncio.run(_fill(folder / "data" / "jupyter_chatd" / "chats.db", ["about apples", "about pears"]))


@pytest.mark.parametrize(
    "args",
    [
        ["nonsense"],
        ["run"],
        ["run", " "],
        ["run", "--timeout", "0", "x"],
        ["send", "last"],
        ["send", "--busy", "never", "last", "x"],
        ["list", "--limit", "0"],
        ["tail", "--messages", "-1", "last"],
        ["run", "-", "--file", "-"],
        ["run", "x", "--file", "/nowhere/at/all"],
        ["run", "x", "--label", "blue"],
        ["search", " "],
        ["label", "last", ":blue"],
        ["usage", "--from", "yesterday"],
        ["usage", "--from", "2026-02-01", "--to", "2026-01-01"],
        ["usage", "last", "--to", "2026-01-01"],
    ],
)
def test_wrong_usage_has_code_2(run: Run, args: list[str]) -> None:
    assert run(*args).exit_code == 2


def test_a_blank_text_from_standard_input_is_wrong_usage(run: Run) -> None:
    result = run("run", "-", input=" \n")
    assert result.exit_code == 2
    assert "not blank" in result.stderr


def test_chats_are_listed_newest_first(run: Run, ids: list[str]) -> None:
    lines = run("list").stdout.splitlines()
    assert [line[:8] for line in lines] == [ids[1][:8], ids[0][:8]]
    assert lines[0].endswith("about pears")
    assert [chat["id"] for chat in json.loads(run("list", "--json").stdout)] == ids[::-1]
    assert len(run("list", "--limit", "1").stdout.splitlines()) == 1
    assert run("list", "--text", "apples").stdout.startswith(ids[0][:8])
    assert run("list", "--archived").stdout == ""


def test_the_list_marks_what_is_pinned_and_labelled(run: Run, folder: Path, ids: list[str]) -> None:
    values = {"pin_order": 1, "labels": {"team": "blue", "at": "home"}}
    asyncio.run(_change(folder / "data" / "jupyter_chatd" / "chats.db", ids[0], values))
    first, second = run("list").stdout.splitlines()
    assert first.endswith("about pears")
    assert second.endswith("about apples  [pinned, at:home, team:blue]")
    assert run("list", "--label", "team:blue", "--label", "at:home").stdout == f"{second}\n"


async def _change(path: Path, chat_id: str, values: dict[str, object]) -> None:
    async with Store(path) as store:
        await store.write_metadata(chat_id, values)


def test_a_chat_is_meant_by_id_by_its_beginning_or_as_the_last(run: Run, ids: list[str]) -> None:
    for word in (ids[0], ids[0][:6].upper()):
        assert "> about apples" in run("show", word).stdout
    assert "> about pears" in run("show", "last").stdout
    shown = json.loads(run("show", "--json", "last").stdout)
    assert [message["content"][0]["text"] for message in shown["messages"]] == ["about pears"]


def test_the_database_is_searched(run: Run, ids: list[str]) -> None:
    assert run("search", "pears").stdout.splitlines() == [
        f"{ids[1][:8]}  user       about pears: about pears"
    ]
    (hit,) = json.loads(run("search", "appl", "--json").stdout)
    assert (hit["chat_id"], hit["snippet"][1]) == (ids[0], {"text": "apples", "match": True})
    assert run("search", "apples", "--archived").stdout == ""
    assert run("list", "--label", "team:blue").stdout == ""


def test_usage_is_read_from_the_database(run: Run, folder: Path, ids: list[str]) -> None:
    asyncio.run(_pay(folder / "data" / "jupyter_chatd" / "chats.db", ids[0]))
    assert json.loads(run("usage", ids[0], "--json").stdout)["total_cost_micros"] == 1_234_567
    assert json.loads(run("usage", ids[1], "--json").stdout)["message_count"] == 0
    whole = run("usage", "--from", "2026-01-01", "--to", "2026-01-02").stdout.splitlines()
    assert whole[0] == "From 2026-01-01 to 2026-01-02 (UTC days)"
    assert whole[-1].split() == ["all", "1", "1,000", "0", "20", "$1.23"]
    assert json.loads(run("usage", "--to", "2026-01-01", "--json").stdout)["message_count"] == 0


async def _pay(path: Path, chat_id: str) -> None:
    """Let a chat have had a call on the 2nd of January 2026."""
    call = PaidCall(model="x:y", usage=Usage(input_tokens=1000, output_tokens=20), cost_micros=1_234_567)
    async with Store(path) as store:
        await store.write(lambda conn: count_call(conn, get_chat(conn, chat_id), call, now=1_767_312_000.0))


@pytest.mark.parametrize("word", ["zzzz", "abc", "00000000-0000-4000-8000-000000000000"])
def test_a_chat_that_is_not_there(run: Run, ids: list[str], word: str) -> None:
    result = run("show", word)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")


def test_without_chats_there_is_nothing_to_show(run: Run) -> None:
    for command in (["list"], ["show", "last"]):
        result = run(*command)
        assert result.exit_code == 1
        assert "Begin one with jupyter chatd run" in result.stderr


def test_following_needs_a_server(run: Run, ids: list[str]) -> None:
    for command in (["tail", "last"], ["send", "--no-wait", "last", "hello"]):
        result = run(*command)
        assert result.exit_code == 1
        assert "running servers of this user: 0" in result.stderr


def test_a_data_folder_named_in_the_configuration_is_used(run: Run, folder: Path) -> None:
    (folder / "config").mkdir()
    (folder / "config" / "jupyter_server_config.py").write_text(
        f"c.JupyterChatd.data_dir = {str(folder / 'elsewhere')!r}"
    )
    asyncio.run(_fill(folder / "elsewhere" / "chats.db", ["found"]))
    assert "> found" in run("show", "last").stdout


def _findings(result: Result) -> dict[str, dict[str, str]]:
    return {finding["topic"]: finding for finding in json.loads(result.stdout)}


def _switch(folder: Path, word: str) -> Path:
    path = folder / "config" / "jupyter_server_config.d" / "jupyter_chatd.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{{"ServerApp": {{"jpserver_extensions": {{"jupyter_chatd": {word}}}}}}}')
    return path


def test_doctor_is_content_with_what_works(run: Run, folder: Path, ids: list[str]) -> None:
    path = _switch(folder, "true")
    result = run("doctor", "--json")
    found = _findings(result)
    assert result.exit_code == 0
    assert found["extension"] == {"topic": "extension", "level": "ok", "text": f"enabled by {path}"}
    assert "sound" in found["database"]["text"]
    assert found["database"]["text"].endswith("2 chats")
    assert "mode 0700" in found["data folder"]["text"]


def test_doctor_names_the_file_that_switches_the_extension_off(run: Run, folder: Path) -> None:
    path = _switch(folder, "false")
    result = run("doctor")
    assert result.exit_code == 1
    assert f"failed  extension: switched off by {path}" in result.stdout.splitlines()


@pytest.mark.parametrize(
    "settings, level, text",
    [
        ({"desktop_launcher": "fake"}, "ok", "made with fake"),
        ({"desktop_launcher": "socket"}, "note", "none yet: socket needs the path of an RFB server's socket"),
        (
            {"desktop_socket": "/no" * 40},
            "note",
            "none yet: socket needs a socket whose path has at most 100",
        ),
        ({"desktop_socket": "/no/such"}, "note", "none yet: socket needs an RFB server that listens on"),
        (
            {"desktop_launcher": "vnc"},
            "failed",
            "c.JupyterChatd.desktop_launcher: Expected one of auto",
        ),
        ({"sandbox": "required"}, "note", "none: their programs would run outside of the sandbox"),
    ],
)
def test_doctor_says_what_desktops_are_made_with(
    run: Run, folder: Path, settings: dict[str, str], level: str, text: str
) -> None:
    _switch(folder, "true")
    config = folder / "config" / "jupyter_server_config.json"
    config.write_text(json.dumps({"JupyterChatd": settings}))
    found = _findings(run("doctor", "--json"))["desktop"]
    assert found["level"] == level
    assert found["text"].startswith(text)


@pytest.mark.parametrize("is_there, text", [(True, "recorded with ffmpeg"), (False, "that needs ffmpeg")])
def test_doctor_says_whether_desktops_can_be_recorded(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool, text: str
) -> None:
    programs = folder / "programs"
    programs.mkdir()
    if is_there:
        (programs / "ffmpeg").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(programs))
    _switch(folder, "true")
    config = folder / "config" / "jupyter_server_config.json"
    config.write_text(json.dumps({"JupyterChatd": {"desktop_launcher": "fake"}}))
    assert _findings(run("doctor", "--json"))["desktop"]["text"].endswith(text)


@pytest.mark.parametrize(
    "programs, is_shared, level, text",
    [
        (
            ["Xvnc", "openbox", "xterm", "chromium"],
            True,
            "ok",
            "made with xvnc, not recorded: that needs ffmpeg",
        ),
        (
            ["Xvnc", "jwm"],
            False,
            "note",
            "made with xvnc, without a terminal (install xterm), without a browser (install chromium), not",
        ),
        (
            [],
            False,
            "note",
            "none yet: xvnc needs Xvnc of TigerVNC: on Debian and Ubuntu `apt-get install tig",
        ),
        (["portabledesktop"], False, "note", "made with portabledesktop, whose port every account of this"),
        (["portabledesktop"], True, "note", "none yet: xvnc needs Xvnc of TigerVNC"),
    ],
)
def test_doctor_says_what_auto_comes_to(
    run: Run,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    programs: list[str],
    is_shared: bool,
    level: str,
    text: str,
) -> None:
    people = ["ada"] if is_shared else []
    monkeypatch.setattr("jupyter_chatd.desktop.launchers.portabledesktop.other_people", lambda: people)
    (folder / "programs").mkdir()
    for name in programs:
        (folder / "programs" / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(folder / "programs"))
    _switch(folder, "true")
    found = _findings(run("doctor", "--json"))["desktop"]
    assert (found["level"], found["text"][: len(text)]) == (level, text)


def test_doctor_says_that_a_port_is_refused_on_a_shared_host(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_chatd.desktop.launchers.portabledesktop.other_people", lambda: ["ada"])
    (folder / "programs").mkdir()
    (folder / "programs" / "portabledesktop").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(folder / "programs"))
    config = folder / "config" / "jupyter_server_config.json"
    for allowed, text in (
        (False, "none yet: portabledesktop needs permission: ada could"),
        (True, "made with"),
    ):
        settings = {"desktop_launcher": "portabledesktop", "desktop_on_shared_hosts": allowed}
        _switch(folder, "true")
        config.write_text(json.dumps({"JupyterChatd": settings}))
        assert _findings(run("doctor", "--json"))["desktop"]["text"].startswith(text)


def test_doctor_finds_damage(run: Run, folder: Path) -> None:
    _switch(folder, "true")
    path = folder / "data" / "jupyter_chatd" / "chats.db"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database at all" * 100)
    result = run("doctor", "--json")
    assert result.exit_code == 1
    assert _findings(result)["database"]["level"] == "failed"


def test_doctor_warns_of_what_others_may_read(run: Run, folder: Path, ids: list[str]) -> None:
    _switch(folder, "true")
    keys = folder / "data" / "jupyter_chatd" / "keys.json"
    keys.write_text("{}")
    keys.chmod(0o644)
    keys.parent.chmod(0o755)
    found = _findings(run("doctor", "--json"))
    assert f"chmod 700 {keys.parent}" in found["data folder"]["text"]
    assert f"chmod 600 {keys}" in found["key file"]["text"]
