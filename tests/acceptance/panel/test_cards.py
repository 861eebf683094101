"""What a card shows of the tool that it is about."""

from __future__ import annotations

import base64
import time

import httpx
from acceptance.axe import faults
from acceptance.browser import Panel
from acceptance.vendor import Vendor
from fakes.steps import Search, Step, call, say
from playwright.sync_api import Locator, expect
from servers import JupyterServer

DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
"""A PNG of one pixel."""
PLOTS = f"""
import base64
from IPython.display import Image, display
print("name  size")
print("   a     1")
display(Image(base64.b64decode("{DOT}")), Image(base64.b64decode("{DOT}")))
"""


def do(panel: Panel, vendor: Vendor, *steps: Step) -> None:
    """Let the model do that, without asking, and then say a sentence."""
    vendor.answers += [list(steps), [say("It is *done*.")]]
    panel.choose("Ask", is_on=False)
    panel.say("Go")
    expect(panel.transcript.locator("em")).to_have_text("done")
    panel.until_at_rest()


def opened(card: Locator) -> Locator:
    """Open a card that shows only its line."""
    header = card.get_by_role("button").first
    if header.get_attribute("aria-expanded") == "false":
        header.click()
    return card


def test_files_that_were_read(panel: Panel, vendor: Vendor, server: JupyterServer) -> None:
    work = server.dirs.work
    (work / "sizes.csv").write_text('name,size\n"a, b",1\nc,2\n')
    (work / "notes.txt").write_text("one\ntwo\n")
    paths = [str(work / name) for name in ("sizes.csv", "notes.txt", "none.txt")]
    do(panel, vendor, *(call("read_file", {"path": path}) for path in paths))
    table, text, missing = (panel.card("read_file").nth(index) for index in range(3))
    expect(opened(table).get_by_role("columnheader")).to_have_text(["name", "size"])
    expect(table.get_by_role("cell")).to_have_text(["a, b", "1", "c", "2"])
    expect(opened(text)).to_contain_text("Lines 1–3 of 3")
    expect(text).to_contain_text("two")
    expect(missing).to_contain_text("none.txt")
    expect(missing).to_have_attribute("data-state", "failed")


def test_files_that_are_handed_over(panel: Panel, vendor: Vendor, server: JupyterServer) -> None:
    work = server.dirs.work
    (work / "plot.png").write_bytes(base64.b64decode(DOT))
    (work / "sums.csv").write_text("a,b\n1,2\n")
    names = ("plot.png", "sums.csv", "none.txt")
    do(panel, vendor, *(call("attach_file", {"path": str(work / name)}) for name in names))
    cards = panel.card("attach_file")
    expect(cards.get_by_role("img", name="plot.png")).to_have_js_property("naturalWidth", 1)
    link = cards.get_by_role("link", name="sums.csv")
    reply = panel.page.request.get(link.evaluate("link => link.href"))
    assert reply.text() == "a,b\n1,2\n"
    expect(panel.card("attach_file", "failed")).to_contain_text("none.txt")


def test_code_in_a_kernel(panel: Panel, vendor: Vendor) -> None:
    do(panel, vendor, call("execute_code", {"code": PLOTS}), call("execute_code", {"code": "1 / 0"}))
    shown = opened(panel.card("execute_code").first)
    expect(shown.get_by_role("img", name="Picture 2 of execute_code")).to_have_js_property("naturalWidth", 1)
    expect(shown.get_by_role("img")).to_have_count(2)
    expect(shown.locator(".jp-chatd-output")).to_have_text("name  size\n   a     1")
    expect(panel.card("execute_code", "failed")).to_contain_text("ZeroDivisionError: division by zero")
    vendor.answers += [[call("execute_code", {"code": "owls = 42"})], [call("inspect_variables", {})]]
    panel.say("And?")
    expect(
        opened(panel.card("inspect_variables")).get_by_role("row").filter(has_text="owls")
    ).to_contain_text("42")
    panel.until_at_rest()


def test_code_shows_its_output_as_it_comes_and_is_stopped(panel: Panel, vendor: Vendor) -> None:
    code = "import time\nfor n in range(600): print('line', n, flush=True); time.sleep(0.2)"
    vendor.answers.append([call("execute_code", {"code": code, "timeout": "5m"})])
    panel.choose("Ask", is_on=False)
    panel.say("Go")
    panel.stop_while_running("execute_code", "line 2")


def test_pages_that_a_search_found(panel: Panel, vendor: Vendor) -> None:
    found = Search(query="owls", url="https://owls.example/1", title="All owls", text="Owls *hoot*.")
    vendor.answers.append([found])
    panel.say("Go")
    expect(panel.transcript.locator("em")).to_have_text("hoot")
    panel.until_at_rest()
    expect(panel.transcript.get_by_role("link", name="All owls")).to_have_attribute("href", found.url)


def test_a_workspace_shows_what_its_start_says(panel: Panel, vendor: Vendor, server: JupyterServer) -> None:
    templates = httpx.get(f"{server.chats_url}/workspaces/templates", headers=server.headers).json()
    template = next(one["id"] for one in templates if one["name"] == "empty")
    do(
        panel,
        vendor,
        call("list_templates", {}),
        call("create_workspace", {"template_id": template, "name": f"cards-{time.time_ns()}"}),
    )
    expect(
        opened(panel.card("list_templates", "done")).get_by_role("cell", name="empty", exact=True)
    ).to_be_visible()
    expect(opened(panel.card("create_workspace", "done"))).to_contain_text("workspace_name")
    vendor.answers += [[call("stop_workspace", {})]]
    panel.say("Stop it")
    expect(panel.card("stop_workspace", "done")).to_be_visible()
    panel.until_at_rest()


def test_a_tool_that_nobody_knows(panel: Panel, vendor: Vendor) -> None:
    do(panel, vendor, call("tickets__find", {"words": "owl\u202ebat"}))
    card = panel.card("tickets__find", "failed")
    expect(card).to_contain_text("find (tickets)")
    expect(opened(card)).to_contain_text("owl⟨U+202E⟩bat")


def test_a_subagents_card_shows_how_it_stands_now(panel: Panel, vendor: Vendor) -> None:
    tasks = [{"type": "general", "prompt": f"Task {n}", "title": f"Child {n}"} for n in (1, 2, 3)]
    nap = call("execute", {"command": "sleep 300", "timeout": "10m"})
    vendor.always = {task["prompt"]: [nap] for task in tasks}
    vendor.answers.append([call("spawn_agent", {**task}) for task in tasks])
    panel.choose("Ask", is_on=False)
    panel.say("Go")
    cards = panel.card("spawn_agent", "done")
    expect(cards).to_have_count(3)
    panel.root.get_by_text("3 subagents").click()
    subagents = panel.root.locator(".jp-chatd-subagents")
    expect(subagents.get_by_text("works", exact=True).first).to_be_visible()
    working = cards.filter(has=panel.page.locator(".jp-chatd-cardHeader .jp-chatd-spinner"))
    expect(working.first).to_be_visible()
    before = working.count()
    stop = subagents.get_by_role("button", name="Stop Child")
    stop.first.click()
    expect(working).to_have_count(before - 1)
    while stop.count():
        stop.first.click()
        before -= 1
        expect(working).to_have_count(max(before - 1, 0))
    panel.until_at_rest()
    panel.button("All chats").click()
    panel.root.get_by_role("button", name="3 subagents that are done").first.click()
    nested = panel.root.get_by_role("list", name="Subagents of Go").first.get_by_role("listitem")
    expect(nested).to_have_count(3)
    assert faults(panel) == []
