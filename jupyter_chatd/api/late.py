"""The way to the routes before their handlers are loaded, so that a server answers without them.

Light: a server loads it before it answers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeAlias

from jupyter_server.utils import url_path_join
from tornado import web
from tornado.httputil import (
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.routing import PathMatches, Router, Rule, RuleRouter

BASE = r"/api/experimental/chats"
"""All routes are below it."""

Routes: TypeAlias = Iterable[tuple[str, type[web.RequestHandler]]]
"""Patterns, without the server's base URL, and what answers them."""


class LateRoutes(Router):
    """Routes that are loaded by the first request, if the server has not done so before."""

    def __init__(self, application: web.Application, load: Callable[[], Awaitable[Routes]]) -> None:
        """Take what loads the routes; it is asked until it has returned once, and must not raise."""
        self._application = application
        self._load_routes = load
        self._loaded: _Loaded | None = None

    def add(self) -> None:
        """Send every request below `BASE` here.

        Jupyter's own `add_handlers` wants handlers, to see that they ask who calls. Ours are checked by
        `tests/api/test_permissions.py`.
        """
        pattern = url_path_join(self._application.settings["base_url"], BASE) + r"(?:/.*)?"
        web.Application.add_handlers(self._application, ".*$", [Rule(PathMatches(pattern), self)])

    def find_handler(self, request: HTTPServerRequest, **_: Any) -> HTTPMessageDelegate | None:
        """Return what answers; `None` when no route fits, and the server's own come next."""
        if self._loaded is None:
            return _Waiting(self, request)
        return self._loaded.find_handler(request)

    async def load(self) -> None:
        """Load the routes, unless they are."""
        routes = await self._load_routes()
        if self._loaded is None:
            self._loaded = _Loaded(self._application, routes)

    def find_anew(self, request: HTTPServerRequest) -> HTTPMessageDelegate:
        """Return what answers a request among all that the server has."""
        return self._application.find_handler(request)


class _Loaded(RuleRouter):
    def __init__(self, application: web.Application, routes: Routes) -> None:
        self._application = application
        base_url = application.settings["base_url"]
        super().__init__(
            [Rule(PathMatches(url_path_join(base_url, path)), handler) for path, handler in routes]
        )

    def get_target_delegate(
        self, target: Any, request: HTTPServerRequest, **target_params: Any
    ) -> HTTPMessageDelegate | None:
        return self._application.get_handler_delegate(request, target, **target_params)


class _Waiting(HTTPMessageDelegate):
    """A request whose body is not read before there is somebody to read it."""

    def __init__(self, routes: LateRoutes, request: HTTPServerRequest) -> None:
        self._routes = routes
        self._request = request
        self._delegate = HTTPMessageDelegate()  # ignores all

    async def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> None:
        await self._routes.load()
        self._delegate = self._routes.find_anew(self._request)
        if (prepared := self._delegate.headers_received(start_line, headers)) is not None:
            await prepared

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return self._delegate.data_received(chunk)

    def finish(self) -> None:
        self._delegate.finish()

    def on_connection_close(self) -> None:
        self._delegate.on_connection_close()
