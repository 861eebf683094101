"""What the fake vendors share: who answers, the models route, keys, and playing an answer at a pace."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from .http import HttpServer, Reply, Request
from .responder import Conversation
from .steps import Answer, Break, Drop, Hang, Raw, Refuse, Step, Wait

Responder = Callable[[Conversation], Answer]


class BadHistoryError(Exception):
    """The request breaks a rule that the real vendor enforces with a 400."""


class FakeVendor(HttpServer):
    """A model vendor on the loopback interface.

    Args:
        answers: Answers in order of the calls, or a function of the conversation so far.
        models: Names that exist; a request for any other is a 404. `None`: every name exists.
        listed: What the list of models tells of each, beside its name.
        api_key: The key that callers must send; `None` lets everyone in.
        pace_s: Seconds between two deltas.
        piece_bytes: Cut the stream into writes of this size, whatever the events.
        port: 0 picks a free one.
        tls: See `HttpServer`.
    """

    label = "fake"

    def __init__(
        self,
        answers: Sequence[Answer] | Responder,
        *,
        models: Sequence[str] | None = None,
        listed: Mapping[str, Any] = MappingProxyType({}),
        api_key: str | None = None,
        pace_s: float = 0.0,
        piece_bytes: int | None = None,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(port=port, tls=tls)
        self.pace_s = pace_s
        self._answers = answers
        self._models = models
        self._listed = listed
        self._api_key = api_key
        self._piece_bytes = piece_bytes
        self._served = 0

    # What a vendor's wire looks like: implemented by each server.

    generate_paths: tuple[str, ...] = ()
    """Where answers are asked for."""
    models_path = "/v1/models"

    @property
    def base_url(self) -> str:
        """What a user would configure."""
        raise NotImplementedError

    def key_of(self, request: Request) -> str | None:
        """The API key that came with *request*."""
        raise NotImplementedError

    def refusal(self, refuse: Refuse) -> dict[str, Any]:
        """The body of an HTTP error."""
        raise NotImplementedError

    def check(self, body: dict[str, Any]) -> None:
        """Raise `BadHistoryError` where the real vendor would refuse the messages."""
        raise NotImplementedError

    def conversation(self, body: dict[str, Any]) -> Conversation:
        """The request's messages without the vendor's spelling."""
        raise NotImplementedError

    def encode(self, body: dict[str, Any], answer: Answer) -> Iterator[bytes | Step]:
        """The events of *answer* as bytes; steps that are no bytes (wait, drop, hang) as they are."""
        raise NotImplementedError

    def is_generation(self, request: Request) -> bool:
        """Whether *request* asks for an answer."""
        return request.path in self.generate_paths

    def body_of(self, request: Request) -> dict[str, Any]:
        """The body of a request for an answer, its model included."""
        return request.json

    stream_type = "text/event-stream; charset=utf-8"

    # What all do.

    @property
    def generations(self) -> list[Request]:
        """Requests for an answer, oldest first."""
        return [request for request in self.requests if self.is_generation(request)]

    async def handle(self, request: Request, reply: Reply) -> None:
        """Route one request."""
        if self._api_key is not None and self.key_of(request) != self._api_key:
            await self._refuse(reply, Refuse(status=401, message="invalid api key", code="invalid_api_key"))
        elif request.method == "GET" and request.path == self.models_path:
            await reply.send_json(200, self.models_body(self._models or ["fake-model"]))
        elif request.method == "POST" and self.is_generation(request):
            await self._generate(request, reply)
        else:
            await self._refuse(reply, Refuse(status=404, message=f"no route {request.method} {request.path}"))

    def models_body(self, models: Sequence[str]) -> dict[str, Any]:
        """The reply of the models route."""
        data = [{"id": name, "object": "model", **self._listed} for name in models]
        return {"object": "list", "data": data}

    async def _generate(self, request: Request, reply: Reply) -> None:
        body = self.body_of(request)
        if self._models is not None and body["model"] not in self._models:
            message = f"The model `{body['model']}` does not exist or you do not have access to it."
            await self._refuse(reply, Refuse(status=404, message=message, code="model_not_found"))
            return
        try:
            self.check(body)
        except BadHistoryError as problem:
            await self._refuse(reply, Refuse(status=400, message=str(problem)))
            return
        await self._answer(reply, body, self._next_answer(body))

    def _next_answer(self, body: dict[str, Any]) -> Answer:
        if callable(self._answers):
            return self._answers(self.conversation(body))
        self._served += 1
        if self._served > len(self._answers):
            return [Refuse(status=400, message=f"the fake vendor has only {len(self._answers)} answers")]
        return self._answers[self._served - 1]

    async def _answer(self, reply: Reply, body: dict[str, Any], answer: Answer) -> None:
        match answer:
            case [Refuse() as refuse]:
                await self._refuse(reply, refuse)
            case [Raw() as raw]:
                await reply.start(raw.status, {"Content-Type": raw.content_type})
                for piece in _pieces(raw.body, raw.piece_bytes):
                    await reply.send(piece)
                await reply.end()
            case _:
                await reply.start(200, {"Content-Type": self.stream_type})
                await self._stream(reply, self.encode(body, answer))

    async def _stream(self, reply: Reply, events: Iterator[bytes | Step]) -> None:
        for event in events:
            match event:
                case bytes():
                    for piece in _pieces(event, self._piece_bytes or len(event)):
                        await reply.send(piece)
                    if self.pace_s:
                        await reply.pause(self.pace_s)
                case Wait(until=until):
                    await (until.wait() if isinstance(until, asyncio.Event) else reply.pause(until))
                case Hang():
                    await reply.pause(None)
                case Drop():
                    reply.drop()
                    return
                case Break():
                    break
                case _:
                    raise TypeError(f"{event!r} cannot be streamed by the fake {self.label} server")
        await reply.end()

    async def _refuse(self, reply: Reply, refuse: Refuse) -> None:
        await reply.send_json(refuse.status, self.refusal(refuse), refuse.headers)


def sse(data: Any, *, event: str | None = None) -> bytes:
    """One server-sent event with JSON data."""
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {json.dumps(data)}\n\n".encode()


def _pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))
