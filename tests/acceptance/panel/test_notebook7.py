"""The panel in Notebook 7."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from acceptance.axe import faults
from acceptance.browser import Panel, opened_panel
from acceptance.vendor import Vendor
from fakes.steps import call, say, think
from playwright.sync_api import Browser, expect
from servers import JupyterServer


@pytest.fixture(scope="module")
def notebook(browser: Browser, server: JupyterServer) -> Iterator[Panel]:
    with opened_panel(browser, server, app="notebook") as panel:
        yield panel


@pytest.fixture
def panel(notebook: Panel, vendor: Vendor) -> Iterator[Panel]:
    notebook.begin()
    yield notebook
    vendor.forget()


def test_a_chat_with_the_card_of_a_command(panel: Panel, vendor: Vendor) -> None:
    vendor.answers += [[call("execute", {"command": "echo found"})], [say("Hello *there*.")]]
    panel.say("Go")
    panel.button("Allow once").click()
    expect(panel.transcript.locator("em")).to_have_text("there")
    panel.until_at_rest()
    card = panel.card("execute", "done")
    card.get_by_role("button").first.click()
    expect(card.locator(".jp-chatd-output")).to_have_text("found")


def test_stop(panel: Panel, vendor: Vendor) -> None:
    slow = "for i in $(seq 300); do echo line $i; sleep 1; done"
    vendor.answers.append([call("execute", {"command": slow, "timeout": "10m"})])
    panel.choose("Ask", is_on=False)
    panel.say("Go")
    panel.stop_while_running("execute", "line 2")


def test_code_of_an_answer_goes_into_the_notebook(panel: Panel, vendor: Vendor) -> None:
    vendor.answers.append([say("Try this:\n\n```python\ny = 2\n```\n")])
    panel.say("Go")
    panel.until_at_rest()
    cells = panel.page.locator(".jp-Notebook .jp-CodeCell")
    before = cells.count()
    panel.transcript.get_by_role("button", name="Insert below").click()
    expect(cells).to_have_count(before + 1)
    expect(cells.filter(has_text="y = 2")).to_be_visible()


def test_an_answer_with_thoughts_math_and_code_that_runs(panel: Panel, vendor: Vendor) -> None:
    code = "print(6 * 7)"
    vendor.answers.append([think("First *this*."), say(f"Of $x^2$:\n\n```python\n{code}\n```\n")])
    panel.say("Go")
    panel.until_at_rest()
    thoughts = panel.transcript.locator("details").filter(has_text="Thought")
    expect(thoughts.locator("em")).to_have_count(0)
    thoughts.locator("summary").click()
    expect(thoughts.locator("em")).to_have_text("this")
    expect(panel.transcript.locator("mjx-container")).to_have_count(1)
    expect(panel.transcript).not_to_contain_text("$")
    assert faults(panel) == []

    panel.transcript.get_by_role("button", name="Copy").click()
    panel.input.press("ControlOrMeta+v")
    expect(panel.input).to_have_value(code)
    panel.input.fill("")

    expect(panel.page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]')).to_have_count(1)
    panel.transcript.get_by_role("button", name="Insert and run").click()
    cell = panel.page.locator(".jp-Notebook .jp-CodeCell").filter(has_text=code)
    expect(cell.locator(".jp-OutputArea-output")).to_have_text("42")
