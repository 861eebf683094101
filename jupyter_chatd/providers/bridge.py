"""The models of vendors, behind our protocol.

Their code is in the model library, of which nothing is imported before the first call.
What the library does for us, where it is worked around, and what that cost to find out: DECISIONS.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import traceback
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import ModelError
from ..pacing import PacedList
from .computer import ENTRY, ComputerInUse, screen_tool
from .endpoint import Endpoint
from .errors import Cause, Failure, config_error, failure_of, model_error, scrub
from .offload import call_off_loop
from .protocol import Model, ModelCall, ModelEvent
from .vendor import Vendor, open_vendor
from .vendor_settings import web_search_tool

if TYPE_CHECKING:
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.native_tools import AbstractNativeTool

    from .prompt import LibraryPrompt

LOG = logging.getLogger(__name__)

MAX_BUSY = 0.004  # seconds that a stream may keep the loop before it lets others run


class BridgeModel:
    """One model at one endpoint.

    Cheap to make: code is imported and the client made at the first call, in a thread. Several chats may
    call it at once. Lives until `aclose`; streams that are still running then end first.

    Args:
        endpoint: Where it is.
        model: Its name there.
        listed_limit: Returns the context limit in tokens that the endpoint's own list of models tells.
    """

    def __init__(
        self, endpoint: Endpoint, model: str, *, listed_limit: Callable[[], int | None] = lambda: None
    ) -> None:
        self._endpoint = endpoint
        self._model = model
        self._listed_limit = listed_limit
        self._vendor: asyncio.Future[Vendor] | None = None
        self._running = 0
        self._is_closed = False

    def __repr__(self) -> str:
        return f"BridgeModel({self.ref!r}, {self._endpoint.base_url!r})"

    @property
    def ref(self) -> str:
        """`provider:model`."""
        return f"{self._endpoint.provider}:{self._model}"

    @property
    def prices(self) -> None:
        """Only model configs say."""
        return None

    @property
    def context_limit(self) -> int | None:
        """As its endpoint lists it, else as the library knows it, which is loaded by the first call."""
        if listed := self._listed_limit():
            return listed
        if self._vendor is None or not self._vendor.done() or self._vendor.exception():
            return None
        return self._vendor.result().model.context_window

    async def stream(self, call: ModelCall) -> AsyncGenerator[ModelEvent]:
        """See `protocol.Model.stream`."""
        self._running += 1
        try:
            async with contextlib.aclosing(self._stream(call)) as events:
                turn_began = time.perf_counter()
                async for event in events:
                    yield event
                    if time.perf_counter() - turn_began > MAX_BUSY:
                        await asyncio.sleep(0)
                        turn_began = time.perf_counter()
        except ModelError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a vendor's code raises leaves as one kind of error
            # Without its cause: the texts of vendors' errors may hold keys.
            raise self._translate(error) from None
        finally:
            self._running -= 1
            if self._is_closed and not self._running:
                await self._close_vendor()

    async def aclose(self) -> None:
        """Release connections, once the streams that run have ended. May be called twice."""
        self._is_closed = True
        if not self._running:
            await self._close_vendor()

    async def _stream(self, call: ModelCall) -> AsyncGenerator[ModelEvent]:
        vendor = await self._open()
        from pydantic_ai.direct import model_request_stream

        from .answer import AnswerReader
        from .vendor_parts import Origin

        computer = self._computer(call, vendor)
        prompt = await self._build(call, vendor, computer)
        settings, parameters = self._settings(call, vendor, prompt, computer)
        ask = partial(
            model_request_stream,
            vendor.model_for(call),
            PacedList(prompt.messages),
            model_settings=settings,  # pyright: ignore[reportArgumentType]
            model_request_parameters=parameters,
            instrument=False,
        )
        # Asking looks through the whole prompt; the request is sent when the stream is opened.
        async with await call_off_loop(ask, size=len(prompt.messages)) as stream:
            reader = AnswerReader(Origin.of(stream))
            async for event in stream:
                for ours in reader.read(event):
                    yield computer.read(ours) if computer else ours
            response = stream.get()
        self._check_end(response)
        for ours in reader.close(response, context_limit=self.context_limit):
            yield computer.read(ours) if computer else ours

    async def _open(self) -> Vendor:
        """The client, made at the first call. A failure is forgotten, so that the next call tries again."""
        if self._vendor is None or (self._vendor.done() and self._vendor.exception()):
            self._vendor = asyncio.ensure_future(asyncio.to_thread(open_vendor, self._endpoint, self._model))
        # Shielded: several chats may wait for it, and one of them may be stopped.
        return await asyncio.shield(self._vendor)

    def _computer(self, call: ModelCall, vendor: Vendor) -> ComputerInUse | None:
        """The vendor's own tool that stands for a tool of the call; `None` when there is none."""
        tool = screen_tool(call)
        try:
            native = vendor.computer_tool(call) if tool else None
        except ValueError as problem:
            raise config_error(str(problem), provider=self._endpoint.provider) from None
        return ComputerInUse(native=native, tool=tool) if native and tool else None

    async def _build(self, call: ModelCall, vendor: Vendor, computer: ComputerInUse | None) -> LibraryPrompt:
        from .prompt import build_prompt

        model = vendor.model_for(call)
        may_reason = vendor.options(call).get("send_reasoning") is not False
        build = partial(
            build_prompt,
            computer.write(call.messages) if computer else call.messages,
            system=model.system if may_reason else None,
            takes_reasoning=partial(vendor.takes_reasoning, model),
            cache_points=vendor.cache_points,
        )
        return await call_off_loop(build, size=len(call.messages))

    def _settings(
        self, call: ModelCall, vendor: Vendor, prompt: LibraryPrompt, computer: ComputerInUse | None
    ) -> tuple[Mapping[str, Any], ModelRequestParameters]:
        try:
            settings = vendor.settings(call)
            search = (
                web_search_tool(vendor.options(call), vendor.model_for(call)) if call.may_search else None
            )
        except ValueError as problem:
            raise config_error(str(problem), provider=self._endpoint.provider) from None
        if prompt.caches:
            settings = {**settings, **vendor.cache_settings}
        if not call.may_call_tools:
            settings = {**settings, "tool_choice": "none"}
        if computer and computer.native.beta:
            settings = {**settings, "anthropic_betas": [computer.native.beta]}
        return settings, _parameters(call, computer, native_tools=[search] if search else ())

    def _check_end(self, response: Any) -> None:
        """Raise when the stream stopped without saying that it is over: what came is not the whole answer.

        A reason that the library does not know is still a reason.
        """
        details: Mapping[str, Any] = response.provider_details or {}
        reason = response.finish_reason or details.get("finish_reason")
        if reason == "error" or (reason is None and response.state != "suspended"):
            failure = Failure(cause=Cause.TIMEOUT, text="The stream ended before the answer did.")
            raise model_error(failure, endpoint=self._endpoint, model=self._model)

    def _translate(self, error: Exception) -> ModelError:
        failure = failure_of(error)
        if failure.cause is Cause.GENERIC:
            text = "".join(traceback.format_exception(error))
            LOG.error(
                "%s failed in a way that is not known:\n%s", self.ref, scrub(text, self._endpoint.api_key)
            )
        return model_error(failure, endpoint=self._endpoint, model=self._model)

    async def _close_vendor(self) -> None:
        opening, self._vendor = self._vendor, None
        if opening is None:
            return
        await asyncio.wait([opening])
        if not opening.exception():  # else there is nothing to close, and whoever called was told
            await opening.result().close()


def _parameters(
    call: ModelCall, computer: ComputerInUse | None = None, *, native_tools: Sequence[AbstractNativeTool] = ()
) -> ModelRequestParameters:
    """The tools, as the library takes them; *native_tools* are those that the vendor runs."""
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.tools import ToolDefinition

    tools = [
        ToolDefinition(
            name=tool.name,
            description=tool.description,
            parameters_json_schema=dict(tool.input_schema),
            metadata={ENTRY: computer.entry} if computer and computer.tool is tool else None,
        )
        for tool in call.tools
    ]
    return ModelRequestParameters(function_tools=tools, native_tools=list(native_tools))


if TYPE_CHECKING:
    _: type[Model] = BridgeModel
