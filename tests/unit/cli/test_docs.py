"""The commands and names in the documentation exist."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from jupyter_chatd import widgets
from jupyter_chatd.cli.app import chatd
from jupyter_chatd.client import Chat, ChatList

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NOTEBOOK = ROOT / "notebooks" / "quickstart.ipynb"

_COMMAND = re.compile(r"jupyter chatd ([a-z][^|`\n]*)")


def commands(text: str) -> list[str]:
    """Return every `jupyter chatd …` line of a text, without comments."""
    lines = (line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines())
    return [found[1] for line in lines if (found := _COMMAND.search(line))]


def all_commands() -> list[str]:
    notebook = re.findall(r"jupyter chatd ([^\n]*?)\\n", NOTEBOOK.read_text().replace('\\"', '"'))
    return [command for page in PAGES for command in commands(page.read_text())] + notebook


@pytest.mark.parametrize("line", all_commands())
def test_commands_are_understood(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is parsed with all its options and arguments; nothing is run."""
    (tmp_path / "plot.png").touch()
    monkeypatch.chdir(tmp_path)
    name, *args = shlex.split(line, comments=True)
    command = chatd.commands[name]
    if isinstance(command, click.Group):
        name, *args = args
        command = command.commands[name]
    command.make_context(name, args)


def every_command() -> list[click.Command]:
    groups = [command for command in chatd.commands.values() if isinstance(command, click.Group)]
    return [*chatd.commands.values(), *(command for group in groups for command in group.commands.values())]


def test_lists_of_commands_are_not_cut_off() -> None:
    groups = [chatd, *(command for command in chatd.commands.values() if isinstance(command, click.Group))]
    for group in groups:
        listed = group.get_help(click.Context(group)).partition("Commands:")[2]
        assert "..." not in listed


def test_every_command_and_its_help_are_documented() -> None:
    text = (ROOT / "docs" / "cli.md").read_text()
    assert {line.split()[0] for line in commands(text)} == set(chatd.commands)
    for command in every_command():
        assert command.help
        options = [one for one in command.params if isinstance(one, click.Option)]
        assert all(option.help for option in options)


def test_options_in_prose_exist() -> None:
    known = {name for command in every_command() for option in command.params for name in option.opts}
    pages = [ROOT / "docs" / "cli.md", ROOT / "docs" / "mcp.md"]
    named = {name for page in pages for name in re.findall(r"`(--[a-z-]+)", page.read_text())}
    assert named <= known | {"--help"}


def test_every_command_about_mcp_servers_is_documented() -> None:
    text = (ROOT / "docs" / "mcp.md").read_text()
    group = chatd.commands["mcp"]
    assert isinstance(group, click.Group)
    assert {line.split()[1] for line in commands(text)} == set(group.commands)


def test_what_a_chat_is_said_to_have_it_has() -> None:
    text = (ROOT / "docs" / "client.md").read_text()
    names = set(re.findall(r"`?chat\.([a-z_]+)", text)) | set(re.findall(r"`Chat\.([a-z_]+)", text))
    assert len(names) > 12
    assert {name for name in names if not hasattr(Chat, name)} == set()
    public = {name for name in vars(Chat) if not name.startswith("_")} - {
        "id",
        "title",
        "model",
        "last_status",
        "live",  # for widgets only
    }
    assert public <= names
    assert issubclass(ChatList, tuple)


def test_every_widget_is_documented() -> None:
    rows = re.findall(r"^\| `(\w+)\(chat\)` \|", (ROOT / "docs" / "widgets.md").read_text(), re.MULTILINE)
    assert set(rows) == set(widgets.__all__) - {"AgentWidget"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_in_the_documentation_compiles_and_calls_chats_as_they_are(page: Path) -> None:
    text = page.read_text()
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        compile(block, page.name, "exec")
    prose = [line for line in re.findall(r"`([^`\n]+)`", text) if re.match(r"[Cc]hat[.(]", line)]
    for source in [*re.findall(r"```python\n(.*?)```", text, re.DOTALL), *map(in_python, prose)]:
        for call in calls_of_chats(source):
            known = set(inspect.signature(function_of(call)).parameters)
            assert {keyword.arg for keyword in call.keywords} <= known, ast.unparse(call)


def in_python(example: str) -> str:
    """An example of the text, whose ellipses stand where Python has one only as a value."""
    return re.sub(r"[(,] ?…[,)]", lambda found: found[0].replace("…", "..."), example).replace("…", "...")


def calls_of_chats(source: str) -> list[ast.Call]:
    """The calls of `Chat`, and of methods of what is called `Chat` or `chat`."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return [call for call in calls if re.match(r"[Cc]hat(\.[a-z_]+)?$", ast.unparse(call.func))]


def function_of(call: ast.Call) -> Callable[..., Any]:
    return getattr(Chat, call.func.attr) if isinstance(call.func, ast.Attribute) else Chat
