"""The tool that sees and uses the desktop of its chat's family."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..desktop.actions import Cursor
from ..desktop.defaults import DEFAULT_SIZE
from ..desktop.desktops import DesktopsOfChats
from ..desktop.errors import ActionError, DesktopError
from ..desktop.geometry import Size, declared_size
from ..messages import Chat, JsonValue
from ..providers.protocol import ToolDefinition
from .builtin import text_of
from .computer_calls import NEUTRAL_SCHEMA, ComputerCall, parse_call
from .protocol import ToolContext, ToolOutput, error_output
from .results import json_output, media_output

if TYPE_CHECKING:  # what is large is loaded with the first desktop
    from ..desktop.desktop import Desktop
    from ..desktop.driver import Done, Picture

log = logging.getLogger(__name__)

PERSON_WAIT = 10 * 60.0
"""Seconds that a call waits for a person who took control, before it tells the model."""


class Computer:
    """Does what a call asks for, then shows the screen. The calls of a step run in their order.

    After one that was not done, the others of its step are not either: they were meant for another screen.
    """

    name = "computer"
    repeatable = False

    def __init__(
        self, desktops: DesktopsOfChats, *, size: Size = DEFAULT_SIZE, person_wait_s: float = PERSON_WAIT
    ) -> None:
        """Take the desktops.

        Args:
            size: What a desktop is asked to have, told to models that have not seen it.
            person_wait_s: See `PERSON_WAIT`.
        """
        self._desktops = desktops
        self._person_wait_s = person_wait_s
        self._text = text_of(__spec__.parent, self.name)
        self._definition = self._define(declared_size(size))
        self._undone: weakref.WeakKeyDictionary[Desktop, int] = weakref.WeakKeyDictionary()
        """The newest assistant row of which an action was not done."""

    @property
    def definition(self) -> ToolDefinition:
        """Name, text and schema, for a desktop that nobody has seen."""
        return self._definition

    async def definition_for(self, chat: Chat) -> ToolDefinition:
        """Return the definition with the size of the chat's screen, which this starts."""
        try:
            desktop = self._desktops.get(chat.family_id)
            await desktop.socket()
        except DesktopError as error:  # the first call will tell the model
            log.warning("The desktop of chat %s did not start: %s", chat.id, error)
            return self._definition
        return self._define(declared_size(desktop.status.size))

    def serial_key(self, args: Mapping[str, Any], context: ToolContext) -> str | None:
        """One after another: there is one screen."""
        return self.name

    async def run(self, args: JsonValue, context: ToolContext) -> ToolOutput:
        """Do it; what cannot be done is an error that says which action it was."""
        if context.caller is None:
            return error_output("There is no desktop here.")
        try:
            desktop = self._desktops.get(context.caller.chat.family_id)
            await desktop.socket()
        except DesktopError as error:
            return error_output(f"The desktop did not start. {error}")
        if self._undone.get(desktop) == context.key.message_id:
            return error_output(
                "This action was not done, as an earlier one of the same answer was not. "
                "Take a screenshot and decide anew."
            )
        output = await self._run(desktop, args, context)
        if output.is_error:
            self._undone[desktop] = context.key.message_id
        return output

    async def _run(self, desktop: Desktop, args: JsonValue, context: ToolContext) -> ToolOutput:
        screen = declared_size(desktop.status.size)
        try:
            call = parse_call(args, screen)
        except ActionError as error:
            return error_output(str(error))
        try:
            if desktop.control.holder is not None:
                return await self._wait_for_person(desktop, screen, context)
            return await _perform(desktop, call, screen)
        except ActionError as error:
            return error_output(f"{call.name} was not done. {error}")
        except DesktopError as error:
            return error_output(f"{call.name} failed. {error}")

    async def _wait_for_person(self, desktop: Desktop, screen: Size, context: ToolContext) -> ToolOutput:
        """Wait until a person gives it back; the action was meant for another screen, and is not done."""
        self._undone[desktop] = context.key.message_id
        context.emit("A person has taken control of the desktop. Waiting until it is given back.\n")
        if not await desktop.control.wait(self._person_wait_s):
            return error_output(
                "The action was not done: a person has taken control of the desktop and still has it. "
                "End your turn and say what is left to do, or wait and take a screenshot."
            )
        text = (
            "The action was not done: a person had taken control of the desktop and has given it back. "
            "This is the screen now."
        )
        return _shown(await desktop.picture(screen), text)

    def _define(self, screen: Size) -> ToolDefinition:
        return ToolDefinition(
            name=self.name,
            description=self._text.replace("{screen}", str(screen)),
            input_schema=NEUTRAL_SCHEMA,
            screen=(screen.width, screen.height),
        )


async def _perform(desktop: Desktop, call: ComputerCall, screen: Size) -> ToolOutput:
    """Do the actions; the picture is that of the last one, or taken once the screen is quiet."""
    done = await desktop.act(call.actions, told=screen)
    text = _told(done)
    if done and done[-1].picture is not None:
        return _shown(done[-1].picture, text)
    if not call.shows_screen or (call.actions and isinstance(call.actions[-1], Cursor)):
        return json_output({"output": text or "Done."})
    await desktop.settle()
    return _shown(await desktop.picture(screen), text)


def _told(done: Sequence[Done]) -> str:
    places = [each.cursor for each in done if each.cursor is not None]
    return f"The pointer is at x={places[-1].x}, y={places[-1].y}." if places else ""


def _shown(picture: Picture, text: str) -> ToolOutput:
    return media_output(picture.png, mime_type="image/png", text=text or f"Done. Picture: {picture.size}.")


if TYPE_CHECKING:
    from .protocol import Tool

    _: type[Tool] = Computer
