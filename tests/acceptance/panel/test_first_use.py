"""Five tasks for somebody who has read nothing: each is found within three clicks."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from acceptance.browser import Panel
from acceptance.vendor import Vendor
from fakes.steps import call, say
from playwright.sync_api import Browser, expect
from servers import JupyterServer

MOST = 3  # clicks
COUNT = "window.clicks = 0; document.addEventListener('click', () => window.clicks++, {capture: true})"


@contextmanager
def within_three_clicks(panel: Panel) -> Iterator[None]:
    panel.page.evaluate("window.clicks = 0")
    yield
    assert panel.page.evaluate("window.clicks") <= MOST


def test_five_tasks(browser: Browser, server: JupyterServer, vendor: Vendor, panel: Panel) -> None:
    word = uuid.uuid4().hex
    vendor.answers.append([say("*Yesterday*.")])
    panel.say(f"What is a {word}?")
    panel.until_at_rest()

    page = browser.new_page(viewport={"width": 1200, "height": 850})
    somebody = Panel(page, server)
    somebody.open_lab(shows_panel=False)
    page.evaluate(COUNT)

    with within_three_clicks(somebody):  # ask
        page.get_by_title("Agent", exact=True).click()
        vendor.answers.append([call("execute", {"command": "sleep 300", "timeout": "10m"})])
        somebody.button("Ask").click()
        somebody.say("How large is this folder?")
        somebody.card("execute", "running").wait_for()

    with within_three_clicks(somebody):  # stop
        somebody.stop.click()
        somebody.until_at_rest()

    with within_three_clicks(somebody):  # change the question
        vendor.answers += [[call("execute", {"command": "echo 12 MB"})], [say("It has *12 MB*.")]]
        somebody.transcript.get_by_text("How large is this folder?").hover()
        somebody.button("Edit and send again").click()
        somebody.root.get_by_label("Edit your message").fill("How many MB has this folder?")
        somebody.button("Send again").click()
        expect(somebody.transcript.locator("em")).to_have_text("12 MB")
        somebody.until_at_rest()

    with within_three_clicks(somebody):  # see what it ran
        somebody.card("execute", "done").get_by_role("button").first.click()
        expect(somebody.card("execute").locator(".jp-chatd-output")).to_have_text("12 MB")

    with within_three_clicks(somebody):  # find yesterday's chat
        somebody.button("All chats").click()
        somebody.root.get_by_label("Search all chats").click()
        page.keyboard.type(word)
        found = somebody.root.get_by_role("list", name="Chats").get_by_role("listitem")
        expect(found).to_have_count(1)
        found.get_by_role("button").first.click()
        expect(somebody.transcript.locator("em")).to_have_text("Yesterday")
    page.close()
