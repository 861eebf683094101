"""The live view of a desktop in a real browser, and what a person does with it."""

from __future__ import annotations

import os
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from .chats import eventually

PATIENCE = 60_000.0  # ms for a desktop to start, and for programs on it
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
BROWSERS += ("firefox", "firefox-esr", "epiphany", "falkon")
PIXEL = """(canvas, [x, y]) => [...canvas.getContext('2d').getImageData(x, y, 1, 1).data.slice(0, 3)]"""
COLOURS = """canvas => {
    const {width, height} = canvas;
    const pixels = new Uint32Array(canvas.getContext('2d').getImageData(0, 0, width, height).data.buffer);
    return new Set(pixels).size;
}"""
WHITE = [255, 255, 255]
WAY_OUT = ("Control", "Alt", "Shift")
MIDDLE = (640, 400)
IN_THE_TERMINAL = (560, 300)  # the pointer is in the middle


def without_browsers(folder: Path) -> dict[str, str]:
    """An environment in which desktops find no browser: they show a terminal at once."""
    folder.mkdir()
    for place in reversed(os.environ["PATH"].split(os.pathsep)):
        for program in Path(place).glob("*"):
            link = folder / program.name
            link.unlink(missing_ok=True)
            link.symlink_to(program)
    for name in BROWSERS:
        (folder / name).unlink(missing_ok=True)
    return {"PATH": str(folder)}


class View:
    """A live view, wherever it is shown.

    Args:
        root: An element with the view in it.
    """

    def __init__(self, root: Locator) -> None:
        self.page: Page = root.page
        self._root = root.locator(".jp-chatd-desktop")

    @property
    def status(self) -> Locator:
        """The line that says who uses the desktop."""
        return self._root.get_by_role("status")

    @property
    def canvas(self) -> Locator:
        """What noVNC draws on."""
        return self._root.locator(".jp-chatd-screen canvas")

    def button(self, name: str) -> Locator:
        """Return the button of that name."""
        return self._root.get_by_role("button", name=name, exact=True)

    def text(self, text: str) -> Locator:
        """Return where that stands."""
        return self._root.get_by_text(text)

    def until_it_shows_something(self) -> None:
        """Wait for a picture with more than one colour."""
        self.canvas.wait_for(timeout=PATIENCE)
        eventually(lambda: self.canvas.evaluate(COLOURS) > 1)

    def until_it_shows_a_terminal(self) -> None:
        """Wait for a picture with a terminal in it."""
        self.until_it_shows_something()
        eventually(lambda: self.canvas.evaluate(PIXEL, IN_THE_TERMINAL) == WHITE)

    def take(self) -> None:
        """Take control."""
        self.button("Take control").click()
        expect(self.status).to_contain_text("You have control.")

    def give_back(self) -> None:
        """Let the agent go on."""
        self.button("Give back").click()
        expect(self.button("Take control")).to_be_visible()

    def leave(self) -> None:
        """Go by keyboard from the desktop to the buttons."""
        for key in WAY_OUT:
            self.page.keyboard.down(key)
        for key in WAY_OUT:
            self.page.keyboard.up(key)

    def run(self, command: str) -> None:
        """Type a command into the terminal."""
        self.page.keyboard.type(f"{command}\n")

    def picture(self) -> str:
        """What is shown, as data."""
        return self.canvas.evaluate("canvas => canvas.toDataURL()")
