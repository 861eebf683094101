"""Plan mode under bubblewrap: a model that tries every tool changes its plan and nothing else."""

from __future__ import annotations

import glob
import hashlib
import json
import shutil
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from servers import ROOT, Dirs, JupyterServer, free_port

import jupyter_chatd.runtime  # noqa: F401 - all tools are loaded with it
from jupyter_chatd.tools.ask_user_question import AskUserQuestion
from jupyter_chatd.tools.builtin import BuiltinTool

from .test_cli import KEY, vendor
from .test_sandbox import Person

MCP_SERVER = [sys.executable, "-P", str(ROOT / "tests" / "fakes" / "mcp_old_server.py")]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap"),
]

Step = list[dict[str, Any]]


def call(tool: str, **args: Any) -> dict[str, Any]:
    return {"call": [tool, args]}


class Mischief:
    """What a model tries: for each way of changing something a file that would show it."""

    def __init__(self, dirs: Dirs, plan: Path) -> None:
        self.mark = f"chatd-{uuid.uuid4().hex}"
        self._work = dirs.work
        self._home = dirs.home
        self._plan = plan

    @property
    def proofs(self) -> set[Path]:
        """What there is after it was done where nothing forbids it."""
        names = (
            "touched",
            "background",
            "daemon",
            "written",
            "mcp-stored",
            "mcp-project",
            "moved",
            "computed",
        )
        return {*(self._work / name for name in names), self._home / "written", Path(f"/tmp/{self.mark}")}

    @property
    def script(self) -> list[Step]:
        """The answers of the model, and after the last one of its subagents the same again."""
        steps = [self._commands(), self._files(), self._kernel(), self._elsewhere(), self._places()]
        return [*steps, self._agents(), [call("propose_plan")]]

    def _commands(self) -> Step:
        work, home = self._work, self._home
        commands = (
            "touch touched; echo changed >> code.py; chmod 600 code.py; touch -d 2001-01-01 code.py",
            f"mv old.txt moved; rm -f gone.txt; mkdir folder; ln -s code.py link; touch {home}/touched",
            f"touch /tmp/{self.mark}; python3 -c \"open('{work}/code.py', 'a').write('x')\"",
            f"mount -o remount,rw /; echo x >> {self._plan.parent}/other.md; setsid touch daemon",
            f"echo x >> {home}/.bashrc; git init -q . ; truncate -s 0 gone.txt",
        )
        later = call("execute", command="sleep 0.1; touch background", run_in_background=True)
        return [*(call("execute", command=command) for command in commands), later]

    def _files(self) -> Step:
        edits = [{"search": "print", "replace": "changed"}]
        code = str(self._work / "code.py")
        plan = str(self._plan)
        return [
            call("write_file", path=str(self._work / "written"), content="x"),
            call("write_file", path=str(self._home / "written"), content="x"),
            call("write_file", path=f"{plan}/../../../escaped", content="x"),
            call("write_file", path=plan, content="# The plan\n"),
            call("edit_files", files=[{"path": code, "edits": edits}]),
            call("edit_files", files=[{"path": path, "edits": edits} for path in (plan, code)]),
            call("attach_file", path=code),
            call("read_file", path=code),
        ]

    def _kernel(self) -> Step:
        return [
            call("execute_code", code=f"open({str(self._work / 'computed')!r}, 'w').close()"),
            call("code_output"),
            call("inspect_variables", names=["x"]),
            call("interrupt_kernel"),
            call("restart_kernel"),
        ]

    def _places(self) -> Step:
        """Workspaces: none is made, or the rest would happen there."""
        return [
            call("list_templates"),
            call("read_template", template_id="none"),
            call("create_workspace", template_id="none"),
            call("start_workspace"),
            call("stop_workspace"),
        ]

    def _elsewhere(self) -> Step:
        return [
            call("stored__shell", command="touch mcp-stored"),
            call("project__shell", command="touch mcp-project"),
            call("process_list"),
            call("process_output", process_id="1", wait_timeout="2s"),
            call("process_signal", process_id="1", signal="terminate"),
            call("read_skill", name="none"),
            call("read_skill_file", name="none", path="none"),
            call("no_such_tool", path=str(self._work / "written")),
        ]

    def _agents(self) -> Step:
        kinds = ("general", "explore", "computer_use")
        return [
            *(call("spawn_agent", type=kind, prompt="Do what you can.") for kind in kinds),
            call("list_agents"),
            call("message_agent", chat_id="none", message="Do it."),
            call("close_agent", chat_id="none"),
            call("wait_agent", chat_id="none"),
        ]


@pytest.fixture
def workspace(dirs: Dirs) -> Dirs:
    """A folder with files, a start-up file, and a project's MCP server."""
    for name in ("code.py", "old.txt", "gone.txt"):
        (dirs.work / name).write_text("print(1)\n")
    (dirs.work / ".agents" / "plans").mkdir(parents=True)
    (dirs.home / ".bashrc").write_text("# of the user\n")
    program, *args = MCP_SERVER
    servers = {"mcpServers": {"project": {"command": program, "args": args}}}
    (dirs.work / ".mcp.json").write_text(json.dumps(servers))
    return dirs


def state(dirs: Dirs, plan: Path) -> dict[str, tuple[Any, ...]]:
    """What every file of the user is and holds, and when it changed; without the agent's own and the plan."""
    own = (dirs.data / "jupyter_chatd", dirs.runtime, dirs.root / "server.log", dirs.root / "script.json")
    found = (path for folder in (dirs.work, dirs.home, dirs.config, dirs.data) for path in folder.rglob("*"))
    kept = (path for path in found if not any(path.is_relative_to(place) for place in own))
    return {str(path): facts(path) for path in kept if path not in (plan, plan.parent)}


def facts(path: Path) -> tuple[Any, ...]:
    status = path.lstat()
    content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    return status.st_mode, status.st_mtime_ns, status.st_size, content


def family(person: Person, chat_id: str) -> list[str]:
    """The ids of a chat and its subagents."""
    return [chat_id, *(child["id"] for child in person.get(f"{chat_id}/children"))]


def trust_project(server: JupyterServer) -> None:
    with httpx.Client(base_url=f"{server.chats_url}/", headers=server.headers, timeout=60) as http:
        sha256 = http.get("mcp/project").raise_for_status().json()["project"]["sha256"]
        http.post("mcp/project", json={"sha256": sha256, "trusted": True}).raise_for_status()


@pytest.mark.parametrize("mode", [{"plan_mode": "plan"}, {}], ids=["plan", "no plan"])
def test_a_model_that_tries_every_tool_changes_nothing_but_its_plan(
    workspace: Dirs, make_server: Callable[..., JupyterServer], mode: dict[str, str]
) -> None:
    """And the same script changes all of it where the chat does not plan."""
    port = free_port()
    env = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1"}
    server = make_server(env=env, settings={"JupyterChatd": {"sandbox": "preferred"}})
    trust_project(server)
    with Person(server) as person:
        program, *args = MCP_SERVER
        fields = {"transport": "stdio", "command": program, "args": args, "availability": "force_on"}
        person.post("api/experimental/chats/mcp/servers", {"slug": "stored", **fields})
        chat_id = person.chat("say hello")
        person.wait_until(chat_id, "waiting")
        plan = workspace.work / ".agents" / "plans" / f"{chat_id}.md"
        mischief = Mischief(workspace, plan)
        assert_every_tool_is_tried(mischief)
        before = state(workspace, plan)
        script = workspace.root / "script.json"
        script.write_text(json.dumps(mischief.script))
        with vendor("openai_server", "--port", str(port), "--script", str(script)):
            content = [{"type": "text", "text": "Try everything."}]
            body = {"content": content, "model": "openai:gpt-x", **mode}
            person.post(f"api/experimental/chats/{chat_id}/messages", body)
            person.wait_until(chat_id, "waiting")
            members = family(person, chat_id)
            for member in members:
                person.wait_until(member, "waiting")
        results = person.results(chat_id)
    changed = changes(before, state(workspace, plan))
    there = {path for path in mischief.proofs if path.exists()}
    for path in glob.glob(f"/tmp/{mischief.mark}"):
        Path(path).unlink()
    assert plan.read_text() == "# The plan\n"
    assert len(results) > 25
    if mode:
        assert changed == set()
        assert there == set()
        assert len(members) > 1, "subagents tried it too"
    else:
        assert there == mischief.proofs
        assert str(workspace.work / "code.py") in changed
        assert str(workspace.work / "gone.txt") in changed


def changes(before: dict[str, tuple[Any, ...]], after: dict[str, tuple[Any, ...]]) -> set[str]:
    """The paths that differ."""
    return {path for path in {*before, *after} if before.get(path) != after.get(path)}


def assert_every_tool_is_tried(mischief: Mischief) -> None:
    """A tool that is new has to be in the script; it must not ask the user, which would end it early."""
    tried = {step["call"][0] for answer in mischief.script for step in answer}
    assert names_of_tools(BuiltinTool) - {AskUserQuestion.name} <= tried


def names_of_tools(kind: type[Any]) -> set[str]:
    """The names of all tools that are of this kind."""
    names = set[str]().union(*map(names_of_tools, kind.__subclasses__()))
    return names | ({kind.name} if isinstance(getattr(kind, "name", None), str) else set[str]())
