"""langgraph's ready-made agent, for long runs with its SQLite saver."""

# pyright: reportMissingImports=false

from __future__ import annotations

import asyncio
import os
import time
import warnings
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.prebuilt import create_react_agent
from serve import SLEEP, TEXT, Stopwatch, serve


@tool
async def nap() -> str:
    """Sleep."""
    await asyncio.sleep(SLEEP)
    return "slept"


@tool
async def look() -> str:
    """Look."""
    return TEXT


class Scripted(BaseChatModel):
    """*steps* answers with *n* calls of *tool_name* each, then a text."""

    n: int
    steps: int
    tool_name: str
    watch: Any = None

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, *_args: Any, **_kwargs: Any) -> Any:
        """The script knows the tools."""
        return self

    def _generate(self, messages: list[BaseMessage], *_args: Any, **_kwargs: Any) -> ChatResult:
        raise NotImplementedError

    async def _agenerate(self, messages: list[BaseMessage], *_args: Any, **_kwargs: Any) -> ChatResult:
        step = self.watch.call()
        count = self.n if step < self.steps else 0
        calls = [{"name": self.tool_name, "args": {}, "id": f"call_{step}_{i}"} for i in range(count)]
        message = AIMessage(content=TEXT, tool_calls=calls)
        self.watch.answer()
        return ChatResult(generations=[ChatGeneration(message=message)])


async def parallel(n: int) -> dict[str, float]:
    """One step with *n* calls, one without."""
    watch = Stopwatch()
    model = Scripted(n=n, steps=1, tool_name="nap", watch=watch)
    await create_react_agent(model, [nap]).ainvoke({"messages": [("user", "go")]})
    return {"between_s": watch.between()}


async def sequential(steps: int, file: str) -> dict[str, float]:
    """*steps* steps of one call each, checkpointed into *file* as the saver does by default."""
    model = Scripted(n=1, steps=steps, tool_name="look", watch=Stopwatch())
    config: Any = {"configurable": {"thread_id": "1"}, "recursion_limit": 3 * steps + 20}
    async with AsyncSqliteSaver.from_conn_string(file) as saver:
        agent = create_react_agent(model, [look], checkpointer=saver)
        began = time.perf_counter()
        await agent.ainvoke({"messages": [("user", "go")]}, config)
        step_s = (time.perf_counter() - began) / steps
    size = sum(path.stat().st_size for path in Path(file).parent.glob(Path(file).name + "*"))
    return {"step_s": step_s, "bytes": size}


if __name__ == "__main__":
    os.environ["LANGSMITH_TRACING"] = "false"
    warnings.simplefilter("ignore")
    serve(parallel=parallel, sequential=sequential)
