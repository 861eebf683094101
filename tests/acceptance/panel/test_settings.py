"""What the user can set, what is remembered after a reload, and what is told while nobody looks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from acceptance.browser import Panel
from acceptance.vendor import Vendor
from fakes.steps import call, say, wait
from playwright.sync_api import Browser, Response, expect
from servers import JupyterServer


@pytest.fixture
def other(browser: Browser, server: JupyterServer) -> Iterator[Panel]:
    """A page of its own, whose layout is kept between reloads."""
    page = browser.new_page(viewport={"width": 1200, "height": 850})
    yield Panel(page, server)
    page.close()


@pytest.fixture
def save(server: JupyterServer) -> Iterator[Any]:
    """Saves settings as the settings editor does."""
    url = f"{server.url}lab/api/settings/{quote('jupyter-chatd:panel')}"

    def put(**settings: object) -> None:
        httpx.put(url, headers=server.headers, json={"raw": json.dumps(settings)}).raise_for_status()

    yield put
    put()


def test_settings_hold_for_new_chats(other: Panel, server: JupyterServer, vendor: Vendor, save: Any) -> None:
    save(fontSize=20, sendKey="Ctrl+Enter", approvals="auto", defaultModel="demo:demo", side="left")
    other.open_lab()
    expect(other.root).to_have_css("font-size", "20px")
    expect(other.page.locator(".jp-SideBar.jp-mod-left [data-id=jupyter-chatd-panel]")).to_be_visible()
    expect(other.root.get_by_label("Model")).to_have_value("demo:demo")
    expect(other.button("Ask")).to_have_attribute("aria-pressed", "false")
    other.say("say *first*")
    expect(other.input).to_have_value("say *first*\n")
    other.say("say *second*", "Control+Enter")
    expect(other.transcript.locator("em")).to_have_text("second")
    other.until_at_rest()
    chat = httpx.get(server.chats_url, headers=server.headers, params={"limit": 1}).json()[0]
    assert (chat["model"], chat["approval_mode"]) == ("demo:demo", "auto")


def test_a_setting_that_is_changed_holds_at_once(other: Panel) -> None:
    other.open_lab()
    other.run_command("Agent: Settings")
    size = other.page.locator("[id$=_fontSize]")
    size.fill("18")
    expect(other.root).to_have_css("font-size", "18px")
    other.page.get_by_role("button", name="Restore to Defaults").click()
    expect(other.root).not_to_have_css("font-size", "18px")


def keeps_a_view(response: Response) -> bool:
    """Whether JupyterLab has saved its layout with a view of a chat."""
    return response.request.method == "PUT" and "jupyter-chatd-main-" in (response.request.post_data or "")


def test_views_in_the_main_area_are_there_after_a_reload(
    other: Panel, vendor: Vendor, server: JupyterServer
) -> None:
    other.open_lab(workspace="kept")
    vendor.answers.append([say("It *stays*.")])
    other.say("Go")
    expect(other.transcript.locator("em")).to_have_text("stays")
    other.until_at_rest()
    with other.page.expect_response(keeps_a_view):
        other.run_command("Agent: Open in the Main Area")
    main = other.page.locator(".jp-MainAreaWidget .jp-chatd-panel")
    expect(main.locator("em")).to_have_text("stays")
    other.page.goto(f"{server.url}lab/workspaces/kept?token={server.token}")
    expect(main.locator("em")).to_have_text("stays")


def test_it_is_told_that_a_chat_waits_while_the_panel_is_out_of_sight(other: Panel, vendor: Vendor) -> None:
    other.open_lab()
    vendor.answers.append([wait(3.0), call("execute", {"command": "echo hidden"})])
    tab = other.page.locator('[data-id="jupyter-chatd-panel"]')
    other.say("Go on without me")
    tab.click()
    expect(other.input).to_be_hidden()
    told = other.page.get_by_text("The agent waits for you: Go on without me")
    expect(told.first).to_be_visible()
    other.page.get_by_role("button", name="Open", exact=True).first.click()
    other.button("Deny").click()
    expect(told).to_have_count(0)
    other.until_at_rest()


def test_offline_for_a_while_and_back(other: Panel, vendor: Vendor) -> None:
    other.open_lab()
    vendor.answers.append([say("Before *that*.")])
    other.say("Go")
    expect(other.transcript.locator("em")).to_have_text("that")
    other.until_at_rest()
    other.page.context.set_offline(True)
    other.say("Are you there?")
    expect(other.root.get_by_text("The server cannot be reached.")).to_be_visible()
    expect(other.input).to_have_value("Are you there?")
    vendor.answers.append([say("I am *here*.")])
    other.page.context.set_offline(False)
    other.input.press("Enter")
    expect(other.transcript.locator("em").last).to_have_text("here")
    other.until_at_rest()


def test_what_is_switched_off_is_said(other: Panel, server: JupyterServer) -> None:
    url = f"{server.chats_url}/policy"
    httpx.patch(url, headers=server.headers, json={"desktop": False}).raise_for_status()
    try:
        other.open_lab()
        expect(
            other.root.get_by_text("The agent may not use a desktop: that is switched off.")
        ).to_be_visible()
    finally:
        httpx.patch(url, headers=server.headers, json={"desktop": True}).raise_for_status()
