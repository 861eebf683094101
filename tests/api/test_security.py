"""What the model and its tools must not get at: tokens, keys, chats, the server's memory and environment."""

from __future__ import annotations

import ctypes
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.steps import call, say

from jupyter_chatd.extension import JupyterChatd

from .client import Api, Json
from .conftest import KEY, Serve

PR_GET_DUMPABLE, PR_SET_DUMPABLE = 3, 4  # from linux/prctl.h


async def run_tools(api: Api, openai: Serve, calls: list[Any]) -> list[Json]:
    """Let the model make the calls in one step, and return their results in call order."""
    async with openai([calls, [say("done")]]):
        chat = await api.finished("go", model="openai:fake-model")
    assert chat["status"] == "waiting"
    return await api.results(chat["id"])


@pytest.fixture
def secrets(jp_serverapp: Any, jp_data_dir: Path, jp_runtime_dir: Path, jp_config_dir: Path) -> list[Path]:
    """Files that belong to the server: keys, chats, the token, the configuration."""
    data = jp_data_dir / "jupyter_chatd"
    (data / "keys.json").write_text(json.dumps({"openai": KEY}))
    (data / "keys.json").chmod(0o600)
    (jp_config_dir / "jupyter_server_config.json").write_text(json.dumps({"token": KEY}))
    (server,) = jp_runtime_dir.glob("jpserver-*.json")
    return [
        data / "keys.json",
        data / "chats.db",
        data / "chats.db-wal",
        jp_config_dir / "jupyter_server_config.json",
        server,
    ]


@pytest.fixture
def detours(secrets: list[Path], jp_root_dir: Path) -> list[str]:
    """The key file by other names."""
    (jp_root_dir / "folder").symlink_to(secrets[0].parent)
    (jp_root_dir / "file").symlink_to(secrets[0])
    os.link(secrets[0], jp_root_dir / "hard")
    through = f"{jp_root_dir}/../data/jupyter_chatd/./keys.json"
    return [*(str(jp_root_dir / name) for name in ("folder/keys.json", "file", "hard")), through]


async def test_file_tools_refuse_what_belongs_to_the_server(
    api: Api, openai: Serve, secrets: list[Path], detours: list[str]
) -> None:
    before = {path: path.read_bytes() for path in secrets}
    calls = [call("read_file", {"path": path}) for path in [*map(str, secrets), *detours]]
    changed = [str(path) for path in (secrets[0], secrets[3], secrets[4])] + detours[:2]
    calls += [call("write_file", {"path": path, "content": "{}"}) for path in changed]
    edit = [{"search": KEY, "replace": "mine"}]
    calls += [call("edit_files", {"files": [{"path": path, "edits": edit}]}) for path in changed]
    for step, result in zip(calls, await run_tools(api, openai, calls), strict=True):
        assert result.get("is_error"), f"{step} was not refused"
        assert KEY not in json.dumps(result)
    for path in secrets:
        if "chats.db" not in path.name:
            assert path.read_bytes() == before[path]


async def test_file_tools_refuse_the_servers_environment(api: Api, openai: Serve) -> None:
    places = [f"/proc/{pid}/{name}" for pid in ("self", os.getpid()) for name in ("environ", "mem", "fd/0")]
    calls = [call("read_file", {"path": path}) for path in [*places, "/dev/stdin", "/dev/fd/0"]]
    for result in await run_tools(api, openai, calls):
        assert "is protected: it belongs to the Jupyter server" in result["result"]["error"]


@pytest.fixture
def secret_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server is started with."""
    for name in ("JUPYTER_TOKEN", "JUPYTERHUB_API_TOKEN", "OPENAI_API_KEY", "UNLISTED"):
        monkeypatch.setenv(name, KEY)
    monkeypatch.setenv("LISTED", "seen")


@pytest.mark.parametrize("settings", [{"extra_environment": ["LISTED", "OPENAI_API_KEY"]}])
async def test_commands_see_no_token_and_no_key(secret_environment: None, api: Api, openai: Serve) -> None:
    (result,) = await run_tools(api, openai, [call("execute", {"command": "env"})])
    names = {line.partition("=")[0] for line in result["result"]["output"].splitlines()}
    assert {"PATH", "HOME", "TERM", "LISTED"} <= names
    assert KEY not in result["result"]["output"]


@pytest.fixture
def dumpable_again() -> Iterator[None]:
    yield
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)


@pytest.mark.parametrize("settings", [{"undumpable": True}])
@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into every process")
@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
async def test_commands_cannot_look_into_the_server(dumpable_again: None, api: Api, openai: Serve) -> None:
    places = [f"/proc/{os.getpid()}/{name}" for name in ("environ", "mem", "maps")]
    calls = [call("execute", {"command": f"cat {place}"}) for place in places]
    for result in await run_tools(api, openai, calls):
        assert result["result"]["exit_code"] != 0
        assert "Permission denied" in result["result"]["output"]


@pytest.mark.parametrize("settings", [{"undumpable": True}])
@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
async def test_the_server_makes_itself_undumpable(dumpable_again: None, api: Api) -> None:
    assert ctypes.CDLL(None).prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0
    assert JupyterChatd.undumpable.default_value is True


async def test_nothing_listens_but_jupyter(api: Api, jp_http_port: int) -> None:
    await api.finished("run `sleep 1` in the background")
    assert listening() == {jp_http_port}


def listening() -> set[int]:
    """The TCP ports on which this process accepts connections."""
    inodes = {
        os.readlink(path).removeprefix("socket:[").removesuffix("]")
        for path in Path("/proc/self/fd").iterdir()
        if os.path.lexists(path) and os.readlink(path).startswith("socket:")
    }
    rows = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/self/net/{name}").read_text().splitlines()[1:]
    ]
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A" and row[9] in inodes}
