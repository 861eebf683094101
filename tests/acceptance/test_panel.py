"""The panel in JupyterLab, as somebody uses it who has read nothing."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from acceptance.axe import faults, serious_faults
from acceptance.browser import (
    NO_PREFERENCE,
    Panel,
    opened_panel,
    save_notebook,
    search_commands,
    with_front_end,
    without_page_errors,
)
from acceptance.panel_speed import long_export
from nbformat.v4 import new_code_cell, new_output
from playwright.sync_api import Browser, expect
from servers import Dirs, JupyterServer

DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
"""A PNG of one pixel."""
SLOW = "run `for i in 1 2 3 4 5 6 7 8 9; do echo line $i; sleep 1; done` with timeout 30s"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    dirs = with_front_end(Dirs(tmp_path_factory.mktemp("lab")).make())
    with JupyterServer(dirs, env=NO_PREFERENCE) as server:
        yield server


@pytest.fixture(scope="module")
def long_chat(server: JupyterServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The title of a chat with 2,000 messages."""
    export = tmp_path_factory.mktemp("export") / "long.jsonl"
    export.write_text("\n".join(map(json.dumps, long_export("Long", count=2000))))
    command = [sys.executable, "-m", "jupyter_chatd.cli", "import", str(export)]
    subprocess.run(command, env=server.dirs.environ(), check=True, capture_output=True)
    return "Long"


@pytest.fixture(scope="module")
def lab(browser: Browser, server: JupyterServer) -> Iterator[Panel]:
    """One JupyterLab for all tests: loading it takes longer than most of them."""
    with opened_panel(browser, server) as panel:
        yield panel


@pytest.fixture
def panel(lab: Panel) -> Iterator[Panel]:
    """The list of chats; what goes wrong in the page fails the test."""
    with without_page_errors(lab.page):
        lab.begin()
        yield lab


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
    expect(panel.page.locator(".jp-chatd-statusItem")).to_have_text("Agent: 1 at work")
    panel.stop_while_running("execute", "line 2")
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


def test_stop_in_the_list_gives_back_what_was_queued(panel: Panel) -> None:
    panel.choose("Ask", is_on=False)
    panel.say("run `sleep 200` with timeout 300s")
    panel.card("execute", "running").wait_for()
    attached = panel.root.get_by_role("list", name="Attached files").get_by_role("listitem")
    panel.give("paste", "dot.png", DOT, "image/png")
    expect(attached).to_have_text(["dot.png"])
    expect(attached.get_by_label("Uploading")).to_have_count(0)
    panel.say("say it later")
    expect(panel.queue).to_contain_text("say it later+ 1 file")
    panel.button("All chats").click()
    panel.root.get_by_role("list", name="Chats").get_by_role("button", name="Stop run `sleep 200`").click()
    expect(panel.input).to_have_value("say it later")
    expect(attached).to_have_text(["dot.png"])
    expect(panel.queue).to_have_count(0)
    panel.until_at_rest()


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


def test_a_tool_is_allowed_for_the_chat_and_no_other_is(panel: Panel) -> None:
    panel.say('run `echo one` then run `echo two` then write "x" to tool.txt')
    panel.button("Allow all execute calls in this chat").click()
    panel.card("write_file", "asking").wait_for()
    expect(panel.card("execute", "done")).to_have_count(2)
    expect(panel.button("Ask")).to_have_attribute("aria-pressed", "true")
    panel.button("Deny").click()
    panel.until_at_rest()


def test_a_message_is_edited_and_sent_again(panel: Panel) -> None:
    panel.say("say *this*")
    expect(panel.transcript.locator("em")).to_have_text("this")
    panel.until_at_rest()
    panel.button("Edit and send again").click()
    panel.root.get_by_label("Edit your message").fill("say *that*")
    panel.button("Send again").click()
    expect(panel.transcript.locator("em")).to_have_text("that")


def test_a_question_is_answered_in_a_form(panel: Panel) -> None:
    options = [{"label": "Red", "description": "warm"}, {"label": "Blue", "description": "cold"}]
    questions = [
        {"header": name, "question": f"Which {name}?", "options": options} for name in ("hat", "coat")
    ]
    panel.choose("Plan", is_on=True)
    panel.say(f"call ask_user_question with {json.dumps({'questions': questions})}")
    form = panel.card("ask_user_question", "asking")
    form.get_by_label("Blue").first.check()
    expect(panel.button("Answer")).to_be_disabled()
    form.get_by_label("Another answer to: Which coat?").fill("Green")
    panel.button("Answer").click()
    panel.until_at_rest()
    answered = panel.card("ask_user_question", "done")
    expect(answered.get_by_role("definition")).to_have_text(["Blue", "Green"])


def test_a_plan_is_refined_and_approved(panel: Panel, server: JupyterServer) -> None:
    panel.choose("Plan", is_on=True)
    panel.choose("Ask", is_on=False)
    panel.say("say hello")
    panel.until_at_rest()
    chat = httpx.get(server.chats_url, headers=server.headers, params={"limit": 1}).json()[0]
    write = f'write "# The *plan*" to .agents/plans/{chat["id"]}.md'
    for _ in range(2):
        panel.say(f"{write} then call propose_plan with {{}}")
        expect(panel.card("propose_plan").last.locator("em")).to_have_text("plan")
        panel.until_at_rest()
        expect(panel.button("Approve plan")).to_have_count(1)
        panel.input.blur()
        panel.button("Refine").click()
        expect(panel.input).to_be_focused()
    assert faults(panel) == []
    panel.press_on("Approve plan", "Shift+Tab")
    expect(panel.button("Plan")).to_have_attribute("aria-pressed", "false")
    expect(panel.transcript).to_contain_text("The plan is approved.")
    panel.until_at_rest()
    expect(panel.button("Approve plan")).to_have_count(0)


def test_of_three_subagents_one_is_opened_beside_its_parent_and_stopped(panel: Panel) -> None:
    panel.choose("Ask", is_on=False)
    panel.say(
        'delegate "count to 9000" and delegate "say *found*" and delegate "say hello" '
        "then wait for the subagents"
    )
    panel.card("spawn_agent", "done").nth(1).get_by_title("Open", exact=True).click()
    expect(panel.transcript.locator("em")).to_have_text("found")
    panel.button("Back to the parent chat").click()
    panel.button("All chats").click()
    nested = panel.root.get_by_role("list", name=re.compile("^Subagents of delegate")).get_by_role("listitem")
    expect(nested).to_have_text(re.compile("count to 9000"))
    nested.get_by_role("button").first.click()
    expect(panel.transcript).to_contain_text("1 2 3 4 5")
    panel.button("Back to the parent chat").click()
    panel.root.get_by_text("3 subagents, 1 at work").click()
    panel.root.locator(".jp-chatd-subagents").get_by_role("button", name="Open count to 9000 beside").click()
    beside = panel.page.locator(".jp-MainAreaWidget .jp-chatd-panel")
    expect(beside.get_by_role("log")).to_contain_text("1 2 3 4 5")
    assert serious_faults(panel.page, ".jp-MainAreaWidget .jp-chatd-panel") == []
    assert faults(panel) == []  # the subagents
    expect(panel.card("spawn_agent", "done")).to_have_count(3)  # the parent is still there
    panel.page.get_by_role("tab", name="Agent").locator(".lm-TabBar-tabCloseIcon").click()
    panel.root.locator(".jp-chatd-subagents").get_by_role("button", name="Stop count to 9000").click()
    expect(panel.root.get_by_text("3 subagents", exact=True)).to_be_visible()
    panel.until_at_rest()


def test_what_a_model_says_runs_no_script_and_fetches_nothing(panel: Panel) -> None:
    requests: list[str] = []
    panel.page.on("request", note := lambda request: requests.append(request.url))
    panel.say(
        "say "
        '<img src="https://evil.example/a.png" onerror="window.hacked = 1" alt="cat"> '
        "<script>window.hacked = 1</script> ![dog](https://evil.example/b.png) "
        '<p style="background: url(https://evil.example/c.png)" class="jp-Dialog">styled</p> '
        "<video src=https://evil.example/d.mp4 autoplay></video> "
        '<a href="javascript:window.hacked=1">run</a> <a href="/lab?reset">here</a> '
        "[https://bank.example](https://evil.example/e) "
        '<button data-commandlinker-command="apputils:reset">press</button>'
    )
    answer = panel.transcript.locator('[data-kind="text"]')
    expect(answer).to_contain_text("press")
    panel.until_at_rest()
    links = answer.get_by_role("link").evaluate_all("links => links.map(one => [one.textContent, one.href])")
    assert links == [
        ["Picture: cat", "https://evil.example/a.png"],
        ["Picture: dog", "https://evil.example/b.png"],
        ["https://bank.example (evil.example)", "https://evil.example/e"],
    ]
    assert answer.locator("img, script, style, video, button, [style], .jp-Dialog").count() == 0
    assert panel.page.evaluate("window.hacked") is None
    panel.page.remove_listener("request", note)
    assert [url for url in requests if "evil" in url] == []


def test_two_pages_on_one_chat(panel: Panel, browser: Browser, server: JupyterServer) -> None:
    panel.say("run `echo both`")
    panel.card("execute", "asking").wait_for()
    page = browser.new_page()
    other = Panel(page, server)
    other.open_lab()
    other.root.get_by_role("button", name=re.compile("echo both")).first.click()
    other.button("Allow once").click()
    for one in (panel, other):
        one.card("execute", "done").wait_for()
        one.until_at_rest()
    page.close()


def test_the_server_comes_back(panel: Panel, server: JupyterServer) -> None:
    panel.say("say before")
    expect(panel.transcript.get_by_text("before", exact=True)).to_be_visible()
    panel.until_at_rest()
    panel.close_dialogs()  # JupyterLab says it too
    server.kill()
    expect(panel.root.get_by_text("The connection to the server is lost.")).to_be_visible()
    panel.input.fill("say *kept*")
    panel.button("Send").click()
    expect(panel.root.get_by_text("The server cannot be reached.")).to_be_visible()
    expect(panel.input).to_have_value("say *kept*")
    server.start()
    expect(panel.root.get_by_text("The connection to the server is lost.")).to_have_count(0)
    panel.button("Send").click()
    expect(panel.transcript.locator("em")).to_have_text("kept")
    panel.button("Dismiss").click()


def test_find_rename_pin_archive(panel: Panel) -> None:
    panel.say("say xylophone")
    panel.until_at_rest()
    panel.root.get_by_title("Rename").click()
    panel.root.get_by_label("Title of the chat").fill("Music")
    panel.root.get_by_label("Title of the chat").press("Enter")
    expect(panel.root.get_by_title("Rename")).to_have_text("Music")
    panel.button("All chats").click()
    panel.root.get_by_label("Search all chats").fill("xylophone")
    rows = panel.root.get_by_role("list", name="Chats").get_by_role("listitem")
    expect(rows).to_have_count(1)
    rows.hover()
    rows.get_by_role("button", name="Pin").click()
    expect(rows.get_by_role("button", name="Unpin")).to_be_visible()
    panel.root.get_by_label("Search all chats").fill("")
    expect(rows.first).to_contain_text("Music")
    rows.first.hover()
    rows.first.get_by_role("button", name="Archive").click()
    expect(rows.first).not_to_contain_text("Music")


def test_an_archived_chat_is_found_and_brought_back(panel: Panel) -> None:
    panel.say("say marimba")
    panel.until_at_rest()
    panel.button("All chats").click()
    rows = panel.root.get_by_role("list", name="Chats", exact=True).get_by_role("listitem")
    archived = panel.root.get_by_role("list", name="Archived chats").get_by_role("listitem")
    for _ in range(2):
        rows.first.hover()
        rows.first.get_by_role("button", name="Archive").click()
        expect(rows.filter(has_text="marimba")).to_have_count(0)
        panel.button("Archived").click()
        panel.root.get_by_label("Search archived chats").fill("marimba")
        expect(archived).to_have_count(1)
        assert faults(panel) == []
        archived.get_by_role("button").first.click()
        expect(panel.root.get_by_text("This chat is archived.")).to_be_visible()
        assert faults(panel) == []
        panel.button("Bring back").click()
        expect(panel.root.get_by_text("This chat is archived.")).to_have_count(0)
        panel.button("All chats").click()
        expect(panel.root.get_by_text("No chat has all of these words.")).to_be_visible()
        panel.button("Archived").click()
        expect(rows.first).to_contain_text("marimba")


def test_of_a_chat_of_2000_messages_only_the_end_is_drawn_until_one_scrolls(
    panel: Panel, long_chat: str
) -> None:
    panel.root.get_by_role("list", name="Chats").get_by_role("button", name=long_chat).click()
    panel.transcript.get_by_text("Answer 2000.").wait_for()
    answers = panel.transcript.get_by_text(re.compile("^Answer "))
    assert answers.count() < 100  # how long it takes is a matter of the machine: make bench ARGS=panel
    panel.transcript.evaluate("box => box.scrollTo(0, 0)")
    expect(panel.transcript.get_by_text("Answer 1900.")).to_have_count(1)
    expect(panel.transcript.get_by_text("Answer 1942.")).to_be_in_viewport()


def test_a_chat_beside_another_in_the_main_area(panel: Panel) -> None:
    panel.say("say left")
    panel.until_at_rest()
    panel.page.keyboard.press("Control+Shift+c")
    palette = panel.page.locator(".lm-CommandPalette-input")
    palette.fill("Agent: Open in the Main Area")
    palette.press("Enter")
    main = panel.page.locator(".jp-MainAreaWidget .jp-chatd-panel")
    expect(main.get_by_role("log")).to_contain_text("left")
    panel.page.get_by_role("tab", name="Agent").locator(".lm-TabBar-tabCloseIcon").click()
    expect(main).to_have_count(0)


def test_nothing_shows_when_an_admin_switched_it_off(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    dirs = with_front_end(Dirs(tmp_path_factory.mktemp("off")).make())
    off = {"JupyterChatd": {"enabled": False}}
    with JupyterServer(dirs, env=NO_PREFERENCE, settings=off, ready_status=404) as server:
        page = browser.new_page()
        panel = Panel(page, server)
        panel.open_lab(shows_panel=False)
        expect(
            page.locator("#jupyter-chatd-panel, [data-id^=jupyter-chatd], .jp-chatd-statusItem")
        ).to_have_count(0)
        commands = page.locator(".lm-CommandPalette-itemLabel")
        search_commands(page, "Use Theme")
        expect(commands.first).to_contain_text("Theme")
        search_commands(page, "Agent")
        expect(commands.get_by_text("Theme")).to_have_count(0)
        expect(commands.get_by_text("Agent")).to_have_count(0)
        page.close()


def test_files_are_attached_by_paste_and_by_drop(panel: Panel) -> None:
    panel.give("paste", "dot.png", DOT, "image/png")
    panel.give("drop", "code.py", b"x = 1\n", "text/x-python")
    attached = panel.root.get_by_role("list", name="Attached files").get_by_role("listitem")
    expect(attached).to_have_text(["dot.png", "code.py"])
    expect(panel.root.get_by_role("img", name="Uploading")).to_have_count(0)
    assert faults(panel) == []
    panel.say("say seen")
    expect(attached).to_have_count(0)
    picture = panel.transcript.get_by_role("img", name="dot.png")
    expect(picture).to_have_js_property("naturalWidth", 1)
    expect(panel.transcript.get_by_role("link", name="code.py")).to_be_visible()
    panel.until_at_rest()
    assert faults(panel) == []


def test_a_file_that_is_refused_is_named(panel: Panel) -> None:
    panel.give("drop", "page.html", b"<html><script>1</script></html>", "text/html")
    attached = panel.root.get_by_role("list", name="Attached files").get_by_role("listitem")
    expect(attached).to_contain_text("page.html: ")
    assert faults(panel) == []
    panel.input.fill("say seen")
    expect(panel.button("Send")).to_be_disabled()
    attached.get_by_role("button", name="Remove page.html").click()
    expect(panel.button("Send")).to_be_enabled()


def test_model_and_effort_are_chosen(panel: Panel, server: JupyterServer) -> None:
    panel.root.get_by_label("Model").select_option("demo:demo")
    panel.root.get_by_label("Effort").select_option("high")
    panel.say("say hello")
    panel.until_at_rest()
    expect(panel.root.get_by_label("Effort")).to_have_value("high")
    chat = httpx.get(server.chats_url, headers=server.headers, params={"limit": 1}).json()[0]
    assert chat["model"] == "demo:demo"
    panel.root.get_by_label("Effort").select_option("")


def test_a_cell_is_handed_over_with_its_error_and_its_picture(panel: Panel, server: JupyterServer) -> None:
    failure = new_output(
        "error", ename="ZeroDivisionError", evalue="division by zero", traceback=["1 / 0 \x1b[31m!"]
    )
    plot = new_output("display_data", {"image/png": base64.b64encode(DOT).decode()})
    cell = new_code_cell("1 / 0", outputs=[plot, failure])
    save_notebook(server.dirs.work / "sums.ipynb", new_code_cell("x = 1"), cell)
    panel.page.get_by_role("button", name="Refresh the file browser.").click()
    panel.page.locator(".jp-DirListing").get_by_text("sums.ipynb").dblclick()
    panel.page.locator(".jp-CodeCell").get_by_text("1 / 0").first.click(button="right")
    panel.page.get_by_text("Let the Agent Fix This Error").click()
    attached = panel.root.get_by_role("list", name="Attached files").get_by_role("listitem")
    expect(attached).to_have_text(["sums.ipynb, cell 2", "output-1.png"])
    expect(panel.root.get_by_role("img", name="Uploading")).to_have_count(0)
    expect(panel.input).to_have_value("Why does this cell fail, and how do I fix it?")
    panel.input.press("Enter")
    panel.until_at_rest()
    chat = httpx.get(server.chats_url, headers=server.headers, params={"limit": 1}).json()[0]
    sent = httpx.get(f"{server.chats_url}/{chat['id']}/messages", headers=server.headers).json()["messages"][
        -1
    ]
    reference, picture = sent["content"][1:]
    assert reference["file_name"].startswith("sums.ipynb (cell 2, id ")
    assert reference["content"] == "1 / 0\n\nOutput:\n1 / 0 !"
    assert picture["media_type"] == "image/png"
