"""The panel by keyboard alone, for who reads with a screen reader, and in all themes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from acceptance.axe import serious_faults
from acceptance.browser import Panel
from acceptance.vendor import Vendor
from fakes.steps import call, say
from playwright.sync_api import expect

FOCUSED = """() => {
    const one = document.activeElement;
    return one.ariaLabel || one.labels?.[0]?.textContent || one.placeholder || one.textContent;
}"""
THEMES = ("JupyterLab Light", "JupyterLab Dark", "JupyterLab Dark High Contrast")
LOOKS = [*((theme, False) for theme in THEMES), ("JupyterLab Light", True)]
"""Themes, and whether the system's colours of high contrast come first: no light theme has them."""
MOST_TABS = 60
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


def tab_to(panel: Panel, name: str, key: str = "Tab") -> None:
    """Go with the Tab key to what has that name."""
    seen: list[str] = []
    for _ in range(MOST_TABS):
        panel.page.keyboard.press(key)
        seen.append(str(panel.page.evaluate(FOCUSED)).strip())
        if seen[-1].startswith(name):
            return
    raise AssertionError(f"{name} is not reached by {key}: {seen}")


@pytest.fixture(scope="module")
def looks(lab: Panel) -> Iterator[None]:
    yield
    lab.page.emulate_media(forced_colors="none")
    lab.run_command("Use Theme: JupyterLab Light")


def faults(panel: Panel) -> list[str]:
    return serious_faults(panel.page, "#jupyter-chatd-panel")


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
    tab_to(panel, "Allow once", "Shift+Tab")
    keys.press("Enter")
    expect(panel.transcript.locator("em")).to_have_text("done")
    panel.until_at_rest()
    panel.input.focus()

    tab_to(panel, "echo keys", "Shift+Tab")  # what was run
    keys.press("Enter")
    expect(panel.card("execute").locator(".jp-chatd-output")).to_have_text("keys")

    tab_to(panel, "Edit and send again", "Shift+Tab")
    keys.press("Enter")
    vendor.answers.append([call("execute", {"command": "sleep 300", "timeout": "10m"})])
    expect(panel.root.get_by_label("Edit your message")).to_be_focused()
    keys.type(" slowly")
    tab_to(panel, "Send again")
    keys.press("Enter")
    panel.card("execute", "asking").wait_for()
    tab_to(panel, "Deny")
    tab_to(panel, "Stop")
    keys.press("Enter")
    panel.until_at_rest()

    panel.input.focus()
    tab_to(panel, "All chats", "Shift+Tab")
    keys.press("Enter")
    tab_to(panel, "Search all chats", "Shift+Tab")
    keys.type("slowly")
    row = panel.root.get_by_role("list", name="Chats").get_by_role("listitem")
    expect(row).to_have_count(1)
    tab_to(panel, "Pin")
    keys.press("Enter")
    expect(row.get_by_role("button", name="Unpin")).to_be_focused()
    tab_to(panel, "Archive")
    keys.press("Enter")
    expect(row).to_have_count(0)


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
