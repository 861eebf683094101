"""A window manager with our own configuration.

Stock ones have several workspaces and change between them when the wheel turns over the background: whoever
scrolls there loses all windows.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from .applications import Application

BACKGROUND = "#2e3440"
_KEYS = {"Terminal": "t", "Browser": "b"}
"""Start a program, with ctrl+alt."""
NAMES = ("openbox", "jwm", "matchbox-window-manager")
"""In the order in which they are taken."""


def find_window_manager(
    folder: Path, applications: Sequence[Application], *, path: str | None = None
) -> tuple[str, ...] | None:
    """Write the configuration of the first window manager that there is; return its command."""
    for name in NAMES:
        if program := shutil.which(name, path=path):
            return (program, *_configure(name, folder, applications))
    return None


def find_background(*, path: str | None = None) -> tuple[str, ...] | None:
    """Return the command that paints the background, when there is one."""
    for name, options in (("xsetroot", ("-solid",)), ("hsetroot", ("-solid",))):
        if program := shutil.which(name, path=path):
            return (program, *options, BACKGROUND)
    return None


def _configure(name: str, folder: Path, applications: Sequence[Application]) -> tuple[str, ...]:
    if name == "openbox":
        menu, settings = folder / "menu.xml", folder / "rc.xml"
        menu.write_text(_openbox_menu(applications), "utf-8")
        template = Path(__file__).with_name("openbox.xml").read_text("utf-8")
        text = template.replace("{menu}", escape(str(menu))).replace("{keys}", _openbox_keys(applications))
        settings.write_text(text, "utf-8")
        return ("--config-file", str(settings), "--sm-disable")
    if name == "jwm":
        settings = folder / "jwm.xml"
        template = Path(__file__).with_name("jwm.xml").read_text("utf-8")
        text = template.replace("{programs}", _jwm_menu(applications)).replace(
            "{keys}", _jwm_keys(applications)
        )
        settings.write_text(text, "utf-8")
        return ("-f", str(settings))
    return ("-use_titlebar", "yes", "-use_desktop_mode", "plain")


def _openbox_keys(applications: Sequence[Application]) -> str:
    return "".join(
        f"<keybind key='C-A-{_KEYS[each.label]}'><action name='Execute'>"
        f"<command>{escape(shlex.join(each.command))}</command></action></keybind>"
        for each in applications
        if each.label in _KEYS
    )


def _jwm_keys(applications: Sequence[Application]) -> str:
    return "".join(
        f"<Key mask='CA' key='{_KEYS[each.label]}'>exec:{escape(shlex.join(each.command))}</Key>"
        for each in applications
        if each.label in _KEYS
    )


def _openbox_menu(applications: Sequence[Application]) -> str:
    items = "".join(
        f"<item label={quoteattr(each.label)}><action name='Execute'>"
        f"<command>{escape(shlex.join(each.command))}</command></action></item>"
        for each in applications
    )
    return f"<openbox_menu><menu id='root-menu' label='Programs'>{items}</menu></openbox_menu>"


def _jwm_menu(applications: Sequence[Application]) -> str:
    return "".join(
        f"<Program label={quoteattr(each.label)}>{escape(shlex.join(each.command))}</Program>"
        for each in applications
    )
