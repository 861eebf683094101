"""Chats in a kernel, besides what draws them: magics, traits, tables."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from acceptance.kernels import Kernel, kernel_of
from servers import JupyterServer

WIDGET = "application/vnd.jupyter.widget-view+json"
BEGIN = """
from jupyter_chatd import Chat, widgets
chat = Chat("say hello", model="demo:demo").wait()
"""


@pytest.fixture(scope="module")
def kernel(shared_server: JupyterServer) -> Iterator[Kernel]:
    with kernel_of(shared_server) as kernel:
        kernel.run(BEGIN + "%load_ext jupyter_chatd")
        yield kernel


def shown(kernel: Kernel, code: str, kind: str = "display_data") -> dict[str, str]:
    """Return the last output of *code* by MIME type."""
    return kernel.messages(code, kind)[-1]["content"]["data"]


@pytest.mark.parametrize(
    "name, words",
    [
        ("Chat", "> say hello"),
        ("ToolCalls", "no tool calls"),
        ("AgentTree", "say hello"),
        ("Approval", "> say hello"),
    ],
)
def test_each_widget_leaves_text_and_html_in_the_file(kernel: Kernel, name: str, words: str) -> None:
    data = shown(kernel, f"display(widgets.{name}(chat))")
    assert {WIDGET, "text/plain", "text/html"} <= set(data)
    assert words in data["text/plain"]
    assert words.removeprefix("> ") in data["text/html"]


def test_a_box_of_a_chat_that_was_only_opened_leaves_what_was_said(kernel: Kernel) -> None:
    code = "import ipywidgets\ndisplay(ipywidgets.VBox([widgets.Chat(Chat.open(chat.id))]))"
    data = shown(kernel, code)
    assert "> say hello" in data["text/plain"]
    assert "say hello" in data["text/html"]


def test_a_chat_shows_itself_with_one_widget_however_often(kernel: Kernel) -> None:
    first, second = shown(kernel, "chat"), shown(kernel, "chat")
    assert first[WIDGET] == second[WIDGET]


def test_the_copy_in_the_file_stays_small(kernel: Kernel) -> None:
    long = "Chat('run `seq 1 20000`', model='demo:demo').wait()"
    assert len(json.dumps(shown(kernel, f"display({long})"))) < 12_000


def test_status_and_text_are_traits(kernel: Kernel) -> None:
    code = """
import ipywidgets
label = ipywidgets.Label()
ipywidgets.dlink((chat.widget, "text"), (label, "value"))
seen = []
chat.observe(lambda change: seen.append(change["new"]))
chat.send("say what is linked").wait()
import time
give_up_at = time.monotonic() + 60
while label.value != "what is linked" or seen[-1:] != ["waiting"]:
    assert time.monotonic() < give_up_at, (label.value, seen)
    time.sleep(0.02)
print(set(seen) <= {"pending", "running", "waiting"}, chat.widget.status, chat.widget.title)
"""
    assert kernel.run(code) == "True waiting say hello\n"


def test_an_observer_may_use_the_chat(kernel: Kernel) -> None:
    code = """
import threading
done = threading.Event()
other = Chat("say one", model="demo:demo")
def go_on(change):
    if change["new"] == "waiting" and other.text == "one":
        other.send("say two")
        done.set()
other.observe(go_on)
other.wait()
print(done.wait(60))
print(other.wait().text)
"""
    assert kernel.run(code) == "True\ntwo\n"


def test_messages_and_tool_calls_are_tables(kernel: Kernel) -> None:
    code = """
table = Chat("run `echo hi`", model="demo:demo").wait()
frame = table.messages.to_frame()
print(list(frame["who"]), list(frame["tool calls"]), frame["time"].dt.tz)
print(*table.tool_calls.to_frame()[["tool", "status"]].iloc[0])
print("<table>" in table.messages._repr_html_())
"""
    who, call, html = kernel.run(code).splitlines()
    assert who == "['user', 'assistant', 'tool', 'assistant'] [0, 1, 0, 0] UTC"
    assert call == "execute done"
    assert html == "True"


def test_magics(kernel: Kernel) -> None:
    data = shown(kernel, '%chat --model demo:demo --name asked say it\'s "quoted"')
    assert 'it\'s "quoted"' in data["text/plain"]
    kernel.run("%%chat --name asked\nsay two\n")
    assert kernel.run("print(asked.text, len(asked.messages))") == "two 4\n"
    kernel.run("%chat -n -m demo:demo -c asked say three")
    assert kernel.run("print(asked.text, len(asked.messages))") == "three 2\n"
    assert "three" in shown(kernel, "%chat -c asked")["text/plain"]


def test_a_magic_that_lets_the_next_cell_run(kernel: Kernel) -> None:
    kernel.run("%chat --no-wait --new --name slow --model demo:demo run `sleep 60`")
    assert kernel.run("print(slow.status in ('pending', 'running'))") == "True\n"
    kernel.run("slow.interrupt()")


@pytest.mark.parametrize(
    "line, words",
    [
        ("%chat --name nobody", "There is no chat in nobody yet"),
        ("%chat --nonsense", "unrecognized arguments: --nonsense"),
        ("%%chat say\nhello", "Expected only options behind %%chat"),
    ],
)
def test_a_magic_that_is_not_understood_says_what_was_expected(kernel: Kernel, line: str, words: str) -> None:
    assert words in kernel.error(line)


def test_a_function_of_the_kernel_shows_its_call(kernel: Kernel) -> None:
    code = """
def count_fruit(name: str) -> int:
    "Return how many pieces are in stock."
    return 12
Chat('call count_fruit with {"name": "plums"}', model="demo:demo", tools=[count_fruit]).wait()
"""
    assert "[count_fruit: plums]\n    12" in shown(kernel, code)["text/plain"]
