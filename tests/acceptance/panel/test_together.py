"""Two pages and a kernel on one chat: all three write, one stops, and all see the same."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
from acceptance.browser import Panel, opened_panel
from acceptance.chats import eventually
from acceptance.kernels import Kernel, kernel_of
from acceptance.vendor import Vendor
from fakes.steps import Hang, Step, call, say
from playwright.sync_api import Browser, expect
from servers import JupyterServer

SAID = """log => [...log.querySelectorAll('.jp-chatd-userText, .jp-chatd-markdown')].map(
    said => [said.className === 'jp-chatd-userText' ? 'user' : 'assistant', said.innerText.trim()])"""
"""What a transcript shows of both sides, from top to bottom."""
TOLD = """
import json
print(json.dumps([[message.role.value, message.text] for message in chat.messages if message.text]))
"""
QUEUED = "import json\nprint(json.dumps([part.text for queued in chat.queue for part in queued.parts]))"
WHOLE = [
    ["user", "From the first page"],
    ["assistant", "I look."],
    ["assistant", "The first answer."],
    ["user", "From the second page"],
    ["assistant", "The second answer."],
    ["user", "From the kernel"],
    ["assistant", "It begins"],
    ["user", "From the first page again"],
    ["assistant", "The fourth answer."],
]
ANSWERS = [text for role, text in WHOLE if role == "assistant"]


def until(gate: str) -> Step:
    """A command that says that it began, and runs until there is a file of that name."""
    command = f"echo began {gate}; until [ -e {gate} ]; do sleep 0.1; done"
    return call("execute", {"command": command, "timeout": "10m"})


def test_two_pages_and_a_kernel_write_and_one_stops(
    panel: Panel, browser: Browser, server: JupyterServer, vendor: Vendor
) -> None:
    vendor.answers += [
        [say("I look."), until("gate-1")],
        [say("The first answer.")],
        [until("gate-2")],
        [say("The second answer.")],
        [say("It begins"), Hang()],
        [say("The fourth answer.")],
    ]
    panel.choose("Ask", is_on=False)
    panel.say("From the first page")
    with opened_panel(browser, server) as other, kernel_of(server) as kernel:
        pages = (panel, other)
        show_newest(other, "From the first page")
        kernel.run(f"from jupyter_chatd import Chat\nchat = Chat.open('{newest(server)}')")
        see(pages, "began gate-1")
        other.say("From the second page")
        see_queue(pages, kernel, ["From the second page"])
        kernel.run("chat.send('From the kernel')")
        see_queue(pages, kernel, ["From the second page", "From the kernel"])

        (server.dirs.work / "gate-1").touch()
        see(pages, "began gate-2")
        panel.say("From the first page again")
        see_queue(pages, kernel, ["From the kernel", "From the first page again"])

        (server.dirs.work / "gate-2").touch()
        see(pages, "It begins")
        see_queue(pages, kernel, ["From the first page again"])
        kernel.run("chat.interrupt()")  # what is queued comes next
        see(pages, "The fourth answer.")
        see_queue(pages, kernel, [])
        for page in pages:
            page.until_at_rest()
            # Markdown is rendered by and by.
            expect(page.transcript.locator(".jp-chatd-markdown")).to_have_text(ANSWERS)
            expect(page.card("execute", "done")).to_have_count(2)
        assert [page.transcript.evaluate(SAID) for page in pages] == [WHOLE, WHOLE]
        eventually(lambda: len(told(kernel, TOLD)) >= len(WHOLE))
        assert told(kernel, TOLD) == WHOLE
        assert panel.transcript.inner_text() == other.transcript.inner_text()


def newest(server: JupyterServer) -> str:
    """The id of the chat in which somebody wrote last."""
    return httpx.get(server.chats_url, headers=server.headers, params={"limit": 1}).json()[0]["id"]


def show_newest(panel: Panel, title: str) -> None:
    """Open a chat by its title."""
    chats = panel.root.get_by_role("list", name="Chats")
    chats.get_by_role("button", name=re.compile(title)).first.click()


def see(pages: tuple[Panel, ...], text: str) -> None:
    """Wait until all pages show that."""
    for page in pages:
        expect(page.transcript).to_contain_text(text)


def see_queue(pages: tuple[Panel, ...], kernel: Kernel, texts: list[str]) -> None:
    """Wait until all pages and the kernel have these messages in the queue."""
    for page in pages:
        expect(page.queue).to_have_text(texts)
    eventually(lambda: told(kernel, QUEUED) == texts)


def told(kernel: Kernel, code: str) -> list[Any]:
    """What the kernel prints, of JSON."""
    return json.loads(kernel.run(code))
