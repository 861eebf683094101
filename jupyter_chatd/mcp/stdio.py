"""The link to a stdio server: one JSON message per line.

Not the SDK's own transport: its programs get another environment, nobody tells which pid they have, their
standard error goes into the server's log, and a message may have any length.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client import Transport
from mcp.shared.message import SessionMessage
from mcp.types.jsonrpc import jsonrpc_message_adapter

from ..workspace.child import MESSAGE_BYTES, MessageTooLongError
from .config import McpServerConfig
from .errors import Failure
from .programs import Program, Programs
from .redact import Redactor

ToSession = MemoryObjectSendStream[SessionMessage | Exception]
Incoming = MemoryObjectReceiveStream[SessionMessage | Exception]
FromSession = MemoryObjectReceiveStream[SessionMessage]
Outgoing = MemoryObjectSendStream[SessionMessage]

log = logging.getLogger(__name__)


class StdioLink:
    """Runs the program of one server for as long as the transport is open.

    Args:
        on_end: Called when no more messages will come.
    """

    def __init__(
        self, config: McpServerConfig, programs: Programs, *, redactor: Redactor, on_end: Callable[[], None]
    ) -> None:
        self._config = config
        self._programs = programs
        self._redactor = redactor
        self._on_end = on_end
        self._program: Program | None = None
        self._was_too_long = False
        self._is_chatty = False

    def open(self) -> Transport:
        """Return the transport. Entering it starts the program; leaving it ends it."""
        return self._open()

    def find_failure(self) -> Failure | None:
        """Say how the program ended, when it did."""
        if self._was_too_long:
            return Failure(reason=f"The server sent a message of more than {MESSAGE_BYTES} bytes")
        program = self._program
        if program is None or not program.has_exited:
            return None
        return Failure(
            reason=f"The server's program ended ({_manner(program.exit_code)})",
            detail=self._redactor.hide(program.last_words),
        )

    @asynccontextmanager
    async def _open(self) -> AsyncGenerator[tuple[Incoming, Outgoing]]:
        program = self._program = await self._start()
        to_session, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        outgoing, from_session = anyio.create_memory_object_stream[SessionMessage](0)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._read, program, to_session)
                tasks.start_soon(self._write, program, from_session)
                yield incoming, outgoing
                tasks.cancel_scope.cancel()
        finally:
            for stream in (to_session, incoming, outgoing, from_session):
                stream.close()
            with anyio.CancelScope(shield=True):
                await self._programs.end(program)

    async def _start(self) -> Program:
        """Start the program, which takes milliseconds. Cut in the middle it would be lost, and run on."""
        program: Program | None = None
        with anyio.CancelScope(shield=True):
            program = await self._programs.start(self._config)
        assert program is not None
        return program

    async def _read(self, program: Program, to_session: ToSession) -> None:
        async with to_session:
            try:
                while line := await program.read_line():
                    await self._pass_on(line, to_session)
            except MessageTooLongError:
                self._was_too_long = True
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                log.debug("The session with MCP server %s has ended", self._config.slug)
        self._on_end()

    async def _pass_on(self, line: bytes, to_session: ToSession) -> None:
        try:
            message = jsonrpc_message_adapter.validate_json(line, by_name=False)
        except ValueError:  # a program that also prints other things
            if line.strip() and not self._is_chatty:
                self._is_chatty = True
                log.warning("MCP server %s writes lines that are no messages", self._config.slug)
            return
        await to_session.send(SessionMessage(message))

    async def _write(self, program: Program, from_session: FromSession) -> None:
        async with from_session:
            try:
                async for message in from_session:
                    line = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                    await program.write(line.encode() + b"\n")
            except ConnectionError:
                log.debug("MCP server %s does not read any more", self._config.slug)
        self._on_end()


def _manner(exit_code: int | None) -> str:
    if exit_code is None:
        return "nobody knows how"
    return f"exit code {exit_code}" if exit_code >= 0 else f"signal {-exit_code}"


if TYPE_CHECKING:
    from .connection import Link

    _: type[Link] = StdioLink
