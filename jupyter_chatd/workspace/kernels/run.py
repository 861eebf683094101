"""One run of code: what it has given so far, in bounded memory, and who follows it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, cast

from .. import utf8
from ..limits import OutputLimits
from ..output import Follower, OutputBuffer
from .bundles import overwritten, picture_of, text_of, without_codes
from .protocol import CodeError, CodeOutput, CodeState, Picture
from .settings import KernelSettings


class CodeRun:
    """Code from its request until another takes its place. Lives on one event loop."""

    def __init__(self, execution_id: str, *, limits: KernelSettings, output_limits: OutputLimits) -> None:
        self.id = execution_id
        self.ended = asyncio.Event()
        self.ended_at: float | None = None
        """Seconds of the monotonic clock."""
        self.is_interrupted = False
        """Somebody wanted it to end."""
        self._limits = limits
        self._output_limits = output_limits
        self._followers: set[Follower] = set()
        self._state = CodeState.RUNNING
        self._error: CodeError | None = None
        self._reason: str | None = None
        self._is_to_clear = False
        self._clear()

    @property
    def is_running(self) -> bool:
        """Whether more may come."""
        return self._state is CodeState.RUNNING

    def take(self, kind: str, content: Mapping[str, Any]) -> None:
        """Take what the kernel has published for it."""
        match kind:
            case "stream":
                self._show(without_codes(str(content.get("text", ""))))
            case "execute_result" | "display_data":
                self._display(content)
            case "update_display_data":
                self._update(content)
            case "clear_output":
                self._is_to_clear = True
                if not content.get("wait"):
                    self._clear_if_due()
            case _:
                return

    def end(self, reply: Mapping[str, Any]) -> None:
        """Note what the kernel has replied. What the kernel publishes afterwards is still taken."""
        if reply.get("status") == "ok":
            return self._settle(CodeState.DONE)
        self._error = _error_of(reply, self._limits.traceback_bytes)
        is_stopped = self._error.name == "KeyboardInterrupt" or reply.get("status") == "aborted"
        return self._settle(CodeState.INTERRUPTED if self.is_interrupted and is_stopped else CodeState.FAILED)

    def die(self, reason: str) -> None:
        """Note that the kernel is gone. Does nothing when the code had ended before."""
        if self.is_running:
            self._reason = reason
            self._settle(CodeState.DIED)

    def output(self) -> CodeOutput:
        """What there is now."""
        rendered = self._buffer.render()
        return CodeOutput(
            execution_id=self.id,
            state=self._state,
            output=overwritten(rendered.text),
            truncated=rendered.truncation,
            pictures=tuple(picture for _, picture in self._pictures),
            pictures_left_out=self._left_out,
            error=self._error,
            reason=self._reason,
        )

    def follow(self) -> Follower:
        """Return a new follower, which first gets what is kept of the output so far. Pair with `unfollow`."""
        follower = Follower(self._buffer.retained(), limit_bytes=self._limits.follower_bytes)
        self._followers.add(follower)
        if self.ended.is_set():
            follower.close()
        return follower

    def unfollow(self, follower: Follower) -> None:
        """Stop giving it output. May be called twice."""
        self._followers.discard(follower)

    def _settle(self, state: CodeState) -> None:
        self._state = state
        self.ended_at = time.monotonic()
        self.ended.set()
        for follower in self._followers:
            follower.close()

    def _show(self, text: str) -> None:
        self._clear_if_due()
        data = text.encode("utf-8", "replace")
        self._buffer.append(data)
        for follower in self._followers:
            follower.push(data)

    def _display(self, content: Mapping[str, Any]) -> None:
        self._clear_if_due()
        data: Mapping[str, Any] = content.get("data", {})
        picture = picture_of(data)
        if picture is None or len(picture.data) > self._limits.picture_bytes:
            self._left_out += picture is not None
            return self._show(text_of(data))
        self._pictures.append((_display_id(content), picture))
        if len(self._pictures) > self._limits.pictures:
            self._pictures.pop(0)
            self._left_out += 1
        return self._show(f"[{picture.media_type}]\n")

    def _update(self, content: Mapping[str, Any]) -> None:
        """Put a new picture in the place of the one of the same id; words are not shown twice."""
        display_id, picture = _display_id(content), picture_of(content.get("data", {}))
        if picture is not None and len(picture.data) <= self._limits.picture_bytes:
            self._pictures = [
                (name, picture if name == display_id else shown) for name, shown in self._pictures
            ]

    def _clear_if_due(self) -> None:
        if self._is_to_clear:
            self._clear()

    def _clear(self) -> None:
        self._is_to_clear = False
        self._buffer = OutputBuffer(self._output_limits)
        self._pictures: list[tuple[str | None, Picture]] = []
        self._left_out = 0


def _display_id(content: Mapping[str, Any]) -> str | None:
    transient = content.get("transient")
    found = cast(Mapping[str, Any], transient).get("display_id") if isinstance(transient, Mapping) else None
    return found if isinstance(found, str) else None


def _error_of(reply: Mapping[str, Any], limit_bytes: int) -> CodeError:
    lines = reply.get("traceback")
    text = without_codes("\n".join(map(str, cast(list[Any], lines))) if isinstance(lines, list) else "")
    data = text.encode("utf-8", "replace")
    if len(data) > limit_bytes:  # the end says most
        text = "...\n" + utf8.suffix(data, limit_bytes).decode("utf-8", "replace")
    return CodeError(
        name=str(reply.get("ename") or reply.get("status") or "error"),
        message=without_codes(str(reply.get("evalue", ""))),
        traceback=text,
    )
