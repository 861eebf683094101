"""Files, references, labels, the search and the archive, from Python and from a terminal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from acceptance.kernels import kernel_of
from acceptance.test_cli import COMMAND, Terminal
from servers import ROOT, JupyterServer

from jupyter_chatd.client import Chat, ClientError, RefusedError, file_reference
from jupyter_chatd.messages import FilePart, FileReferencePart

DEMO = "demo:demo"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(64))
MEBIBYTE = 1024 * 1024


@pytest.fixture
def where(shared_server: JupyterServer) -> dict[str, Any]:
    return {"url": shared_server.url, "token": shared_server.token}


@pytest.fixture
def begin(where: dict[str, Any]) -> Callable[..., Chat]:
    """Begin a chat with the demo model."""
    return lambda text, **options: Chat(text, model=DEMO, **where, **options)


@pytest.fixture
def terminal(shared_server: JupyterServer) -> Terminal:
    return Terminal(shared_server.dirs, shared_server.dirs.work)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "größe.png"
    path.write_bytes(PNG)
    return path


# In Python


def test_files_go_along_with_messages_and_come_back(
    begin: Callable[..., Chat], picture: Path, tmp_path: Path
) -> None:
    (tmp_path / "table.csv").write_text("a,b\n")
    chat = (
        begin("say hello", files=[picture])
        .wait()
        .send("say more", files=[str(tmp_path / "table.csv")])
        .wait()
    )
    assert [(file.name, file.media_type, file.size) for file in chat.files] == [
        ("größe.png", "image/png", len(PNG)),
        ("table.csv", "text/csv", 4),
    ]
    assert [chat.download(file) for file in chat.files] == [PNG, b"a,b\n"]
    sent = [part for message in chat.messages for part in message.parts if isinstance(part, FilePart)]
    assert [part.file_id for part in sent] == [file.id for file in chat.files]
    assert "> say hello\n> [file: größe.png]\n" in chat._repr_mimebundle_()["text/plain"]


def test_a_file_of_another_chat_is_not_sent_again(begin: Callable[..., Chat], picture: Path) -> None:
    (file,) = begin("say hello", files=[picture]).wait().files
    assert begin("say hello", files=[file]).wait().files == (file,)


def test_what_the_server_does_not_take_is_told_before_a_chat_begins(
    begin: Callable[..., Chat], tmp_path: Path
) -> None:
    liar = tmp_path / "picture.png"
    liar.write_text("<html><script>alert(1)</script>")
    with pytest.raises(RefusedError, match="says image/png, but the file is an HTML document"):
        begin("say never1", files=[liar])
    with pytest.raises(ClientError, match="cannot be read"):
        begin("say never2", files=[tmp_path / "nowhere.txt"])
    (tmp_path / "large.txt").write_bytes(b"x" * (11 * MEBIBYTE))
    with pytest.raises(RefusedError, match="at most 10485760 bytes"):
        begin("say never3", files=[tmp_path / "large.txt"])


def test_lines_of_a_file_can_be_what_a_message_is_about(begin: Callable[..., Chat], tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\ny = 2\n")
    content = [{"type": "text", "text": "say why"}, file_reference(tmp_path / "a.py", 2)]
    (message, *_) = begin(content).wait().messages
    assert message.parts[1] == FileReferencePart(
        file_name=str(tmp_path / "a.py"), start_line=2, end_line=2, content="y = 2"
    )


def test_chats_are_found_by_label_and_by_words(begin: Callable[..., Chat], where: dict[str, Any]) -> None:
    red = begin("say tomatoes", labels={"colour": "red", "kind": "fruit"}).wait()
    green = begin("say tomatoes too", labels={"colour": "green", "kind": "fruit"}).wait()

    def found(**query: Any) -> set[str]:
        return {chat.id for chat in Chat.list(**query, **where)}

    assert found(labels={"kind": "fruit"}) == {red.id, green.id}
    assert found(labels={"kind": "fruit", "colour": "red"}) == {red.id}
    red.update(labels={"colour": "blue:ish"}, title="Blue")
    assert found(labels={"colour": "blue:ish"}) == {red.id}
    assert (red.title, red.labels) == ("Blue", {"colour": "blue:ish"})
    hits = Chat.search("tomatoes", **where)
    assert {hit.chat_id for hit in hits} == {red.id, green.id}
    assert all("tomatoes" in hit.text for hit in hits)
    assert "<td" in hits._repr_html_()


def test_what_nobody_followed_is_new(
    shared_server: JupyterServer, where: dict[str, Any], terminal: Terminal
) -> None:
    body = {"content": [{"type": "text", "text": "say leek"}], "model": DEMO, "title": "Leek"}
    with httpx.Client(headers=shared_server.headers, timeout=30) as client:
        chat_id = client.post(shared_server.chats_url, json=body).json()["id"]

    def is_new() -> bool:
        return Chat.open(chat_id, **where).has_unread

    eventually(is_new)
    assert [line for line in terminal.run("list").stdout.splitlines() if line.endswith("Leek  [new]")]
    Chat.open(chat_id, **where).wait()
    terminal.run("tail", chat_id, "--until-idle")  # closes its stream, as the object above may not have yet
    eventually(lambda: not is_new())


def eventually(holds: Callable[[], bool]) -> None:
    """Wait for something that nothing tells of."""
    give_up_at = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < give_up_at
        time.sleep(0.05)


def test_a_chat_goes_into_the_archive_and_comes_back(
    begin: Callable[..., Chat], where: dict[str, Any]
) -> None:
    chat = begin("say radishes").wait().archive()
    assert chat.id not in {one.id for one in Chat.list(**where)}
    assert chat.id in {one.id for one in Chat.list(archived=True, **where)}
    with pytest.raises(RefusedError):
        chat.send("say more")
    chat.unarchive().update(pin=1)
    assert chat.send("say more").wait().text == "more"


# From a terminal


def test_files_lines_and_standard_input_go_along(terminal: Terminal, picture: Path, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\ny = 2\nz = 3\n")
    done = terminal.run(
        *("run", "--json", "-m", DEMO, "-f", str(picture), "-f", "-", "-l", f"{tmp_path}/a.py:2-3", "say hi"),
        stdin="pasted\n",
    )
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)["messages"][0]["content"]
    assert [part["type"] for part in content] == ["text", "file-reference", "file", "file"]
    assert (content[1]["start_line"], content[1]["content"]) == (2, "y = 2\nz = 3")
    assert content[2]["name"] == "größe.png"
    assert content[3]["name"].startswith("pasted-text-")
    sent = terminal.run("send", json.loads(done.stdout)["id"], "say more", "-f", str(picture), "--json")
    assert json.loads(sent.stdout)["messages"][-2]["content"][1]["media_type"] == "image/png"


def test_chats_are_labelled_searched_and_archived(terminal: Terminal) -> None:
    made = terminal.run("run", "--json", "-m", DEMO, "--label", "team:blue", "say kohlrabi").stdout
    chat_id = json.loads(made)["id"]
    prefix = chat_id[:8]
    assert terminal.run("list", "--label", "team:blue").stdout.startswith(prefix)
    assert terminal.run("label", prefix, "team:red", "url:http://x").returncode == 0
    listed = json.loads(terminal.run("list", "--label", "team:red", "--json").stdout)
    assert [(chat["id"], chat["labels"]["url"]) for chat in listed] == [(chat_id, "http://x")]
    lines = terminal.run("search", "kohlrabi").stdout.splitlines()
    assert [line[:8] for line in lines] == [prefix, prefix]
    assert any(line.endswith("say kohlrabi: say kohlrabi") for line in lines)
    assert terminal.run("archive", prefix).returncode == 0
    assert terminal.run("search", "kohlrabi").stdout == ""
    assert len(json.loads(terminal.run("search", "kohl", "--archived", "--json").stdout)) == 2
    assert terminal.run("archive", "--undo", prefix).returncode == 0
    assert terminal.run("search", "kohlrabi").stdout.splitlines() == lines


# The documentation


DOCS = (ROOT / "docs" / "files.md").read_text("utf-8")


def block(language: str, beginning: str) -> str:
    """The example that begins so."""
    (found,) = (
        text
        for text in re.findall(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)
        if text.startswith(beginning)
    )
    return found


@pytest.fixture
def examples(shared_server: JupyterServer) -> Path:
    """The folder that the server serves, with the files of the examples and something for `git diff`."""
    folder = shared_server.dirs.work
    (folder / "plot.png").write_bytes(PNG)
    (folder / "table.csv").write_text("a,b\n")
    (folder / "report.pdf").write_bytes(b"%PDF-1.7\n")
    (folder / "model.py").write_text("pass\n" * 20)
    for command in ("init -q", "add model.py"):
        subprocess.run(["git", *command.split()], cwd=folder, check=True, timeout=30)
    (folder / "model.py").write_text("pass\n" * 30)
    return folder


def test_the_python_example_works(shared_server: JupyterServer, examples: Path) -> None:
    with kernel_of(shared_server) as kernel:
        printed = kernel.run(block("python", "from jupyter_chatd import Chat"))
    assert printed.splitlines() == [
        f"plot.png image/png {len(PNG)} {len(PNG)}",
        "table.csv text/csv 4 4",
        "report.pdf application/pdf 9 9",
    ]


def test_the_commands_work(terminal: Terminal, examples: Path) -> None:
    script = block("sh", "jupyter chatd run").replace("jupyter chatd", " ".join(COMMAND))
    subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=examples, env=terminal.env, check=True, timeout=60
    )
    shown = terminal.run("show", "last").stdout
    assert re.search(r"^> review this\n> \[file: pasted-text-[-\d]+\.txt\]$", shown, re.MULTILINE)


def test_the_requests_work(shared_server: JupyterServer, examples: Path) -> None:
    upload, create = re.findall(r"^curl .*?[^\\]$", block("sh", "curl"), re.MULTILINE | re.DOTALL)
    env = {
        **os.environ,
        "URL": shared_server.chats_url,
        "AUTH": f"Authorization: token {shared_server.token}",
    }

    def run(command: str, **more: str) -> Any:
        done = subprocess.run(
            ["bash", "-c", f"{command} --silent --show-error --fail"],
            cwd=examples, env=env | more, capture_output=True, text=True, check=True, timeout=30,
        )  # fmt: skip
        return json.loads(done.stdout)

    file = run(upload)
    assert (file["name"], file["media_type"]) == ("plot.png", "image/png")
    chat = run(create, FILE=file["id"])
    with httpx.Client(headers=shared_server.headers, timeout=30) as client:
        held = client.get(f"{shared_server.chats_url}/{chat['id']}/files").json()
    assert held == [file]
