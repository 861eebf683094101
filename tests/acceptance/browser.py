"""The front end in a real browser: starting one, and what a person does in the agent's panel."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nbformat import NotebookNode, writes
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright
from servers import ROOT, TOKEN, Dirs, JupyterServer

BUNDLE = ROOT / "jupyter_chatd/labextension"
PATIENCE = 60_000.0  # ms that a page may take on a slow machine that does other things too
QUIET = {"fetchNews": "false", "checkForUpdates": False}
GIVE = """(input, [how, name, data, type]) => {
    const files = new DataTransfer();
    files.items.add(new File([new Uint8Array(data)], name, {type}));
    const common = {bubbles: true, cancelable: true};
    input.dispatchEvent(how === 'paste'
        ? new ClipboardEvent('paste', {...common, clipboardData: files})
        : new DragEvent('drop', {...common, dataTransfer: files}));
}"""
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
        yield browser
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


class Panel:
    """The agent's panel in a page of JupyterLab or Notebook.

    Args:
        page: A page that nothing was loaded into.
        server: The server that it belongs to, with the front end.
    """

    def __init__(self, page: Page, server: JupyterServer) -> None:
        self.page = page
        self._server = server
        page.set_default_timeout(PATIENCE)

    def open_lab(self, *, workspace: str = "", shows_panel: bool = True) -> None:
        """Load JupyterLab as it is at first, and bring the panel into sight."""
        place = f"lab/workspaces/{workspace}" if workspace else "lab"
        self.page.goto(f"{self._server.url}{place}?reset&token={TOKEN}")
        self.page.locator(".jp-LauncherCard").first.wait_for(timeout=60_000)  # comes when the layout stands
        if shows_panel:
            self.page.locator('[data-id="jupyter-chatd-panel"]').click()
            self.input.wait_for()

    def open_notebook(self) -> None:
        """Load a new notebook in Notebook 7, and bring the panel into sight."""
        save_notebook(self._server.dirs.work / "page.ipynb", new_code_cell("x = 1"))
        self.page.goto(f"{self._server.url}notebooks/page.ipynb?token={TOKEN}")
        self.page.locator(".jp-Notebook").wait_for(timeout=60_000)
        while not self.input.is_visible():  # keys that come before the page knows them do nothing
            self.page.locator(".jp-Notebook").press("Control+Alt+j", timeout=PATIENCE)
            self.page.wait_for_timeout(300)

    def run_command(self, label: str) -> None:
        """Run a command by its name in the command palette."""
        self.page.keyboard.press("Control+Shift+c")
        palette = self.page.locator(".lm-CommandPalette-input")
        palette.fill(label)
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

    def until_at_rest(self) -> None:
        """Wait until nothing runs any more."""
        self.transcript.and_(self.page.locator('[aria-busy="false"]')).wait_for()


def save_notebook(path: Path, *cells: NotebookNode) -> None:
    """Save a notebook that asks nobody for a kernel."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path.write_text(writes(new_notebook(cells=list(cells), metadata={"kernelspec": kernel})))


def keep_picture(page: Page, name: str) -> Path:
    """Save what the page shows, for whoever looks into a failure; the folder is ignored by git."""
    path = ROOT / "test-screenshots" / f"{name}.png"
    path.parent.mkdir(exist_ok=True)
    page.screenshot(path=path)
    return path
