"""The panel by keyboard alone, for who reads with a screen reader, and in all themes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from acceptance.axe import faults
from acceptance.browser import Panel
from acceptance.vendor import Vendor
from fakes.steps import call, say
from playwright.sync_api import expect

THEMES = ("JupyterLab Light", "JupyterLab Dark", "JupyterLab Dark High Contrast")
LOOKS = [*((theme, False) for theme in THEMES), ("JupyterLab Light", True)]
"""Themes, and whether the system's colours of high contrast come first: no light theme has them."""
QUESTION: dict[str, Any] = {
    "questions": [
        {
            "header": "Colour",
            "question": "Which colour?",
            "options": [
                {"label": "Red", "description": "warm"},
                {"label": "Blue", "description": "cold"},
            ],
        }
    ]
}
ANSWER = "## All\n\nThis has [a link](https://example.org), `code`, *stress* and\n\n```python\nx = 1\n```\n"


@pytest.fixture(scope="module")
def looks(lab: Panel) -> Iterator[None]:
    yield
    lab.page.emulate_media(forced_colors="none")
    lab.run_command("Use Theme: JupyterLab Light")


@pytest.mark.usefixtures("looks")
@pytest.mark.parametrize(("theme", "is_forced"), LOOKS)
def test_axe_finds_no_serious_fault(panel: Panel, vendor: Vendor, theme: str, *, is_forced: bool) -> None:
    panel.page.emulate_media(forced_colors="active" if is_forced else "none")
    panel.run_command(f"Use Theme: {theme}")
    expect(panel.page.locator(f'body[data-jp-theme-name="{theme}"]')).to_have_count(1)
    assert faults(panel) == []  # the list
    vendor.answers += [
        [call("execute", {"command": "echo one; exit 3"}), call("inspect_variables", {})],
        [call("execute", {"command": "echo two"})],
        [say(ANSWER)],
    ]
    panel.say("Go")
    panel.button("Allow once").click()
    panel.card("execute", "asking").nth(0).wait_for()
    panel.say("Wait *here*")
    expect(panel.queue).to_have_count(1)
    assert faults(panel) == []  # a call that waits, a queue
    panel.button("Allow once").click()
    panel.until_at_rest()
    panel.card("inspect_variables").get_by_role("button").first.click()
    assert faults(panel) == []  # what was said and done
    vendor.answers.append([call("ask_user_question", QUESTION)])
    panel.choose("Plan", is_on=True)
    panel.say("Ask me")
    panel.root.get_by_label("Red").wait_for()
    assert faults(panel) == []  # a form
    panel.stop.click()
    panel.until_at_rest()


def test_what_is_switched_on_shows_in_the_systems_own_colours(panel: Panel) -> None:
    panel.page.emulate_media(forced_colors="active")
    ground = "button => getComputedStyle(button).backgroundColor"
    assert panel.button("Ask").evaluate(ground) != panel.button("Plan").evaluate(ground)
    panel.page.emulate_media(forced_colors="none")


def test_all_of_it_by_keyboard(panel: Panel, vendor: Vendor) -> None:
    keys = panel.page.keyboard
    vendor.answers += [[call("execute", {"command": "echo keys"})], [say("It is *done*.")]]
    panel.input.focus()
    keys.type("Go")
    keys.press("Enter")
    panel.card("execute", "asking").wait_for()
    panel.press_on("Allow once", "Shift+Tab")
    expect(panel.transcript.locator("em")).to_have_text("done")
    panel.until_at_rest()
    panel.input.focus()

    panel.press_on("echo keys", "Shift+Tab")  # what was run
    expect(panel.card("execute").locator(".jp-chatd-output")).to_have_text("keys")

    panel.press_on("Edit and send again", "Shift+Tab")
    vendor.answers.append([call("execute", {"command": "sleep 300", "timeout": "10m"})])
    expect(panel.root.get_by_label("Edit your message")).to_be_focused()
    assert faults(panel) == []
    keys.type(" slowly")
    panel.press_on("Send again")
    panel.card("execute", "asking").wait_for()
    panel.tab_to("Deny")
    panel.press_on("Stop")
    panel.until_at_rest()

    panel.input.focus()
    panel.press_on("All chats", "Shift+Tab")
    panel.tab_to("Search all chats", "Shift+Tab")
    keys.type("slowly")
    row = panel.root.get_by_role("list", name="Chats").get_by_role("listitem")
    expect(row).to_have_count(1)
    panel.press_on("Pin")
    expect(row.get_by_role("button", name="Unpin")).to_be_focused()
    panel.press_on("Archive")
    expect(row).to_have_count(0)


def test_queue_rename_and_subagents_by_keyboard(panel: Panel, vendor: Vendor) -> None:
    keys = panel.page.keyboard
    nap = call("execute", {"command": "sleep 300", "timeout": "10m"})
    vendor.always = {"Nap": [nap]}
    vendor.answers.append([call("spawn_agent", {"type": "general", "prompt": "Nap", "title": "Child"}), nap])
    panel.choose("Ask", is_on=False)
    panel.say("Go")
    panel.card("execute", "running").wait_for()
    for text in ("one", "two", "three"):
        panel.say(text)
    expect(panel.queue).to_have_count(3)
    panel.press_on("Remove", "Shift+Tab")
    expect(panel.queue).to_have_text(["one", "two"])
    panel.input.focus()
    panel.press_on("Edit", "Shift+Tab")
    expect(panel.input).to_have_value("two")
    panel.input.fill("")
    panel.input.focus()
    panel.press_on("Send now", "Shift+Tab")
    expect(panel.transcript.locator("em")).to_have_text("last")
    panel.until_at_rest()

    panel.input.focus()
    panel.press_on("1 subagent", "Shift+Tab")
    panel.press_on("Stop Child")
    expect(panel.root.get_by_text("1 subagent", exact=True)).to_be_visible()
    panel.press_on("Child", "Shift+Tab")
    expect(panel.transcript).to_contain_text("Nap")
    panel.press_on("Back to the parent chat", "Shift+Tab")
    expect(panel.transcript.locator("em")).to_have_text("last")
    panel.input.focus()
    panel.press_on("Go", "Shift+Tab")
    expect(panel.root.get_by_label("Title of the chat")).to_be_focused()
    keys.press("ControlOrMeta+a")
    keys.type("Naps")
    keys.press("Enter")
    expect(panel.root.get_by_title("Rename")).to_have_text("Naps")


def test_questions_by_keyboard(panel: Panel, vendor: Vendor) -> None:
    keys = panel.page.keyboard
    vendor.answers.append([call("ask_user_question", QUESTION)])
    panel.choose("Plan", is_on=True)
    panel.say("Ask me")
    panel.root.get_by_label("Red").wait_for()
    panel.tab_to("Blue", "Shift+Tab")
    keys.press("Space")
    panel.press_on("Answer")
    expect(panel.card("ask_user_question", "done").get_by_role("definition")).to_have_text(["Blue"])
    panel.until_at_rest()


def test_a_screen_reader_hears_how_the_chat_stands_and_no_single_words(panel: Panel, vendor: Vendor) -> None:
    vendor.answers += [[call("execute", {"command": "echo keys"})], [say("It is *done*.")]]
    panel.say("Go")
    status = panel.root.get_by_role("status")
    expect(status).to_have_text("The agent waits for you: execute.")
    panel.button("Allow once").click()
    expect(panel.transcript.locator("em")).to_have_text("done")
    expect(status).to_have_text("The agent is done.")
    expect(panel.transcript).to_have_attribute("aria-live", "off")
    panel.until_at_rest()
