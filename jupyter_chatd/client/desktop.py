"""The desktop of a chat, as a program looks at it and uses it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .background import background
from .errors import ClientError, RefusedError
from .live import LiveChat, can_show_widgets, is_kernel, show_widget

if TYPE_CHECKING:
    from .. import widgets

PNG = "image/png"
COPY_WIDTH = 640  # pixels of the picture that stays in a file


@dataclass(frozen=True, slots=True, kw_only=True)
class DesktopStatus:
    """How a desktop stands."""

    state: str
    """`stopped`, `starting`, `running` or `failed`."""
    width: int
    height: int
    problem: str | None
    """Why it failed, crashed, or cannot start."""
    controlled_by: str | None
    """Who has taken it, so that the agent waits."""
    agent_at_work: bool


class Desktop:
    """The desktop that a chat shares with its subagents. In a cell it shows itself, live.

        chat.desktop
        chat.desktop.act({"action": "key", "keys": "ctrl+alt+t"}, {"action": "type", "text": "ls"})

    Every method raises `ClientError` when the server refuses or is not there.

    Args:
        live: One chat of the family.
    """

    def __init__(self, live: LiveChat) -> None:
        self.live = live
        self._client = live.session.client
        self._widget: widgets.Desktop | None = None

    @property
    def id(self) -> str:
        """That of the chat."""
        return self.live.row.id

    @property
    def status(self) -> DesktopStatus:
        """How it stands now; asking does not start it."""
        return _told(background().run(self._client.desktop(self.id)))

    def start(self) -> DesktopStatus:
        """Start it unless it runs."""
        return self._do("start")

    def stop(self) -> DesktopStatus:
        """Stop it and all programs on it."""
        return self._do("stop")

    def take(self) -> DesktopStatus:
        """Let the agent wait until `release`; starts the desktop when it does not run."""
        return self._do("take")

    def release(self) -> DesktopStatus:
        """Let the agent go on."""
        return self._do("release")

    def act(self, *actions: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
        """Do actions in order, nobody else's in between; starts the desktop when it does not run.

        Args:
            actions: As docs/desktop.md lists them: `{"action": "click", "at": [640, 400]}`.

        Returns:
            What each gave: `cursor`, `screenshot`, or nothing.
        """
        return tuple(background().run(self._client.act_on_desktop(self.id, actions)))

    def screenshot(self, *, width: int | None = None) -> bytes:
        """Return the screen as it is now, as PNG, at most *width* pixels wide.

        Raises:
            RefusedError: it does not run.
        """
        return background().run(self._client.desktop_screenshot(self.id, width=width))

    @property
    def widget(self) -> widgets.Desktop:
        """The live view as an ipywidget, the same one each time.

        Raises:
            ClientError: anywidget is not installed.
        """
        if self._widget is None:
            if not can_show_widgets():
                raise ClientError('A widget needs anywidget: pip install "jupyter_chatd[widgets]" brings it.')
            from ..widgets import Desktop as DesktopWidget  # loads ipywidgets

            self._widget = DesktopWidget(self)
        return self._widget

    def picture(self) -> dict[str, str]:
        """Return the screen for the output of a cell, by MIME type: words, and a picture while it runs."""
        try:
            status = self.status
        except ClientError as error:
            return {"text/plain": f"{self._name}. {error}"}
        if status.state != "running":
            problem = f" {status.problem}" if status.problem else ""
            return {"text/plain": f"{self._name}. It is {status.state}.{problem}"}
        shown = {"text/plain": f"{self._name}, {status.width}x{status.height} pixels."}
        with suppress(RefusedError):  # it has ended meanwhile
            shown[PNG] = base64.b64encode(self.screenshot(width=COPY_WIDTH)).decode("ascii")
        return shown

    def __repr__(self) -> str:
        return f"<{self._name}>"

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return self.picture()

    def _ipython_display_(self) -> None:
        self.live.load()  # whether the agent is at work: then the picture is renewed at the end
        if is_kernel():
            show_widget(self.live, self.widget.output if can_show_widgets() else self.picture)
        else:
            ipython: Any = import_module("IPython.display")
            ipython.display(self.picture(), raw=True)

    @property
    def _name(self) -> str:
        return f"Desktop of {self.live.row.title!r}"

    def _do(self, what: str) -> DesktopStatus:
        return _told(background().run(self._client.change_desktop(self.id, what)))


def _told(values: Mapping[str, Any]) -> DesktopStatus:
    return DesktopStatus(**{field.name: values[field.name] for field in fields(DesktopStatus)})
