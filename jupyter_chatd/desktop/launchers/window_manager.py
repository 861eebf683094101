"""A window manager with our own configuration.

Stock ones have several workspaces and change between them when the wheel turns over the background: whoever
scrolls there loses all windows.
"""

from __future__ import annotations

import logging
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
_STARTERS = ("openbox", "jwm")

log = logging.getLogger(__name__)


def desktop_commands(
    folder: Path, applications: Sequence[Application], *, first: Application | None, path: str | None = None
) -> list[tuple[str, ...]]:
    """Return what is started on a new desktop: the first window manager that there is, and a program.

    A window that comes while openbox starts may never be shown: openbox and jwm start the program themselves.

    Args:
        folder: Where the window manager's configuration is written.
        applications: What its menu and keys offer.
        first: The program that the desktop begins with.
        path: Where to look for programs, default `PATH`.
    """
    opened = first.command if first else ()
    for name in NAMES:
        if program := shutil.which(name, path=path):
            manager = (program, *_configure(name, folder, applications, opened))
            return [manager] if name in _STARTERS or not opened else [manager, opened]
    log.warning("The desktop has no window manager: install openbox, jwm or matchbox-window-manager")
    return [opened] if opened else []


def find_background(*, path: str | None = None) -> tuple[str, ...] | None:
    """Return the command that paints the background, when there is one."""
    for name, options in (("xsetroot", ("-solid",)), ("hsetroot", ("-solid",))):
        if program := shutil.which(name, path=path):
            return (program, *options, BACKGROUND)
    return None


def _configure(
    name: str, folder: Path, applications: Sequence[Application], opened: Sequence[str]
) -> tuple[str, ...]:
    if name == "openbox":
        menu, settings = folder / "menu.xml", folder / "rc.xml"
        menu.write_text(_openbox_menu(applications), "utf-8")
        template = Path(__file__).with_name("openbox.xml").read_text("utf-8")
        text = template.replace("{menu}", escape(str(menu))).replace("{keys}", _openbox_keys(applications))
        settings.write_text(text, "utf-8")
        startup = ("--startup", shlex.join(opened)) if opened else ()
        return ("--config-file", str(settings), "--sm-disable", *startup)
    if name == "jwm":
        settings = folder / "jwm.xml"
        text = Path(__file__).with_name("jwm.xml").read_text("utf-8")
        filling = {
            "{programs}": _jwm_menu(applications),
            "{keys}": _jwm_keys(applications),
            "{startup}": f"<StartupCommand>{escape(shlex.join(opened))}</StartupCommand>" if opened else "",
        }
        for place, content in filling.items():
            text = text.replace(place, content)
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
