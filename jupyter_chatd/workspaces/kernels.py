"""The kernels of a chat's workspace, whichever agent has them at each call."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from ..workspace.kernels.protocol import CodeOutput, CodeSpec, CodeStarted, Variables

if TYPE_CHECKING:
    from ..workspace.kernels.protocol import Kernels
    from .lookup import WorkspaceOfChat


class KernelsOfChat:
    """Kernels end with their agent; what asks for code that is gone with one is told so."""

    def __init__(self, workspace: WorkspaceOfChat) -> None:
        self._workspace = workspace

    async def run_code(self, spec: CodeSpec) -> CodeStarted:
        """Run code, starting a kernel when the chat has none; returns once the code was sent."""
        return await self._workspace.ask(lambda agent: agent.kernels.run_code(spec))

    async def wait_code(
        self, chat_id: str, *, execution_id: str | None = None, timeout_s: float
    ) -> CodeOutput:
        """Wait until it ends, at most *timeout_s*, and return what there is."""
        return await self._workspace.ask(
            lambda agent: agent.kernels.wait_code(chat_id, execution_id=execution_id, timeout_s=timeout_s),
            is_safe=True,
        )

    async def follow_code(self, chat_id: str, execution_id: str) -> AsyncGenerator[str, None]:
        """Live output from the start, in pieces, until it ends."""
        agent = await self._workspace.connected()
        async with aclosing(agent.kernels.follow_code(chat_id, execution_id)) as pieces:
            async for piece in pieces:
                yield piece

    async def interrupt(self, chat_id: str) -> CodeOutput:
        """Interrupt what runs, and return how it stands a few seconds later at most."""
        return await self._workspace.ask(lambda agent: agent.kernels.interrupt(chat_id))

    async def stop_code(self, chat_id: str, execution_id: str) -> None:
        """End that code: interrupt it, and when it does not react end its kernel."""
        await self._workspace.ask(lambda agent: agent.kernels.stop_code(chat_id, execution_id), is_safe=True)

    async def restart(self, chat_id: str, *, kernel: str | None = None) -> str:
        """End the chat's kernel, start a fresh one, and return the name of its kernelspec."""
        return await self._workspace.ask(lambda agent: agent.kernels.restart(chat_id, kernel=kernel))

    async def end(self, chat_id: str) -> None:
        """End the chat's kernel and what runs in it. Chats without one are fine."""
        await self._workspace.ask(lambda agent: agent.kernels.end(chat_id), is_safe=True)

    async def inspect(self, chat_id: str, *, names: Sequence[str] = ()) -> Variables:
        """Look at variables, also while code runs where the kernel can."""
        return await self._workspace.ask(
            lambda agent: agent.kernels.inspect(chat_id, names=names), is_safe=True
        )


if TYPE_CHECKING:
    _: type[Kernels] = KernelsOfChat
