"""A scripted family: a parent that spawns children, waits for all of them at once and says so."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping

from jupyter_chatd.messages import JsonValue, Role, ToolResultPart
from jupyter_chatd.providers.protocol import ModelCall
from jupyter_chatd.providers.scripted import Answer, ScriptedModel, call, say

from . import engine

SPAWN, WAIT = "spawn_agent", "wait_agent"


def family(children: int, child: Callable[[ModelCall], Answer]) -> ScriptedModel:
    """Return the model of a parent of that many children, and of each child, whose answers *child* gives."""

    def answer(asked: ModelCall) -> Answer:
        return _parent(asked, children) if _is_parent(asked) else child(asked)

    return ScriptedModel(answer, ref=engine.MODEL)


def _is_parent(asked: ModelCall) -> bool:
    """Children cannot spawn: they are not offered it."""
    return any(tool.name == SPAWN for tool in asked.tools)


def _parent(asked: ModelCall, children: int) -> Answer:
    if asked.messages[-1].role is Role.USER:
        return [call(SPAWN, {"type": "general", "prompt": "Go."}) for _ in range(children)]
    spawned = [result["chat_id"] for name, result in _newest_results(asked) if name == SPAWN]
    return [call(WAIT, {"chat_id": chat_id}) for chat_id in spawned] or [say("All have ended.")]


def _newest_results(asked: ModelCall) -> Iterator[tuple[str, Mapping[str, JsonValue]]]:
    """Yield the tools of the newest step, and what they gave.

    Raises:
        RuntimeError: one gave an error.
    """
    rows = itertools.takewhile(lambda message: message.role is Role.TOOL, reversed(asked.messages))
    for part in (part for row in rows for part in row.parts):
        if not (isinstance(part, ToolResultPart) and isinstance(part.result, dict)) or part.is_error:
            raise RuntimeError(f"A call of the parent failed: {part}")
        yield part.tool_name, part.result
