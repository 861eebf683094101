"""The panel in JupyterLab, as somebody uses it who has read nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from acceptance.browser import NO_PREFERENCE, Panel, keep_picture, started_browser, with_front_end
from playwright.sync_api import Browser, expect
from servers import Dirs, JupyterServer

SLOW = "run `for i in 1 2 3 4 5 6 7 8 9; do echo line $i; sleep 1; done` with timeout 30s"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    dirs = with_front_end(Dirs(tmp_path_factory.mktemp("lab")).make())
    with JupyterServer(dirs, env=NO_PREFERENCE) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Ends with the module: while it runs, no other loop can in this thread."""
    with started_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def lab(browser: Browser, server: JupyterServer) -> Iterator[Panel]:
    """One JupyterLab for all tests: loading it takes longer than most of them."""
    page = browser.new_page(viewport={"width": 1200, "height": 850})
    panel = Panel(page, server)
    panel.open_lab()
    yield panel
    page.close()


@pytest.fixture
def panel(lab: Panel, request: pytest.FixtureRequest) -> Iterator[Panel]:
    """The list of chats; what goes wrong in the page fails the test, and what it shows is kept."""
    errors: list[str] = []
    lab.page.on("pageerror", on_error := lambda error: errors.append(str(error)))
    failed = request.session.testsfailed
    lab.begin()
    yield lab
    if request.session.testsfailed > failed:
        keep_picture(lab.page, request.node.name)
    lab.page.remove_listener("pageerror", on_error)
    assert errors == []


def test_first_chat(panel: Panel) -> None:
    panel.say("say Hello *there*")
    expect(panel.transcript.locator("em")).to_have_text("there")
    panel.until_at_rest()
    expect(panel.input).to_be_focused()
    expect(panel.stop).to_have_count(0)

    panel.button("All chats").click()
    row = panel.root.get_by_role("list", name="Chats").get_by_role("listitem").first
    expect(row).to_contain_text("say Hello")
    row.get_by_role("button").first.click()
    expect(panel.transcript.locator("em")).to_have_text("there")


def test_output_streams_and_stop_ends_it(panel: Panel) -> None:
    panel.choose("Ask", is_on=False)
    panel.say(SLOW)
    expect(panel.card("execute", "running")).to_contain_text("line 2")
    panel.stop.click()
    expect(panel.stop).to_have_count(0)
    panel.until_at_rest()
    expect(panel.card("execute", "running")).to_have_count(0)
    expect(panel.transcript).not_to_contain_text("line 9")


def test_a_queue_is_kept_promoted_taken_back_and_given_back_by_stop(panel: Panel) -> None:
    panel.choose("Ask", is_on=False)
    panel.say(SLOW)
    panel.card("execute", "running").wait_for()
    for text in ("say one", "say two", "say three"):
        panel.say(text)
    expect(panel.queue).to_have_count(3)
    panel.queue.nth(1).get_by_role("button", name="Remove").click()
    expect(panel.queue).to_have_count(2)
    panel.queue.nth(0).get_by_role("button", name="Edit").click()
    expect(panel.input).to_have_value("say one")
    panel.input.fill("")
    panel.stop.click()
    expect(panel.input).to_have_value("say three")
    panel.until_at_rest()
    expect(panel.queue).to_have_count(0)


def test_a_queued_message_is_sent_now(panel: Panel) -> None:
    panel.choose("Ask", is_on=False)
    panel.say(SLOW)
    panel.card("execute", "running").wait_for()
    panel.say("say *at last*")
    panel.queue.get_by_role("button", name="Send now").click()
    expect(panel.transcript.locator("em")).to_have_text("at last")
    panel.until_at_rest()


def test_a_message_interrupts(panel: Panel) -> None:
    panel.choose("Ask", is_on=False)
    panel.say(SLOW)
    panel.card("execute", "running").wait_for()
    panel.say("say *enough*", "Control+Enter")
    expect(panel.transcript.locator("em")).to_have_text("enough")
    panel.until_at_rest()


def test_cards_of_a_command_that_fails_and_of_files(panel: Panel) -> None:
    panel.choose("Ask", is_on=False)
    panel.say(
        'run `echo oops; exit 3` then write "one\ntwo" to cards.txt then replace "two" with "2" in cards.txt'
    )
    panel.until_at_rest()
    failed = panel.card("execute", "failed")
    expect(failed).to_contain_text("exit code 3")
    expect(failed).to_contain_text("oops")
    panel.card("edit_files", "done").get_by_role("button").first.click()
    expect(panel.card("edit_files").locator(".jp-mod-removed")).to_have_text("- two\n")
    expect(panel.card("edit_files").locator(".jp-mod-added")).to_have_text("+ 2\n")
    panel.card("write_file", "done").get_by_role("button").first.click()
    expect(panel.card("write_file").locator(".jp-mod-added")).to_have_count(2)


def test_allowing_a_call_after_a_reload(panel: Panel) -> None:
    panel.say("run `echo allowed`")
    expect(panel.card("execute", "asking")).to_contain_text("echo allowed")
    panel.open_lab()
    panel.root.get_by_role("list", name="Chats").get_by_role(
        "button", name=re.compile("echo allowed")
    ).first.click()
    expect(panel.stop).to_be_visible()
    panel.button("Allow once").click()
    panel.card("execute", "done").wait_for()
    panel.until_at_rest()


def test_a_denied_call_does_not_run(panel: Panel, server: JupyterServer) -> None:
    panel.say("run `touch denied.txt`")
    panel.button("Deny").click()
    panel.card("execute", "failed").wait_for()
    panel.until_at_rest()
    assert not (server.dirs.work / "denied.txt").exists()


def test_allowing_all_asks_no_more(panel: Panel) -> None:
    panel.say("run `echo one` then run `echo two`")
    panel.button("Allow all in this chat").click()
    panel.until_at_rest()
    expect(panel.card("execute", "done")).to_have_count(2)
    expect(panel.button("Ask")).to_have_attribute("aria-pressed", "false")


def test_a_message_is_edited_and_sent_again(panel: Panel) -> None:
    panel.say("say *this*")
    expect(panel.transcript.locator("em")).to_have_text("this")
    panel.until_at_rest()
    panel.button("Edit and send again").click()
    panel.root.get_by_label("Edit your message").fill("say *that*")
    panel.button("Send again").click()
    expect(panel.transcript.locator("em")).to_have_text("that")
