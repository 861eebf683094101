from __future__ import annotations

import os
from pathlib import Path

import pytest

from jupyter_chatd.workspace.protocol import ProcessSpec, WorkspaceAgent, WorkspaceFacts
from jupyter_chatd.workspace.server import ServerAgent

from .processes import CHAT, run

pytestmark = pytest.mark.anyio

SECRETS = ("OPENAI_API_KEY", "JUPYTER_TOKEN", "JPY_API_TOKEN", "JUPYTERHUB_API_TOKEN")


async def test_facts(agent: WorkspaceAgent, folder: Path, tmp_path: Path) -> None:
    assert await agent.facts() == WorkspaceFacts(os="linux", directory=str(folder), home=str(tmp_path))


async def test_a_command_sees_no_secret_of_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "s3cret")
    monkeypatch.setenv("WANTED", "yes")
    agent = ServerAgent(
        directory=tmp_path,
        home=tmp_path,
        state_folder=tmp_path / "state",
        extra_env_names=["WANTED", "JUPYTER_TOKEN"],
    )
    try:
        shown = (await run(agent, "env")).output
    finally:
        await agent.aclose()
    assert "s3cret" not in shown
    assert not any(name in shown for name in SECRETS)
    expected = {"WANTED=yes", "TERM=dumb", f"CODER_CHAT_ID={CHAT}", f"JUPYTER_CHATD_CHAT_ID={CHAT}"}
    assert expected <= set(shown.splitlines())


@pytest.fixture
def below(folder: Path) -> Path:
    path = folder / "sub"
    path.mkdir()
    return path


async def test_commands_start_in_the_wanted_folder(agent: WorkspaceAgent, folder: Path, below: Path) -> None:
    for wanted, expected in ((None, folder), ("sub", below), (str(below), below)):
        spec = ProcessSpec(command="pwd", chat_id=CHAT, work_dir=wanted)
        process_id = await agent.start_process(spec)
        output = await agent.wait_process(CHAT, process_id, timeout_s=30)
        assert output.output == f"{expected}\n"


async def test_home_stands_in_for_a_folder_that_is_gone(
    agent: WorkspaceAgent, folder: Path, tmp_path: Path
) -> None:
    os.rmdir(folder)
    assert (await run(agent, "pwd")).output == f"{tmp_path}\n"


async def test_a_specs_variables_are_added_but_cannot_change_whose_it_is(agent: WorkspaceAgent) -> None:
    spec = ProcessSpec(
        command="echo $PAGER $CODER_CHAT_ID",
        chat_id=CHAT,
        env={"PAGER": "cat", "CODER_CHAT_ID": "someone else"},
    )
    process_id = await agent.start_process(spec)
    assert (await agent.wait_process(CHAT, process_id, timeout_s=30)).output == f"cat {CHAT}\n"
