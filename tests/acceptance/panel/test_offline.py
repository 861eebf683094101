"""A page whose network is gone for more than a minute while the agent works."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from acceptance.browser import Panel
from acceptance.chats import eventually
from acceptance.cutting import Gate
from acceptance.vendor import Vendor
from fakes.steps import call, say
from fakes.threaded import in_thread
from playwright.sync_api import Browser, expect
from servers import JupyterServer

WAIT = "echo before; until [ -e go-on ]; do sleep 0.1; done; echo after"


@pytest.fixture
def gate(server: JupyterServer) -> Iterator[Gate]:
    with in_thread(Gate(server.port)) as gate:
        yield gate


def test_what_happened_meanwhile_is_there_when_the_network_is_back(
    browser: Browser, server: JupyterServer, vendor: Vendor, gate: Gate
) -> None:
    page = browser.new_page(viewport={"width": 1200, "height": 850})
    page.clock.install()
    panel = Panel(page, server, f"http://127.0.0.1:{gate.port}/")
    panel.close_dialogs()  # JupyterLab says it too
    panel.open_lab()
    vendor.answers += [[call("execute", {"command": WAIT, "timeout": "10m"})], [say("It went *on*.")]]
    panel.choose("Ask", is_on=False)
    panel.say("Go")
    expect(panel.card("execute", "running")).to_contain_text("before")

    gate.shut()
    (server.dirs.work / "go-on").touch()
    lost = panel.root.get_by_text("The connection to the server is lost.")
    page.clock.fast_forward("01:10")  # what is silent for so long is given up
    expect(lost).to_be_visible()
    expect(panel.stop).to_be_visible()
    eventually(lambda: status(server) == "waiting")
    panel.input.fill("Are you there?")

    gate.open()
    page.clock.fast_forward("00:15")  # longer than the longest pause between tries
    expect(panel.transcript.locator("em")).to_have_text("on")
    expect(lost).to_have_count(0)
    panel.until_at_rest()
    expect(panel.card("execute", "done")).to_have_count(1)
    expect(panel.transcript.get_by_text("Go", exact=True)).to_have_count(1)
    panel.input.press("Enter")
    expect(panel.transcript.locator("em").last).to_have_text("last")
    page.close()


def status(server: JupyterServer) -> str:
    """How the newest chat stands."""
    return httpx.get(server.chats_url, headers=server.headers, params={"limit": 1}).json()[0]["status"]
