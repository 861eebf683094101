"""What all routes share: who asks, reading the body, and errors as JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import responses
from typing import TYPE_CHECKING, Any, TypeVar, cast

from jupyter_server.auth.decorator import authorized
from jupyter_server.auth.identity import IdentityProvider
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from jupyter_server.utils import ensure_async
from tornado import web

from .. import wire
from ..capabilities import Capability
from ..desktop.errors import DesktopLimitError, RecordingLimitError
from ..desktop.hosted import HostedDesktops
from ..errors import (
    ChatdError,
    ConflictError,
    FileTooLargeError,
    InvalidInputError,
    ModelError,
    NotFoundError,
    QueueFullError,
    StoreError,
    SwitchedOffError,
)
from ..loop.service import ChatService
from ..mcp.service import McpService
from ..messages import Chat
from ..providers.catalog import ModelCatalog, find_config
from ..runtime import Runtime
from ..store.configs import stored_models
from ..workspace.protocol import WorkspaceAgent
from .late import BASE
from .sockets import Sockets

START_WAIT = 30.0  # seconds that a request waits for the agent to start

LOCAL_OWNER = "local"
"""The owner of all chats on a plain server, where a token's user has a new random name on every request."""

CHAT = BASE + r"/(?P<chat_id>[^/]+)"

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


class UnavailableError(ChatdError):
    """The agent has not started, or could not; says why and what to do. Status 503."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundModel:
    """A model that a request named, looked up."""

    ref: str
    """`provider:model`."""
    config_id: str | None = None


class Extension:
    """What the routes need from the extension. One per server, in the web application's settings."""

    def __init__(
        self,
        runtime: Runtime,
        catalog: ModelCatalog,
        mcp: McpService,
        *,
        agent: WorkspaceAgent,
        hosted_desktops: HostedDesktops,
        approval_modes: Mapping[str, str],
    ) -> None:
        self.runtime = runtime
        self.agent = agent
        """This server's own."""
        self.hosted_desktops = hosted_desktops
        """Those of the agent, for chats of other servers."""
        self.agent_uses = 0
        """How many requests to it run now."""
        self.is_stopping = False
        self.approval_modes = approval_modes
        """Of new chats, by client type."""
        self.catalog = catalog
        self.mcp = mcp
        self.problem: str | None = None
        """Why requests cannot be served, once that is known."""
        self._settled = asyncio.Event()
        self.sockets = Sockets()

    def settle(self, problem: str | None) -> None:
        """Begin to serve requests, or to refuse them for a reason."""
        self.problem = problem
        self._settled.set()

    def stop(self) -> None:
        """Refuse all requests from now on."""
        self.is_stopping = True
        self.settle("The server is stopping.")

    @contextmanager
    def agent_use(self) -> Generator[None]:
        """Count a request to the agent while it runs: it is activity of the server."""
        self.agent_uses += 1
        try:
            yield
        finally:
            self.agent_uses -= 1

    async def wait_until_settled(self) -> None:
        """Wait while the agent starts.

        Raises:
            UnavailableError: it could not start, is stopping, or takes very long.
        """
        try:
            async with asyncio.timeout(START_WAIT):
                await self._settled.wait()
        except TimeoutError:
            raise UnavailableError("The agent is still starting. Try again in a moment.") from None
        if self.problem is not None:
            raise UnavailableError(self.problem)

    async def find_model(self, model: str | None, model_config_id: str | None) -> FoundModel:
        """Return the model that a request names, the default one when it names none.

        Raises:
            InvalidInputError: there is no such model or model config.
        """
        if model_config_id is not None:
            return await self._find_config(model_config_id)
        try:
            if model is not None:
                return self._allowed(FoundModel(ref=await self.catalog.canonical_ref(model)))
        except ModelError as error:
            raise InvalidInputError("Unknown model.", detail=str(error)) from error
        return FoundModel(
            ref=await self.catalog.default_ref(), config_id=await self.catalog.default_config_id()
        )

    def _allowed(self, found: FoundModel) -> FoundModel:
        """Return the model.

        Raises:
            InvalidInputError: the policy of this server does not allow it.
        """
        try:
            self.catalog.require_allowed(found.ref)
        except ModelError as error:
            raise InvalidInputError("This model cannot be used here.", detail=str(error)) from error
        return found

    async def _find_config(self, config_id: str) -> FoundModel:
        stored = await self.runtime.store.read(stored_models)
        config = find_config(stored, config_id)
        if config is None:
            raise InvalidInputError(
                "Unknown model config.",
                detail=f"model_config_id: {config_id} does not exist or is switched off",
            )
        return self._allowed(FoundModel(ref=config.ref, config_id=config.id))


def permission(action: str, resource: str) -> Callable[[F], F]:
    """Check identity, then that the user may do *action* (read, write, execute) on *resource*.

    Both are spelled on every method; see the package docstring.
    """

    def decorate(method: F) -> F:
        guarded = web.authenticated(authorized(action, resource)(method))  # type: ignore[arg-type]
        guarded.permission = (action, resource)  # type: ignore[attr-defined]
        return cast("F", guarded)

    return decorate


class ChatdMixin(JupyterHandler):
    """For handlers of HTTP and WebSocket alike."""

    @property
    def extension(self) -> Extension:
        """The extension's parts."""
        return self.settings["jupyter_chatd_extension"]

    @property
    def service(self) -> ChatService:
        """Operations on chats, once the agent has started."""
        return self.extension.runtime.service

    @property
    def owner_id(self) -> str:
        """Who owns the chats of this request."""
        return LOCAL_OWNER if self.is_plain else self.user_name

    @property
    def is_plain(self) -> bool:
        """Whether Jupyter's own identity provider is used, for which there is one user."""
        return type(self.identity_provider).__module__ == IdentityProvider.__module__

    @property
    def user_name(self) -> str:
        """Who asks, for `created_by`."""
        if self.is_plain:
            return LOCAL_OWNER
        user = self.current_user
        return str(getattr(user, "username", user))

    def require(self, capability: Capability) -> None:
        """Make sure that the agent can do that.

        Raises:
            SwitchedOffError: it cannot; says who decided.
        """
        if reason := self.extension.runtime.capabilities.now.why_not(capability):
            raise SwitchedOffError(f"Not possible here: {reason}.")

    async def is_allowed(self, action: str, resource: str) -> bool:
        """Ask the authorizer of more than the method's own permission."""
        return await ensure_async(self.authorizer.is_authorized(self, self.current_user, action, resource))

    async def check_allowed(self, action: str, resource: str) -> None:
        """Ask the authorizer of more than the method's own permission.

        Raises:
            web.HTTPError: 403.
        """
        if not await self.is_allowed(action, resource):
            raise web.HTTPError(
                403, log_message=f"User is not authorized to {action} on resource: {resource}."
            )

    async def find_chat(self, chat_id: str) -> Chat:
        """Return the caller's chat.

        Raises:
            ChatNotFoundError: no such chat, or someone else's.
        """
        chat = await self.service.get(chat_id, owner_id=self.owner_id)
        self.extension.runtime.attendance.note(chat_id)
        return chat

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer errors in the original's envelope: message, detail, validations."""
        error = kwargs.get("exc_info", (None, None))[1]
        if isinstance(error, ChatdError):
            status_code, envelope = error_envelope(error)
        elif status_code == 405:
            envelope = self._wrong_method()
        else:
            envelope = {"message": _text_of(error) or responses.get(status_code, "Unknown error")}
        self.send_json(envelope, status=status_code)

    def _wrong_method(self) -> dict[str, object]:
        allowed = ", ".join(methods_of(type(self)))
        self.set_header("Allow", allowed)
        return {"message": f"Expected {allowed or 'another address'}, came {self.request.method}."}

    def send_json(self, value: object, *, status: int = 200) -> None:
        """Answer with JSON."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(wire.dump_json(value))

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Refusals are answers, not incidents; everything else is logged with its traceback."""
        if isinstance(value, ChatdError) and not isinstance(value, StoreError):
            return
        super().log_exception(typ, value, tb)

    if TYPE_CHECKING:  # tornado's own leave the type of a dict open

        def write(self, chunk: str | bytes | dict[str, Any]) -> None: ...
        def finish(self, chunk: str | bytes | dict[str, Any] | None = None) -> asyncio.Future[None]: ...


def _text_of(error: object) -> str | None:
    """Return what an HTTP error was raised with."""
    if not isinstance(error, web.HTTPError) or not error.log_message:
        return None
    return error.log_message % error.args


def methods_of(handler: type[web.RequestHandler]) -> tuple[str, ...]:
    """Return the HTTP methods that a handler answers, but OPTIONS, which all do."""
    names = (name for name in handler.SUPPORTED_METHODS if name != "OPTIONS")
    missing = web.RequestHandler._unimplemented_method  # pyright: ignore[reportPrivateUsage] - as in jupyter_server
    return tuple(name for name in names if getattr(handler, name.lower()) is not missing)


class ChatdHandler(ChatdMixin, APIHandler):
    """Base of the REST routes."""

    async def prepare(self) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - as in APIHandler
        """Refuse strangers, whatever they ask for; requests that come while the agent starts wait for it."""
        await super().prepare()
        if self.request.method == "OPTIONS":
            return  # a browser asks for permission to ask, without its token
        if self.current_user is None:
            raise web.HTTPError(403)
        await self.extension.wait_until_settled()

    def update_api_activity(self) -> None:
        """Looking is no activity: a viewer that polls must not keep an idle server alive."""
        if self.request.method != "GET":
            super().update_api_activity()

    def body(self, cls: type[T]) -> T:
        """Return the request's body.

        Raises:
            InvalidInputError: it is malformed.
        """
        return wire.parse_body(self.request.body, cls)

    def number(self, name: str, *, default: int, least: int, most: int = 2**63 - 1) -> int:
        """Return a whole number from the query.

        Raises:
            InvalidInputError: it is none, or out of bounds.
        """
        text = self.get_query_argument(name, str(default))
        if not (text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most):
            raise InvalidInputError(
                "Invalid query.",
                detail=f"{name}: expected a whole number from {least} to {most}, came {text[:80]!r}",
            )
        return int(text)

    def optional_number(self, name: str) -> int | None:
        """Return a whole number from the query, `None` when it is absent."""
        if self.get_query_argument(name, None) is None:
            return None
        return self.number(name, default=0, least=0)

    def path_number(self, text: str, what: str) -> int:
        """Return an id from the path.

        Raises:
            InvalidInputError: it is no positive whole number.
        """
        if not (text.isascii() and text.isdigit() and len(text) < 19 and int(text) > 0):
            raise InvalidInputError(
                f"Invalid {what} id.", detail=f"Expected a positive whole number, came {text[:80]!r}"
            )
        return int(text)

    if TYPE_CHECKING:  # APIHandler's own: whatever a handler has set, JSON is what it says

        def finish(
            self, chunk: str | bytes | dict[str, Any] | None = None, *, set_content_type: str = ...
        ) -> asyncio.Future[None]: ...

    def reply(self, value: object, *, status: int = 200) -> None:
        """Answer with JSON."""
        self.send_json(value, status=status)

    def reply_empty(self) -> None:
        """Answer 204."""
        self.set_status(204)
        self.finish()


class UnknownRouteHandler(ChatdHandler):
    """Every address below ours that is none: JSON, as for the ones that are."""

    async def prepare(self) -> None:
        """Refuse: whoever may ask hears that there is nothing."""
        await super().prepare()
        raise NotFoundError(f"There is no route {self.request.path}.")


def error_envelope(error: ChatdError) -> tuple[int, dict[str, object]]:
    """Return the status and the body for an error of ours."""
    envelope: dict[str, object] = {"message": str(error)}
    match error:
        case InvalidInputError():
            status = 400
            envelope |= {"detail": error.detail} if error.detail else {}
            if error.problems:
                envelope["validations"] = [
                    {"field": problem.field, "detail": problem.detail} for problem in error.problems
                ]
        case SwitchedOffError():
            status = 403
        case NotFoundError():
            status = 404
        case ConflictError():
            status = 409
            envelope |= {"state": error.state, "transition": error.transition}
            envelope |= {"detail": error.detail} if error.detail else {}
        case FileTooLargeError():
            status = 413
        case QueueFullError() | DesktopLimitError() | RecordingLimitError():
            status = 429
        case UnavailableError():
            status = 503
        case ModelError():
            status = 400
            envelope |= {"detail": error.error.detail} if error.error.detail else {}
        case _:
            status = 500
    return status, envelope


ROUTES = [(BASE + r"/.*[^/]", UnknownRouteHandler)]
