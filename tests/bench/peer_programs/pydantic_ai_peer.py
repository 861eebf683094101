"""pydantic-ai's Agent."""

# pyright: reportMissingImports=false

from __future__ import annotations

import asyncio

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from serve import SLEEP, Stopwatch, serve


async def nap() -> str:
    """Sleep."""
    await asyncio.sleep(SLEEP)
    return "slept"


async def parallel(n: int) -> dict[str, float]:
    """One step with *n* calls, one without."""
    watch = Stopwatch()

    async def answer(_messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        step = watch.call()
        calls = [ToolCallPart("nap", {}, tool_call_id=f"call_{i}") for i in range(n)]
        response = ModelResponse(parts=[TextPart("done")] if step else calls)
        watch.answer()
        return response

    await Agent(FunctionModel(answer), tools=[nap]).run("go")
    return {"between_s": watch.between()}


if __name__ == "__main__":
    serve(parallel=parallel)
