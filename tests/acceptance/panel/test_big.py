"""What is far longer or larger than usual."""

from __future__ import annotations

from acceptance.axe import faults
from acceptance.browser import Panel
from acceptance.chats import Chats, eventually
from acceptance.vendor import Vendor
from fakes.steps import call, say
from playwright.sync_api import expect
from servers import JupyterServer

DROP = """(input, [name, type, text, count]) => {
    const files = new DataTransfer();
    files.items.add(new File([text.repeat(count)], name, {type}));
    input.dispatchEvent(new DragEvent('drop', {bubbles: true, cancelable: true, dataTransfer: files}));
}"""
"""Drops a file of that text so many times, which is made in the page."""


PASTE = """(input, [text, count]) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData('text/plain', text.repeat(count));
    input.dispatchEvent(new ClipboardEvent('paste', {bubbles: true, cancelable: true, clipboardData}));
}"""


def test_an_answer_of_a_megabyte(panel: Panel, vendor: Vendor) -> None:
    paragraph = f"{'x' * 199} " * 50
    vendor.answers.append([say("\n\n".join(["y" * 100_000, *[paragraph] * 90, "The *end*."]))])
    panel.say("Go")
    expect(panel.transcript.locator("em")).to_have_text("end")
    panel.until_at_rest()
    expect(panel.input).to_be_focused()
    panel.button("All chats").click()
    panel.root.get_by_role("list", name="Chats").get_by_role("button", name="Go").first.click()
    expect(panel.transcript.locator("em")).to_be_in_viewport()


def test_a_message_of_a_megabyte_shows_its_beginning(
    panel: Panel, vendor: Vendor, server: JupyterServer
) -> None:
    with Chats(server, model="openai:fake-model") as chats:
        chat_id = chats.begin("x" * 10**6, title="Megabyte")
        panel.root.get_by_role("list", name="Chats").get_by_role("button", name="Megabyte").first.click()
        expect(panel.transcript.locator("em")).to_have_text("last")
        said = panel.transcript.locator(".jp-chatd-userText").first
        assert len(said.inner_text()) < 20_000
        vendor.answers.append([call("execute", {"command": "echo asked"})])
        panel.choose("Ask", is_on=True)
        panel.say("Go on")
        panel.card("execute", "asking").wait_for()
        chats.send(chat_id, "y" * 10**6)
        expect(panel.queue).to_have_count(1)
        assert len(panel.queue.inner_text()) < 1000
        assert faults(panel) == []
        panel.queue.get_by_role("button", name="Remove").click()
        expect(panel.queue).to_have_count(0)
        panel.stop.click()
        panel.until_at_rest()
    said.get_by_role("button", name="Show all 1.0M characters").click()
    eventually(lambda: said.evaluate("said => said.textContent.length") == 10**6)
    panel.say("Thanks")
    expect(panel.transcript.locator("em").last).to_have_text("last")
    panel.until_at_rest()


def test_a_message_of_a_megabyte_is_kept_as_a_file(panel: Panel, vendor: Vendor) -> None:
    panel.input.evaluate(DROP, ["notes.txt", "text/plain", "long line\n", 100_000])
    expect(panel.root.get_by_role("img", name="Uploading")).to_have_count(0)
    vendor.answers.append([say("I *see*.")])
    panel.say("Read this")
    expect(panel.transcript.locator("em")).to_have_text("see")
    panel.until_at_rest()


def test_a_paste_of_a_megabyte_becomes_a_file(panel: Panel, vendor: Vendor) -> None:
    panel.input.evaluate(PASTE, ["long line\n", 100_000])
    attached = panel.root.get_by_role("list", name="Attached files").get_by_role("listitem")
    expect(attached).to_contain_text("pasted-text-")
    expect(panel.root.get_by_role("img", name="Uploading")).to_have_count(0)
    vendor.answers.append([say("I *see*.")])
    panel.say("Read this")
    expect(panel.transcript.locator("em")).to_have_text("see")
    expect(panel.transcript.get_by_role("link", name="pasted-text-")).to_be_visible()
    panel.until_at_rest()


def test_ten_thousand_lines_of_output(panel: Panel, vendor: Vendor) -> None:
    script = "import sys; sys.stdout.write(''.join(f'{n}\\n' for n in range(1, 10001)))"
    vendor.answers += [[call("execute_code", {"code": script})], [say("*So*.")]]
    panel.choose("Ask", is_on=False)
    panel.say("Go")
    expect(panel.transcript.locator("em")).to_have_text("So")
    panel.until_at_rest()
    card = panel.card("execute_code", "done")
    card.get_by_role("button").first.click()
    expect(card).to_contain_text("10000")
    expect(card.get_by_role("button", name="earlier lines")).to_be_visible()


def test_a_picture_of_40_mb_is_refused_in_a_sentence(panel: Panel) -> None:
    panel.input.evaluate(DROP, ["huge.png", "image/png", "0123456789", 4_000_000])
    attached = panel.root.get_by_role("list", name="Attached files").get_by_role("listitem")
    expect(attached).to_contain_text("huge.png: ")
    expect(attached).to_contain_text("Make it smaller")
    attached.get_by_role("button", name="Remove huge.png").click()
    expect(attached).to_have_count(0)
