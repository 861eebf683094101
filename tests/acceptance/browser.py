"""The front end in a real browser: starting one, and what a person does in the agent's panel."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nbformat import NotebookNode, writes
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Browser, Error, Locator, Page, expect, sync_playwright
from servers import ROOT, TOKEN, Dirs, JupyterServer

BUNDLE = ROOT / "jupyter_chatd/labextension"
PATIENCE = 60_000.0  # ms that a page may take on a slow machine that does other things too
PICTURE_TIME = 20_000.0  # ms
QUIET = {"fetchNews": "false", "checkForUpdates": False}
GIVE = """(input, [how, name, data, type]) => {
    const files = new DataTransfer();
    files.items.add(new File([new Uint8Array(data)], name, {type}));
    const common = {bubbles: true, cancelable: true};
    input.dispatchEvent(how === 'paste'
        ? new ClipboardEvent('paste', {...common, clipboardData: files})
        : new DragEvent('drop', {...common, dataTransfer: files}));
}"""
FOCUSED = """() => {
    const one = document.activeElement;
    return one.ariaLabel || one.labels?.[0]?.textContent || one.placeholder || one.textContent;
}"""
MOST_TABS = 60
_running: list[Browser] = []
NO_PREFERENCE = {"JUPYTER_PREFER_ENV_PATH": "0"}
"""The user's own front end goes before one that is installed beside Python."""


@contextmanager
def started_browser() -> Iterator[Browser]:
    """The system's Chromium, without a window."""
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    assert executable, "These tests need Chromium: on Debian install the package chromium."
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        _running.append(browser)
        try:
            yield browser
        finally:
            _running.remove(browser)
            browser.close()


def with_front_end(dirs: Dirs) -> Dirs:
    """Install the built front end for this user, and let JupyterLab ask nothing of the network."""
    assert (BUNDLE / "package.json").exists(), "The front end is not built: run make bundle."
    extensions = dirs.data / "labextensions"
    extensions.mkdir(parents=True)
    (extensions / "jupyter-chatd").symlink_to(BUNDLE)
    settings = dirs.config / "lab/user-settings/@jupyterlab/apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(QUIET))
    return dirs


@contextmanager
def without_page_errors(page: Page) -> Iterator[None]:
    """Fail when something goes wrong in the page's own code meanwhile."""
    errors: list[str] = []
    page.on("pageerror", on_error := lambda error: errors.append(f"{error} {error.stack}"))
    yield
    page.remove_listener("pageerror", on_error)
    assert errors == []


class Panel:
    """The agent's panel in a page of JupyterLab or Notebook.

    Args:
        page: A page that nothing was loaded into.
        server: The server that it belongs to, with the front end.
        url: Where the page reaches it; `None` is directly.
    """

    def __init__(self, page: Page, server: JupyterServer, url: str | None = None) -> None:
        self.page = page
        self._server = server
        self._url = url or server.url
        page.set_default_timeout(PATIENCE)

    def open_lab(self, *, workspace: str = "", shows_panel: bool = True) -> None:
        """Load JupyterLab as it is at first, and bring the panel into sight."""
        place = f"lab/workspaces/{workspace}" if workspace else "lab"
        self.page.goto(f"{self._url}{place}?reset&token={TOKEN}")
        self.page.locator(".jp-LauncherCard").first.wait_for(timeout=60_000)  # comes when the layout stands
        if shows_panel:
            self.page.locator('[data-id="jupyter-chatd-panel"]').click()
            self.input.wait_for()

    def open_notebook(self) -> None:
        """Load a new notebook in Notebook 7, and bring the panel into sight."""
        save_notebook(self._server.dirs.work / "page.ipynb", new_code_cell("x = 1"))
        self.page.goto(f"{self._url}notebooks/page.ipynb?token={TOKEN}")
        self.page.locator(".jp-Notebook").wait_for(timeout=60_000)
        while not self.input.is_visible():  # keys that come before the page knows them do nothing
            self.page.locator(".jp-Notebook").press("Control+Alt+j", timeout=PATIENCE)
            self.page.wait_for_timeout(300)

    def run_command(self, label: str) -> None:
        """Run a command by its name in the command palette."""
        search_commands(self.page, label)
        self.page.locator(".lm-CommandPalette-itemLabel").get_by_text(label, exact=True).first.click()

    def close_dialogs(self) -> None:
        """Close what JupyterLab itself has to say, now and whenever it stands in the way."""
        close = self.page.locator(".jp-Dialog").get_by_role("button", name="Close")
        self.page.add_locator_handler(close, lambda: close.click())

    def begin(self) -> None:
        """Show the list and an empty input, with what a new chat has at first."""
        if self.button("All chats").is_visible():
            self.button("All chats").click()
        search = self.root.get_by_label("Search all chats")
        if search.is_visible() and search.input_value():
            search.fill("")
        self.input.fill("")
        for remove in self.root.get_by_role("list", name="Attached files").get_by_role("button").all():
            remove.click()
        self.choose("Ask", is_on=True)
        self.choose("Plan", is_on=False)

    def choose(self, name: str, *, is_on: bool) -> None:
        """Switch one of the choices below the input on or off."""
        if self.button(name).get_attribute("aria-pressed") != str(is_on).lower():
            self.button(name).click()

    @property
    def root(self) -> Locator:
        """All of the panel."""
        return self.page.locator("#jupyter-chatd-panel")

    @property
    def input(self) -> Locator:
        """Where one writes."""
        return self.root.get_by_label("Message to the agent")

    @property
    def transcript(self) -> Locator:
        """What was said and done."""
        return self.root.get_by_role("log")

    @property
    def stop(self) -> Locator:
        """The button that stops the chat."""
        return self.root.locator(".jp-chatd-composer").get_by_role("button", name="Stop")

    @property
    def queue(self) -> Locator:
        """The messages that wait."""
        return self.root.get_by_role("list", name="Queued messages").get_by_role("listitem")

    def say(self, text: str, key: str = "Enter") -> None:
        """Write and send."""
        self.input.fill(text)
        self.input.press(key)

    def tab_to(self, name: str, key: str = "Tab") -> None:
        """Go with the Tab key to what has that name."""
        seen: list[str] = []
        for _ in range(MOST_TABS):
            self.page.keyboard.press(key)
            seen.append(str(self.page.evaluate(FOCUSED)).strip())
            if seen[-1].startswith(name):
                return
        raise AssertionError(f"{name} is not reached by {key}: {seen}")

    def press_on(self, name: str, key: str = "Tab") -> None:
        """Go with the Tab key to a button, and press it."""
        self.tab_to(name, key)
        self.page.keyboard.press("Enter")

    def give(self, how: str, name: str, data: bytes, media_type: str) -> None:
        """Paste or drop a file onto the input."""
        self.input.evaluate(GIVE, [how, name, list(data), media_type])

    def card(self, tool: str, state: str | None = None) -> Locator:
        """Return the card of a tool's call; with *state*, once it has come to that."""
        wanted = f'[data-tool="{tool}"]' + (f'[data-state="{state}"]' if state else "")
        return self.transcript.locator(wanted)

    def button(self, name: str) -> Locator:
        """Return the button of that name."""
        return self.root.get_by_role("button", name=name, exact=True)

    def stop_while_running(self, tool: str, shown: str) -> None:
        """Wait until a tool's card shows that, and stop."""
        expect(self.card(tool, "running")).to_contain_text(shown)
        self.stop.click()
        expect(self.stop).to_have_count(0)
        self.until_at_rest()
        expect(self.card(tool, "running")).to_have_count(0)

    def until_at_rest(self) -> None:
        """Wait until nothing runs any more."""
        self.transcript.and_(self.page.locator('[aria-busy="false"]')).wait_for()


@contextmanager
def opened_panel(browser: Browser, server: JupyterServer, *, app: str = "lab") -> Iterator[Panel]:
    """The panel in a page of its own; *app* is `lab`, or `notebook` for Notebook 7."""
    page = browser.new_page(viewport={"width": 1200, "height": 850})
    panel = Panel(page, server)
    if app == "lab":
        panel.open_lab()
    else:
        panel.open_notebook()
    yield panel
    page.close()


def save_notebook(path: Path, *cells: NotebookNode) -> None:
    """Save a notebook that asks nobody for a kernel."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path.write_text(writes(new_notebook(cells=list(cells), metadata={"kernelspec": kernel})))


def keep_picture(page: Page, name: str) -> Path:
    """Save what the page shows; the folder is ignored by git."""
    path = ROOT / "test-screenshots" / f"{re.sub(r'[^a-zA-Z0-9.-]+', '_', name)}.png"
    path.parent.mkdir(exist_ok=True)
    page.screenshot(path=path, timeout=PICTURE_TIME)
    return path


def search_commands(page: Page, words: str) -> None:
    """Look for a command in the palette."""
    palette = page.locator(".lm-CommandPalette-input")
    while not palette.is_visible():  # a key that comes before the shortcuts does nothing
        page.keyboard.press("Control+Shift+c")
        page.wait_for_timeout(500)
    palette.fill(words)


def keep_pictures(name: str) -> list[str]:
    """Save what all open pages show, for whoever looks into a failure; return where, or why not."""
    pages = [page for browser in _running for context in browser.contexts for page in context.pages]
    kept: list[str] = []
    for number, page in enumerate(pages, start=1):
        try:
            kept.append(str(keep_picture(page, f"{name}-{number}")))
        except Error as error:  # the failure itself matters more
            kept.append(f"Page {number} gave no picture: {error}")
    return kept
