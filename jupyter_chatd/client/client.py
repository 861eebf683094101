"""What a program can ask of the agent: one method for each thing that can be done with a chat."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import PurePath
from typing import Any, Literal, Self, TypeAlias
from urllib.parse import quote

from .. import wire
from ..hits import Hit
from ..messages import Action, CallKey, Chat, ClientTool, Message, QueuedMessage
from ..wire.values import plain
from .approvals import Allowed, ApprovalList, AskedCall
from .files import Attachment, ChatFile, Upload, read_upload
from .mcp import McpClient
from .restapi import Params, Reply, RestApi
from .server import Server
from .stream import GIVE_UP, Update, follow
from .tree import ChatTree
from .usage import UsageReport, period
from .view import ChatView
from .workspaces import WorkspaceClient

Content: TypeAlias = str | Sequence[Mapping[str, Any]]
"""A text, or input parts such as `{"type": "file-reference", "file_name": "a.py"}`."""

Busy: TypeAlias = Literal["queue", "interrupt"]
"""What a message does to a turn that runs: wait for its end, or stop it."""


Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
"""How hard the model thinks. What it has no word for becomes the nearest that it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some messages of a chat."""

    messages: tuple[Message, ...]
    has_more: bool
    queue: tuple[QueuedMessage, ...] = ()
    """Only with a page that no cursor was given for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of a message: it is in the history, in the queue, or was a command or an answer."""

    message: Message | None = None
    queued_message: QueuedMessage | None = None
    command: Literal["compact", "clear"] | None = None
    """The message was `/compact` or `/clear`; see the methods of that name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """The message that took the place of an edited one."""

    message: Message
    dropped: tuple[QueuedMessage, ...]
    """What had been queued for the history that is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted:
    """A chat that was told to stop."""

    chat: Chat
    dropped: tuple[QueuedMessage, ...]
    """The queue, when it was to be dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolAnswer:
    """What a client's tool gave back for one call."""

    key: CallKey
    result: Any
    is_error: bool = False


class AsyncClient:
    """Talks to the agent of one server. Use it as an async context manager, in one event loop.

    Every method raises RefusedError when the server answers with an error (its `status` is 404 for a chat
    that does not exist, 409 for what is not possible now, 429 for a full queue), and UnreachableError when it
    does not answer.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self._api = RestApi(server)
        self.mcp = McpClient(self._api)
        self.workspaces = WorkspaceClient(self._api)
        """MCP servers: tools from elsewhere."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Give the connections up. May be called twice."""
        await self._api.aclose()

    async def forward(self, method: str, path: str, *, content: bytes, headers: Mapping[str, str]) -> Reply:
        """Pass on a request of somebody else; see `RestApi.forward`."""
        return await self._api.forward(method, path, content=content, headers=headers)

    # Chats

    async def create(
        self,
        content: Content,
        *,
        files: Sequence[Attachment] = (),
        model: str | None = None,
        title: str | None = None,
        labels: Mapping[str, str] | None = None,
        client_tools: Sequence[ClientTool] = (),
        reasoning_effort: Effort | None = None,
        mcp_server_ids: Sequence[str] | None = None,
        approval_mode: Literal["ask", "auto"] | None = None,
        plan_mode: Literal["plan"] | None = None,
    ) -> Chat:
        """Create a chat whose first turn begins at once.

        *model* is `provider:model`; the server's default when not given. For *files* see `attach`.
        *mcp_server_ids* are the MCP servers that it has; those of every new chat when not given.
        """
        body = {
            "content": [*input_parts(content), *await self.attach(files)],
            "model": model,
            "title": title,
            "labels": labels,
            "client_tools": plain(tuple(client_tools)) or None,
            "reasoning_effort": reasoning_effort,
            "mcp_server_ids": mcp_server_ids,
            "approval_mode": approval_mode,
            "plan_mode": plan_mode,
        }
        return wire.chat_from_json(await self._api.post("", body))

    async def get(self, chat_id: str) -> Chat:
        """Return a chat, without its messages."""
        return wire.chat_from_json(await self._api.get(_path(chat_id)))

    async def command_state(self, chat_id: str) -> str | None:
        """Return what becomes of the chat's commands: `confined`, `unconfined` or `refused`.

        `None` when its workspace does not answer.
        """
        return (await self._api.get(_path(chat_id))).get("commands")

    async def list(
        self,
        *,
        limit: int = 50,
        text: str | None = None,
        labels: Mapping[str, str] | None = None,
        archived: bool = False,
    ) -> tuple[Chat, ...]:
        """Return at most *limit* (1-200) chats, newest change first.

        Their titles or messages have *text*, and they have all of *labels*.
        """
        params: dict[str, Any] = {"limit": limit, "archived": _word(archived)}
        params |= {"q": text} if text else {}
        params |= {"label": [f"{name}:{value}" for name, value in labels.items()]} if labels else {}
        return tuple(map(wire.chat_from_json, await self._api.get("", params)))

    async def search(self, text: str, *, limit: int = 20, archived: bool = False) -> tuple[Hit, ...]:
        """Return at most *limit* (1-100) messages that have all words of *text*, best match first."""
        params: Params = {"q": text, "limit": limit, "archived": _word(archived)}
        return tuple(map(wire.hit_from_json, await self._api.get("/search", params)))

    async def update(self, chat_id: str, **changes: Any) -> None:
        """Change `title`, `archived`, `labels`, `model` and the like; `None` leaves a field as it is."""
        if "client_tools" in changes:
            changes["client_tools"] = plain(tuple(changes["client_tools"]))
        await self._api.patch(_path(chat_id), changes)

    async def interrupt(self, chat_id: str, *, queue: Literal["keep", "drop"] = "keep") -> Interrupted:
        """Stop what runs; nothing changes when nothing does. What was streamed is kept."""
        reply = await self._api.post(f"{_path(chat_id)}/interrupt", {"queue": queue})
        return Interrupted(chat=wire.chat_from_json(reply), dropped=_queued(reply.get("dropped")))

    async def compact(self, chat_id: str) -> Chat:
        """Let the model summarise the history and go on from the summary; the chat runs meanwhile."""
        return wire.chat_from_json(await self._api.post(f"{_path(chat_id)}/compact"))

    async def clear(self, chat_id: str) -> Chat:
        """Let the model forget what was said; the messages stay for people."""
        return wire.chat_from_json(await self._api.post(f"{_path(chat_id)}/clear"))

    async def regenerate_title(self, chat_id: str) -> Chat:
        """Let a model write a title for all that was said; the chat with its new title."""
        return wire.chat_from_json(await self._api.post(f"{_path(chat_id)}/title/regenerate"))

    # Messages

    async def messages(
        self, chat_id: str, *, before_id: int | None = None, after_id: int | None = None, limit: int = 50
    ) -> Page:
        """Return at most *limit* (1-200) messages, newest first; with only *after_id* oldest first."""
        cursor = {"before_id": before_id, "after_id": after_id, "limit": limit}
        params = {name: value for name, value in cursor.items() if value is not None}
        reply = await self._api.get(f"{_path(chat_id)}/messages", params)
        return Page(
            messages=tuple(map(wire.message_from_json, reply["messages"])),
            has_more=bool(reply.get("has_more")),
            queue=_queued(reply.get("queued_messages")),
        )

    async def history(self, chat_id: str) -> tuple[Message, ...]:
        """Return all messages, oldest first."""
        found: list[Message] = []
        has_more = True
        while has_more:
            page = await self.messages(chat_id, after_id=found[-1].id if found else 0, limit=200)
            found += page.messages
            has_more = page.has_more
        return tuple(found)

    async def send(
        self,
        chat_id: str,
        content: Content,
        *,
        files: Sequence[Attachment] = (),
        busy: Busy = "queue",
        model: str | None = None,
        reasoning_effort: Effort | None = None,
    ) -> Sent:
        """Send a message; *model* and *reasoning_effort* are for its turn only. For *files* see `attach`."""
        parts = [*input_parts(content), *await self.attach(files)]
        body = {
            "content": parts,
            "busy_behavior": busy,
            "model": model,
            "reasoning_effort": reasoning_effort,
        }
        return _sent(await self._api.post(f"{_path(chat_id)}/messages", body))

    async def edit(self, chat_id: str, message_id: int, content: Content) -> Edited:
        """Put another message in the place of a user message; what followed it is gone, and a turn begins."""
        reply = await self._api.patch(
            f"{_path(chat_id)}/messages/{message_id}", {"content": input_parts(content)}
        )
        return Edited(message=wire.message_from_json(reply["message"]), dropped=_queued(reply.get("dropped")))

    async def delete_queued(self, chat_id: str, queued_id: int) -> None:
        """Take a message out of the queue; one that is not there is fine."""
        await self._api.delete(f"{_path(chat_id)}/queue/{queued_id}")

    async def promote(self, chat_id: str, queued_id: int) -> Sent:
        """Make a queued message the next one, and stop what runs."""
        return _sent(await self._api.post(f"{_path(chat_id)}/queue/{queued_id}/promote"))

    # Files

    async def upload(self, file: str | PurePath | Upload) -> ChatFile:
        """Send a file of this machine to the server, which keeps it for a message.

        Raises:
            ClientError: it cannot be read.
            RefusedError: it is too large, of a type that models do not take, or not what its name says.
        """
        sent = file if isinstance(file, Upload) else await read_upload(file)
        return ChatFile.of_json(await self._api.post_bytes("/files", sent.data, sent.headers))

    async def attach(self, files: Sequence[Attachment]) -> tuple[Mapping[str, Any], ...]:
        """Return files as parts of a message; those that are paths are uploaded, one after the other."""
        kept = [file if isinstance(file, ChatFile) else await self.upload(file) for file in files]
        return tuple(file.part for file in kept)

    async def download(self, file_id: str) -> bytes:
        """Return the bytes of a file that a message has."""
        return await self._api.get_bytes(f"/files/{quote(file_id, safe='')}")

    async def files(self, chat_id: str) -> tuple[ChatFile, ...]:
        """Return the files that a chat holds, oldest first."""
        return tuple(map(ChatFile.of_json, await self._api.get(f"{_path(chat_id)}/files")))

    # Following and acting

    def follow(
        self, chat_id: str, *, view: ChatView | None = None, give_up_s: float | None = GIVE_UP
    ) -> AsyncGenerator[Update, None]:
        """Yield what happens in a chat; see `stream.follow`."""
        return follow(self.server, chat_id, view=view, give_up_s=give_up_s)

    async def claim(self, chat_id: str, actions: Sequence[Action], *, client: str) -> None:
        """Reserve calls of client-side tools for the client of that name; 409 when another one has them."""
        claim = [{"message_id": action.message_id, "call_index": action.call_index} for action in actions]
        await self._api.post(f"{_path(chat_id)}/tool-results", {"client": client, "claim": claim})

    async def answer(self, chat_id: str, answers: Sequence[ToolAnswer], *, client: str) -> None:
        """Give the results of calls; the turn goes on when no call is open any more."""
        results = [
            {
                "message_id": answer.key.message_id,
                "call_index": answer.key.index,
                "result": answer.result,
                "is_error": answer.is_error,
            }
            for answer in answers
        ]
        await self._api.post(f"{_path(chat_id)}/tool-results", {"client": client, "results": results})

    async def approvals(self, chat_id: str) -> ApprovalList:
        """Return the calls that ask for an approval, or did, oldest first; a plan that waits comes last."""
        return ApprovalList(map(AskedCall.of_json, await self._api.get(f"{_path(chat_id)}/approvals")))

    async def decide(self, chat_id: str, key: CallKey, *, allow: bool, scope: Allowed | None = None) -> Chat:
        """Allow or deny a call, or approve a plan; 409 when it was decided otherwise."""
        body = {
            "message_id": key.message_id,
            "call_index": key.index,
            "decision": "allow" if allow else "deny",
            "scope": scope,
        }
        return wire.chat_from_json(await self._api.post(f"{_path(chat_id)}/approvals", body))

    async def children(self, chat_id: str) -> tuple[Chat, ...]:
        """Return a chat's own subagents, archived ones too, in the order in which they were made."""
        found = await self._api.get(f"{_path(chat_id)}/children")
        return tuple(map(wire.chat_from_json, found))

    async def tree(self, chat_id: str) -> ChatTree:
        """Return a chat with all its subagents."""
        return await self._tree(await self.get(chat_id), above=frozenset())

    async def _tree(self, chat: Chat, *, above: frozenset[str]) -> ChatTree:
        """Return what lies below a chat; damaged data may lead back to what lies above it."""
        above |= {chat.id}
        children = [child for child in await self.children(chat.id) if child.id not in above]
        return ChatTree(
            chat=chat, children=tuple([await self._tree(child, above=above) for child in children])
        )

    # Tokens and money

    async def chat_usage(self, chat_id: str) -> UsageReport:
        """Return what a chat and its children used so far."""
        return UsageReport.of_json(await self._api.get(f"{_path(chat_id)}/usage"))

    async def usage(self, first: date | None = None, last: date | None = None) -> UsageReport:
        """Return what all chats used on the UTC days from *first* to *last*, by default the last 30."""
        return UsageReport.of_json(await self._api.get("/cost/me/summary", period(first, last)))

    # The desktop

    async def desktop(self, chat_id: str) -> Mapping[str, Any]:
        """Return how the desktop of a chat stands; docs/desktop.md has the fields."""
        return await self._api.get(f"{_path(chat_id)}/desktop")

    async def change_desktop(self, chat_id: str, what: str) -> Mapping[str, Any]:
        """`start`, `stop`, `take` or `release` the desktop; return how it stands then."""
        return await self._api.post(f"{_path(chat_id)}/desktop/{what}")

    async def act_on_desktop(
        self, chat_id: str, actions: Sequence[Mapping[str, Any]]
    ) -> Sequence[Mapping[str, Any]]:
        """Do actions in order; return what each gave."""
        body = {"actions": list(actions)}
        return (await self._api.post(f"{_path(chat_id)}/desktop/action", body))["results"]

    async def desktop_screenshot(self, chat_id: str, *, width: int | None = None) -> bytes:
        """Return the screen as PNG, at most *width* pixels wide; refused while it does not run."""
        query = "" if width is None else f"?width={width}"
        return await self._api.get_bytes(f"{_path(chat_id)}/desktop/screenshot{query}")

    async def models(self) -> Mapping[str, Any]:
        """Return `{providers: [{provider, available, models: [{id, …}], …}], default_model}`."""
        return await self._api.get("/models")


def _word(value: bool) -> str:
    return "true" if value else "false"


def input_parts(content: Content) -> list[Mapping[str, Any]]:
    """Return content as the parts that a request carries."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _path(chat_id: str) -> str:
    return f"/{quote(chat_id, safe='')}"


def _queued(value: Sequence[Mapping[str, Any]] | None) -> tuple[QueuedMessage, ...]:
    return tuple(map(wire.queued_from_json, value or ()))


def _sent(reply: Mapping[str, Any]) -> Sent:
    message, queued = reply.get("message"), reply.get("queued_message")
    return Sent(
        message=wire.message_from_json(message) if message else None,
        queued_message=wire.queued_from_json(queued) if queued else None,
        command=reply.get("command"),
    )
