"""The desktop seen live and used in JupyterLab and Notebook 7, below a base URL."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import httpx
import nbformat
import pytest
from acceptance.axe import serious_faults
from acceptance.browser import (
    NO_PREFERENCE,
    Panel,
    keep_picture,
    with_front_end,
    without_page_errors,
)
from acceptance.cells import NotebookPage
from acceptance.chats import Chats, eventually
from acceptance.desktop_view import MIDDLE, View, without_browsers
from acceptance.notebooks import check_saved, outputs_of, without_outputs
from desktop.stages import needs_xvnc
from playwright.sync_api import Browser, BrowserContext, expect
from servers import ROOT, Dirs, JupyterServer

NOTEBOOK = ROOT / "notebooks" / "desktop.ipynb"
LIGHT, DARK = THEMES = ("JupyterLab Light", "JupyterLab Dark")

pytestmark = needs_xvnc


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    folder = tmp_path_factory.mktemp("lab")
    dirs = with_front_end(Dirs(folder / "bob").make())
    env = {**NO_PREFERENCE, **without_browsers(folder / "programs")}
    settings = {"JupyterChatd": {"desktop_launcher": "xvnc"}}
    with JupyterServer(dirs, env=env, settings=settings, base_url="/user/bob/") as server:
        yield server


@pytest.fixture(scope="module")
def context(browser: Browser) -> BrowserContext:
    """A browser whose user lets pages use the clipboard."""
    return browser.new_context(
        viewport={"width": 1500, "height": 950}, permissions=["clipboard-read", "clipboard-write"]
    )


@pytest.fixture(scope="module")
def chat_id(server: JupyterServer) -> str:
    """The chat whose desktop all tests look at."""
    with Chats(server) as chats:
        chat_id = chats.begin("say hello", title="Errands")
        chats.settle(chat_id)
    return chat_id


@pytest.fixture(scope="module")
def lab(context: BrowserContext, server: JupyterServer, chat_id: str) -> Panel:
    """JupyterLab with the chat and its desktop, which is started."""
    panel = Panel(context.new_page(), server)
    panel.open_lab()
    panel.root.get_by_role("list", name="Chats").get_by_role("button", name="Errands").click()
    panel.button("Open the desktop").click()
    view = View(panel.page.locator("#jp-main-dock-panel"))
    expect(view.status).to_have_text("The desktop is off.")
    view.button("Start the desktop").click()
    view.until_it_shows_a_terminal()
    return panel


@pytest.fixture
def view(lab: Panel) -> Iterator[View]:
    """The view; what goes wrong in the page fails the test."""
    with without_page_errors(lab.page):
        view = View(lab.page.locator("#jp-main-dock-panel"))
        if view.button("Give back").is_visible():
            view.give_back()  # after a test that failed
        yield view


@pytest.fixture
def made(server: JupyterServer, request: pytest.FixtureRequest) -> Path:
    """A file that something on the desktop makes."""
    return server.dirs.work / request.node.name


def test_d1_who_looks_sees_what_happens_and_changes_nothing(
    view: View, server: JupyterServer, chat_id: str, made: Path
) -> None:
    before = view.picture()
    view.canvas.click(force=True)
    view.run(f"touch {made}-by-looking")
    actions = {"actions": [{"action": "type", "text": f"touch {made}\n"}]}
    httpx.post(
        f"{server.chats_url}/{chat_id}/desktop/action", headers=server.headers, json=actions, timeout=60
    )
    eventually(made.exists)
    eventually(lambda: view.picture() != before)
    assert not Path(f"{made}-by-looking").exists()


def test_d1_who_takes_control_types_and_gives_back(view: View, made: Path) -> None:
    view.take()
    before = view.picture()
    view.run(f'echo "Typed: {{}} \\\\ ~ ^ @" > {made}')
    eventually(lambda: made.exists() and made.read_text())
    assert made.read_text() == "Typed: {} \\ ~ ^ @\n"
    eventually(lambda: view.picture() != before)
    view.give_back()
    expect(view.status).to_have_text("Nobody is using the desktop.")
    view.run(f"rm {made}")
    assert made.exists()


def test_keys_lead_out_of_the_desktop_and_into_it_again(view: View, made: Path) -> None:
    view.take()
    view.leave()
    expect(view.button("Give back")).to_be_focused()
    while view.canvas.evaluate("canvas => document.activeElement !== canvas"):
        view.page.keyboard.press("Tab")
    view.run(f"echo plain > {made}")  # no other key is down
    eventually(lambda: made.exists() and made.read_text() == "plain\n")
    view.leave()
    view.page.keyboard.press("Enter")
    expect(view.status).to_have_text("Nobody is using the desktop.")
    view.button("Take control").wait_for()
    view.page.keyboard.press("Tab")  # from where the button was
    expect(view.button("Take control")).to_be_focused()


def test_the_pointer_is_the_users_too(view: View, server: JupyterServer, chat_id: str) -> None:
    view.take()
    box = view.canvas.bounding_box()
    assert box is not None
    view.canvas.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
    actions = {"actions": [{"action": "cursor"}]}
    url = f"{server.chats_url}/{chat_id}/desktop/action"
    reply = httpx.post(url, headers=server.headers, json=actions, timeout=60).json()
    x, y = reply["results"][0]["cursor"]
    assert abs(x - MIDDLE[0]) <= 2
    assert abs(y - MIDDLE[1]) <= 2
    view.give_back()


def test_the_clipboard_goes_both_ways(view: View, made: Path) -> None:
    view.take()
    view.page.evaluate("text => navigator.clipboard.writeText(text)", f"echo 'grüße 🙂' > {made}")
    view.canvas.focus()
    view.page.keyboard.press("Shift+Insert")

    def has_run() -> bool:
        view.page.keyboard.press("Enter")  # what is pasted may come later than a key that has waited for it
        return made.exists() and bool(made.read_text())

    eventually(has_run)
    assert made.read_text() == "grüße 🙂\n"

    view.run("clear; yes copied-there | head -60")
    box = view.canvas.bounding_box()
    assert box is not None
    view.button("Clipboard of the desktop").click()
    text = view.page.get_by_label("Clipboard of the desktop").and_(view.page.locator("textarea"))

    def copied() -> bool:
        view.canvas.click(position={"x": box["width"] / 2, "y": box["height"] / 3}, click_count=3)
        view.page.wait_for_timeout(200)
        return "copied-there" in text.input_value()

    eventually(copied)
    assert "copied-there" in view.page.evaluate("navigator.clipboard.readText()")
    text.fill("from the box\n")
    view.button("Put on the desktop's clipboard").click()
    view.page.evaluate("navigator.clipboard.writeText('')")
    view.canvas.focus()
    view.run(f"cat > {made}")
    view.page.keyboard.press("Shift+Insert")
    eventually(lambda: made.read_text() == "from the box\n")
    view.page.keyboard.press("Control+d")
    view.button("Clipboard of the desktop").click()
    view.give_back()


@pytest.fixture(scope="module")
def looks(lab: Panel) -> Iterator[None]:
    yield
    lab.run_command(f"Use Theme: {LIGHT}")


def faults(view: View) -> list[str]:
    return serious_faults(view.page, ".jp-chatd-desktop")


@pytest.mark.usefixtures("looks")
@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_no_serious_fault_in_the_document(view: View, lab: Panel, theme: str) -> None:
    lab.run_command(f"Use Theme: {theme}")
    expect(view.page.locator(f'body[data-jp-theme-name="{theme}"]')).to_have_count(1)
    assert faults(view) == []  # who looks
    view.button("Show each pixel").click()
    assert faults(view) == []
    view.button("Fit into the view").click()
    view.take()
    assert faults(view) == []  # who has control
    view.button("Clipboard of the desktop").click()
    assert faults(view) == []
    view.button("Clipboard of the desktop").click()
    view.give_back()


def test_each_pixel_or_all_of_it(view: View) -> None:
    view.button("Show each pixel").click()
    eventually(lambda: (view.canvas.bounding_box() or {}).get("width") == 1280)
    view.button("Fit into the view").click()
    eventually(lambda: (view.canvas.bounding_box() or {})["width"] < 1280)


def test_d2_the_agent_is_watched_at_work(view: View, lab: Panel) -> None:
    lab.choose("Ask", is_on=False)
    lab.say("open the desktop and wait 5 seconds, look at the screen")
    expect(view.status).to_have_text("The agent is using the desktop.")
    lab.until_at_rest()
    lab.card("spawn_agent", "done").last.get_by_role("button", name="Watch the desktop").click()
    expect(lab.page.get_by_role("tab", name="Desktop of Errands")).to_have_count(1)


def test_the_card_of_an_action_shows_the_screen(view: View, lab: Panel) -> None:
    lab.choose("Ask", is_on=False)
    lab.say("open the desktop and look at the screen")
    lab.until_at_rest()
    lab.card("spawn_agent", "done").last.get_by_title("Open", exact=True).click()
    card = lab.card("computer", "done").last
    expect(card).to_contain_text("Desktop: screenshot")
    card.get_by_role("button").first.click()
    eventually(lambda: card.get_by_role("img").evaluate("image => image.naturalWidth") > 600)
    card.get_by_role("button", name="Watch the desktop").click()
    expect(view.canvas).to_be_visible()
    lab.button("Back to the parent chat").click()


def test_the_agent_waits_for_who_has_control(
    view: View, lab: Panel, server: JupyterServer, chat_id: str, made: Path
) -> None:
    with Chats(server) as chats:
        earlier = {child["id"] for child in chats.children(chat_id)}
        view.take()
        lab.say(f'open the desktop and type "touch {made}", press Return and look at the screen')
        expect(view.status).to_have_text("You have control. The agent waits.")
        (child,) = eventually(lambda: {child["id"] for child in chats.children(chat_id)} - earlier)
        chats.hear(child, "Waiting until it is given back.")
    view.give_back()
    lab.until_at_rest()
    assert not made.exists()  # it was meant for another screen


def test_it_is_there_again_after_a_reload(view: View) -> None:
    view.page.reload()
    view.until_it_shows_a_terminal()
    expect(view.page.get_by_role("tab", name="Desktop of Errands")).to_be_visible()


def test_it_comes_back_after_the_servers_restart(
    view: View, lab: Panel, context: BrowserContext, server: JupyterServer, chat_id: str
) -> None:
    """The document, and the widget of a cell whose kernel is gone."""
    notebook = NotebookPage(context.new_page(), server, "cell")
    notebook.open(f"from jupyter_chatd.widgets import Desktop\nDesktop({chat_id!r})", app="notebooks")
    cell = View(notebook.run(0))
    cell.until_it_shows_a_terminal()
    check_keys(cell, notebook)
    lab.close_dialogs()  # JupyterLab says it too
    server.kill()
    for each in (view, cell):
        expect(each.status).to_have_text("The connection is lost. It is tried again…")
    server.start()
    for each in (view, cell):
        expect(each.status).to_have_text("The desktop is off.")
    view.button("Start the desktop").click()
    for each in (view, cell):
        each.until_it_shows_a_terminal()
    notebook.page.close()


def check_keys(cell: View, notebook: NotebookPage) -> None:
    """Who looks can save the notebook, and delete no cell; who has control types on the desktop alone."""
    keys = cell.page.keyboard
    cell.button("Show each pixel").click()  # else clicks go to the page
    cell.canvas.click()
    expect(cell.canvas).to_be_focused()
    before = notebook.path.read_text()
    keys.type("dd")
    keys.press("Control+s")
    eventually(lambda: notebook.path.read_text() != before)
    expect(cell.canvas).to_be_focused()
    cell.take()
    cell.canvas.focus()
    keys.press("Control+s")  # a terminal stops at it
    expect(cell.canvas).to_have_attribute("data-lm-suppress-shortcuts", "true")
    keys.press("Control+q")
    cell.give_back()


def test_the_notebook_about_it_shows_it_live(context: BrowserContext, server: JupyterServer) -> None:
    copy = server.dirs.work / NOTEBOOK.name
    nbformat.write(without_outputs(NOTEBOOK), copy)
    page = context.new_page()
    notebook = NotebookPage(page, server, NOTEBOOK.stem)
    notebook.load()
    cells = page.locator(".jp-CodeCell")
    view = View(cells.first.locator(".jp-OutputArea"))
    notebook.finish(0)
    view.until_it_shows_a_terminal()
    expect(view.status).to_contain_text("The agent is using the desktop.")
    notebook.finish(1, 2, 3, 4)
    expect(cells.nth(1)).to_contain_text("I took a picture of the screen, 1280x800 pixels.")
    expect(cells.nth(3).get_by_role("img")).to_have_js_property("naturalWidth", 640)
    expect(cells.nth(4)).to_contain_text("(True, None)")
    notebook.finish(5)
    expect(cells.nth(5)).to_contain_text("'stopped'")
    expect(view.status).to_have_text("The desktop is off.")
    page.get_by_title("Save and create checkpoint").first.click()
    eventually(lambda: "'stopped'" in copy.read_text())
    check_pictures(copy)
    assert server.token not in copy.read_text()
    page.close()


def check_pictures(path: Path) -> None:
    """Who reads a saved notebook sees what was on the desktop."""
    shown = [cell.outputs for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert shown[0][0].data["text/plain"].startswith("Desktop of 'At the desktop', 1280x800")
    for live in (shown[0][0], shown[3][0]):
        assert base64.b64decode(live.data["image/png"]).startswith(b"\x89PNG")


def test_what_is_saved_shows_a_run_and_tells_nothing_of_where() -> None:
    check_saved(NOTEBOOK)
    check_pictures(NOTEBOOK)
    _, said, _, _, taken, end = outputs_of(nbformat.read(NOTEBOOK, as_version=4))
    assert "I typed `echo Hello from the agent`." in said
    assert (taken, end) == ("(True, None)", "'stopped'")


def test_in_a_cell_whose_page_asks_only_the_kernel(
    context: BrowserContext, lab: Panel, server: JupyterServer, chat_id: str, made: Path
) -> None:
    code = f"from jupyter_chatd.widgets import Desktop\nDesktop({chat_id!r}, route='comm')"
    page = context.new_page()
    notebook = NotebookPage(page, server, "comm")
    notebook.open(code)
    notebook.finish(0)
    view = View(page.locator(".jp-CodeCell").first.locator(".jp-OutputArea"))
    view.until_it_shows_a_terminal()
    view.take()
    view.run(f"date > {made}")
    eventually(made.exists)
    page.locator(".jp-CodeCell .cm-content").first.click()  # else keys of commands are the desktop's
    for theme in (DARK, LIGHT):
        notebook.run_command(f"Use Theme: {theme}")
        expect(page.locator(f'body[data-jp-theme-name="{theme}"]')).to_have_count(1)
        assert faults(view) == []  # who has control
    view.give_back()
    assert faults(view) == []
    page.close()


def test_in_notebook_7_it_is_a_drawer(
    context: BrowserContext, lab: Panel, server: JupyterServer, chat_id: str
) -> None:
    page = context.new_page()
    panel = Panel(page, server)
    panel.open_notebook()
    panel.root.get_by_role("list", name="Chats").get_by_role("button", name="Errands").click()
    panel.button("Open the desktop").click()
    view = View(page.locator("#main"))
    expect(view.status).to_have_text("Nobody is using the desktop.")
    view.until_it_shows_a_terminal()
    keep_picture(page, "drawer")
    page.close()
