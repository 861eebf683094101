"""A notebook in a page of JupyterLab or Notebook 7, and what its cells show."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from acceptance.browser import save_notebook, search_commands
from nbformat.v4 import new_code_cell
from playwright.sync_api import Locator, Page, expect
from servers import TOKEN, JupyterServer

LOAD = 60_000.0  # ms
PAINT = """([cell, text]) => new Promise(resolve => {
    const output = document.querySelectorAll('.jp-Notebook .jp-CodeCell')[cell]
        .querySelector('.jp-Cell-outputArea');
    const old = new Set(output.querySelectorAll('*'));
    const find = selector => [...output.querySelectorAll(selector)].find(one => !old.has(one));
    let begun;
    new MutationObserver((_, observer) => {
        begun ??= find('.jp-OutputArea-child') ? performance.now() : undefined;
        if (find('.jp-chatd-widget')?.textContent.includes(text)) {
            observer.disconnect();
            requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - begun)));
        }
    }).observe(output, {childList: true, subtree: true, characterData: true});
})"""
"""Returns the milliseconds from the arrival of an output until the text of its first widget is shown."""


class NotebookPage:
    """One notebook, executed as a person would.

    Args:
        page: A page that nothing was loaded into.
        server: The server that it belongs to.
        name: The notebook's name without its ending.
    """

    def __init__(self, page: Page, server: JupyterServer, name: str = "cells") -> None:
        self.page = page
        self.path: Path = server.dirs.work / f"{name}.ipynb"
        self._server = server
        page.set_default_timeout(LOAD)
        dialog = page.locator(".jp-Dialog")  # may ask for a kernel; the last button takes the preferred one
        page.add_locator_handler(dialog, lambda: dialog.get_by_role("button").last.click())

    def open(self, *sources: str, app: str = "lab/tree") -> None:
        """Save a notebook with these cells and load it; *app* is `notebooks` for Notebook 7."""
        save_notebook(self.path, *map(new_code_cell, sources))
        self.load(app=app)

    def load(self, *, app: str = "lab/tree") -> None:
        """Load the notebook as it was saved."""
        suffix = "?reset&" if app.startswith("lab") else "?"
        self.page.goto(f"{self._server.url}{app}/{self.path.name}{suffix}token={TOKEN}")
        self.page.locator(".jp-Notebook .jp-Cell").first.wait_for()

    def run(self, cell: int) -> Locator:
        """Run a cell that has not run, and return its output."""
        prompt = self._prompt(cell)
        while not re.search(r"[*\d]", prompt.inner_text()):  # keys that come too early do nothing
            self._press_run(prompt)
            self.page.wait_for_timeout(1000)
        return self.output(cell)

    def time_paint(self, cell: int, text: str) -> float:
        """Run a cell, perhaps again.

        Returns:
            The milliseconds from the arrival of its output until the page shows *text* in its first widget.
        """
        prompt = self._prompt(cell)
        before = prompt.inner_text()
        self.page.evaluate(f"arguments => void (window.painted = ({PAINT})(arguments))", [cell, text])
        while prompt.inner_text() == before:
            self._press_run(prompt)
            self.page.wait_for_timeout(1000)
        return self.page.evaluate("window.painted")

    def _prompt(self, cell: int) -> Locator:
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(cell).locator(".jp-InputPrompt")

    def _press_run(self, prompt: Locator) -> None:
        prompt.click()
        self.page.keyboard.press("Control+Enter")

    def finish(self, *cells: int) -> None:
        """Run cells one after another, each until it has ended."""
        for cell in cells:
            self.run(cell)
            expect(self._prompt(cell)).to_have_text(re.compile(r"\[\d+\]:"), timeout=LOAD)

    def run_command(self, label: str) -> None:
        """Run a command by its name in the command palette."""
        search_commands(self.page, label)
        self.page.locator(".lm-CommandPalette-itemLabel").get_by_text(label, exact=True).first.click()

    def output(self, cell: int) -> Locator:
        """Return what a cell shows."""
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(cell).locator(".jp-Cell-outputArea")

    def save(self) -> dict[str, Any]:
        """Save the notebook and return it."""
        before = self.path.stat().st_mtime_ns
        while self.path.stat().st_mtime_ns == before:
            self.page.locator(".jp-Notebook .jp-InputPrompt").first.click()
            self.page.keyboard.press("Control+s")
            self.page.wait_for_timeout(1000)
        while not (text := self.path.read_text()).endswith("\n"):  # half written
            self.page.wait_for_timeout(100)
        return json.loads(text)
