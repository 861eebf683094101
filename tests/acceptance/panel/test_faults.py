"""The panel when something is wrong: no sandbox, a model that fails."""

from __future__ import annotations

from acceptance.axe import faults
from acceptance.browser import Panel
from acceptance.vendor import Vendor
from fakes.steps import Refuse
from playwright.sync_api import expect


def test_a_failed_call_is_tried_again_in_sight(panel: Panel, vendor: Vendor) -> None:
    vendor.answers += [[Refuse(status=500)], [Refuse(status=500)]]
    panel.say("Hello")
    expect(panel.transcript).to_contain_text("Trying again (1)")
    expect(panel.transcript).to_contain_text("Trying again (2)")
    expect(panel.stop).to_be_visible()
    expect(panel.transcript.locator("em")).to_have_text("last")
    panel.until_at_rest()
    expect(panel.transcript).not_to_contain_text("Trying again")


def test_a_turn_that_is_tried_again_is_stopped(panel: Panel, vendor: Vendor) -> None:
    vendor.answers += [[Refuse(status=500)] for _ in range(9)]
    panel.say("Hello")
    expect(panel.transcript).to_contain_text("Trying again (1)")
    panel.stop.click()
    panel.until_at_rest()
    expect(panel.stop).to_have_count(0)
    expect(panel.transcript).not_to_contain_text("Trying again")


def test_a_refused_key_says_what_to_do_and_the_turn_can_be_tried_again(panel: Panel, vendor: Vendor) -> None:
    vendor.answers += [[Refuse(status=401, message="Incorrect API key", code="invalid_api_key")]]
    panel.say("Hello")
    notice = panel.root.get_by_role("alert")
    expect(notice).to_contain_text("key")
    panel.until_at_rest()
    panel.button("All chats").click()
    row = panel.root.get_by_role("list", name="Chats").get_by_role("listitem").first
    expect(row.get_by_role("img", name="failed")).to_be_visible()
    row.get_by_role("button").first.click()
    notice.get_by_text("Details").click()
    expect(notice).to_contain_text("Incorrect API key")
    assert faults(panel) == []
    panel.button("Try again").click()
    expect(panel.transcript.locator("em")).to_have_text("last")
    expect(notice).to_have_count(0)
    assert panel.transcript.get_by_text("Hello", exact=True).count() == 1


def test_without_a_sandbox_the_user_is_told(panel: Panel) -> None:
    panel.say("Hello")
    panel.until_at_rest()
    explanation = panel.root.get_by_text("apt install bubblewrap")
    expect(explanation).to_be_hidden()
    panel.root.get_by_text("unconfined: commands run with your rights").click()
    expect(explanation).to_be_visible()
    assert faults(panel) == []
