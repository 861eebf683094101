"""Programs that a desktop offers: a browser and a terminal, when there are any."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
_CHROMIUM_OPTIONS = (
    "--no-first-run",
    "--no-default-browser-check",
    "--password-store=basic",  # else it waits for a keyring
    "--disable-dev-shm-usage",  # containers have 64 MB of it
)
_OTHER_BROWSERS = ("firefox", "firefox-esr", "epiphany", "falkon")
_TERMINALS: tuple[tuple[str, ...], ...] = (
    ("xterm", "-fa", "Monospace", "-fs", "11", "-geometry", "100x30"),
    ("xfce4-terminal",),
    ("lxterminal",),
    ("mate-terminal",),
    ("konsole",),
    ("gnome-terminal",),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """A program in the desktop's menu."""

    label: str
    command: tuple[str, ...]


def find_applications(folder: Path, *, path: str | None = None) -> Sequence[Application]:
    """Return the browser and the terminal, each when there is one.

    Args:
        folder: Where a browser keeps its profile: one for each desktop, for two cannot share one.
        path: Where to look, default `PATH`.
    """
    found = (("Browser", _find_browser(folder, path)), ("Terminal", _find_terminal(path)))
    return [Application(label=label, command=command) for label, command in found if command]


def _find_browser(folder: Path, path: str | None) -> tuple[str, ...] | None:
    for name in _CHROMIUM:
        if program := shutil.which(name, path=path):
            # As root it refuses to run with its sandbox, and warns of that in a bar unless under test.
            options = (
                ("--no-sandbox", "--test-type", *_CHROMIUM_OPTIONS)
                if os.geteuid() == 0
                else _CHROMIUM_OPTIONS
            )
            return (program, *options, f"--user-data-dir={folder / 'browser'}")
    for name in _OTHER_BROWSERS:
        if program := shutil.which(name, path=path):
            return (program,)
    return None


def _find_terminal(path: str | None) -> tuple[str, ...] | None:
    for name, *options in _TERMINALS:
        if program := shutil.which(name, path=path):
            return (program, *options)
    return None
