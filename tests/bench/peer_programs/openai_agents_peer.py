"""openai-agents."""

# pyright: reportMissingImports=false

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from agents import Agent, Model, ModelResponse, Runner, Usage, function_tool, set_tracing_disabled
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText
from serve import SLEEP, Stopwatch, serve


@function_tool
async def nap() -> str:
    """Sleep."""
    await asyncio.sleep(SLEEP)
    return "slept"


class Scripted(Model):
    """First *n* calls, then a text."""

    def __init__(self, n: int) -> None:
        self.watch = Stopwatch()
        self._n = n

    async def get_response(self, *_args: Any, **_kwargs: Any) -> ModelResponse:
        """Answer at once."""
        step = self.watch.call()
        output = _text() if step else [_call(i) for i in range(self._n)]
        self.watch.answer()
        return ModelResponse(output=output, usage=Usage(), response_id=None)

    def stream_response(self, *_args: Any, **_kwargs: Any) -> AsyncIterator[Any]:
        """Not used by `Runner.run`."""
        raise NotImplementedError


def _call(number: int) -> ResponseFunctionToolCall:
    return ResponseFunctionToolCall(
        type="function_call", name="nap", arguments="{}", call_id=f"call_{number}", id=f"item_{number}"
    )


def _text() -> list[Any]:
    text = ResponseOutputText(type="output_text", text="done", annotations=[])
    return [
        ResponseOutputMessage(id="msg", type="message", role="assistant", status="completed", content=[text])
    ]


async def parallel(n: int) -> dict[str, float]:
    """One step with *n* calls, one without."""
    model = Scripted(n)
    await Runner.run(Agent(name="bench", model=model, tools=[nap]), "go")
    return {"between_s": model.watch.between()}


if __name__ == "__main__":
    set_tracing_disabled(True)
    serve(parallel=parallel)
