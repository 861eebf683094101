"""`chats` and `chats/{id}`: list, create, read, change, interrupt."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from .. import wire
from ..errors import ChatNotFoundError, ConflictError, InvalidInputError, NotFoundError
from ..loop.service import NewChat
from ..mcp.config import default_ids
from ..messages import Chat, ChatStatus, TurnOptions
from ..store.reads import ChatQuery
from . import requests
from .base import BASE, CHAT, ChatdHandler, permission
from .files import read_parts

MAX_PAGE = 200
ARCHIVE_WAIT = 5.0  # seconds that a running family has to stop before it is archived


def chat_reply(chat: Chat) -> dict[str, object]:
    """Return a chat as clients see it."""
    return wire.chat_json(chat, pending=chat.status is ChatStatus.RUNNING and chat.worker_id is None)


def archived_filter(handler: ChatdHandler) -> bool | None:
    """Return whether archived chats are asked for, others, or `None` for all.

    Raises:
        InvalidInputError: the query says something else.
    """
    return _choice(handler, "archived", default="false")


def _choice(handler: ChatdHandler, name: str, *, default: str) -> bool | None:
    word = handler.get_query_argument(name, default)
    words = {"true": True, "false": False, "all": None}
    if word not in words:
        raise InvalidInputError(
            "Invalid search.", detail=f"{name}: expected true, false or all, came {word!r}"
        )
    return words[word]


class ChatsHandler(ChatdHandler):
    """`/chats`."""

    @permission("read", "chats")
    async def get(self) -> None:
        """List the caller's chats, newest change first."""
        query = self._query()
        if query.after_id is not None:
            await self._check_cursor(query.after_id)
        chats = await self.service.list(query)
        self.reply([chat_reply(chat) for chat in chats])

    async def _check_cursor(self, after_id: str) -> None:
        """A cursor that is none of the caller's chats would end the list without a word."""
        try:
            await self.find_chat(after_id)
        except ChatNotFoundError:
            raise InvalidInputError(
                "Invalid search.",
                detail=f"after_id: expected the id of a chat of yours, came {after_id[:80]!r}",
            ) from None

    def _query(self) -> ChatQuery:
        return ChatQuery(
            owner_id=self.owner_id,
            limit=self.number("limit", default=50, least=1, most=MAX_PAGE),
            offset=self.number("offset", default=0, least=0),
            after_id=self.get_query_argument("after_id", None),
            archived=archived_filter(self),
            labels=_labels(self.get_query_arguments("label")),
            text=self.get_query_argument("q", None),
            pinned=_choice(self, "pinned", default="all"),
        )

    @permission("write", "chats")
    async def post(self) -> None:
        """Create a chat; its first turn begins at once."""
        body = self.body(requests.CreateChat)
        parts = await read_parts(self, body.content)
        model = await self.extension.find_model(body.model, body.model_config_id)
        client_type = body.client_type or "api"
        chat = await self.service.create(
            NewChat(
                owner_id=self.owner_id,
                created_by=self.user_name,
                parts=parts,
                model=model.ref,
                model_config_id=model.config_id,
                title=body.title,
                labels=body.labels or {},
                client_tools=body.client_tools or (),
                client_type=client_type,
                approval_mode=await self._approval_mode(body, client_type),
                plan_mode=body.plan_mode,
                workspace_id=await self._workspace_id(body),
                mcp_server_ids=await self._mcp_server_ids(body),
                options=TurnOptions(
                    reasoning_effort=body.reasoning_effort, client_message_id=body.client_message_id
                ),
            )
        )
        self.reply(chat_reply(chat), status=201)

    async def _approval_mode(self, body: requests.CreateChat, client_type: str) -> str:
        """Return what was chosen, else what new chats have.

        A chat that does not ask allows all that it will do. By default no chat of a caller who may not allow
        calls does.

        Raises:
            web.HTTPError: 403, such a caller asked for it.
        """
        mode = body.approval_mode or self.extension.approval_modes[client_type]
        if mode != "auto" or await self.is_allowed("execute", "approvals"):
            return mode
        if body.approval_mode:
            await self.check_allowed("execute", "approvals")
        return "ask"

    async def _workspace_id(self, body: requests.CreateChat) -> str | None:
        """Return the workspace that the chat is to have.

        Raises:
            InvalidInputError: it does not exist, or is somebody else's.
        """
        if body.workspace_id is None:
            return None
        try:
            found = await self.extension.runtime.workspaces.get(body.workspace_id, owner_id=self.owner_id)
        except NotFoundError as error:
            raise InvalidInputError("Unknown workspace.", detail=f"workspace_id: {error}") from error
        return found.workspace.id

    async def _mcp_server_ids(self, body: requests.CreateChat) -> tuple[str, ...]:
        """Return what was chosen, else what new chats have."""
        if body.mcp_server_ids is not None:
            return body.mcp_server_ids
        return default_ids(await self.extension.mcp.stored.list_bare())


def _labels(texts: Sequence[str]) -> dict[str, str]:
    pairs = {_label(text) for text in texts}
    labels = dict(pairs)
    if len(labels) < len(pairs):
        raise InvalidInputError("Invalid search.", detail="label: expected each key once, with one value")
    return labels


def _label(text: str) -> tuple[str, str]:
    key, colon, value = text.partition(":")
    if not colon or not key:
        raise InvalidInputError("Invalid search.", detail=f"label: expected key:value, came {text[:80]!r}")
    return key, value


class ChatHandler(ChatdHandler):
    """`/chats/{id}`."""

    @permission("read", "chats")
    async def get(self, chat_id: str) -> None:
        """Return the chat, without its messages, and what becomes of its commands."""
        chat = await self.find_chat(chat_id)
        commands = await self.extension.runtime.find_command_state(chat)
        self.reply(chat_reply(chat) | ({} if commands is None else {"commands": commands.value}))

    @permission("write", "chats")
    async def patch(self, chat_id: str) -> None:
        """Change what is given and leave the rest; `archived` takes the chat's family along.

        Who makes a chat ask no more allows all that it will do.
        """
        body = self.body(requests.PatchChat)
        chat = await self.find_chat(chat_id)
        if body.approval_mode == "auto" and chat.approval_mode == "ask":
            await self.check_allowed("execute", "approvals")
        _check_pin(chat, body)
        values = await self._metadata(body)
        if body.archived is not None:  # first, because it may be refused and then nothing changes
            await self._set_archived(chat, archived=body.archived)
        if values:
            await self.service.update(chat_id, values)
        self.reply_empty()

    async def _metadata(self, body: requests.PatchChat) -> dict[str, Any]:
        names = ("title", "pin_order", "labels", "approval_mode", "mcp_server_ids", "client_tools")
        values = {name: value for name in names if (value := getattr(body, name)) is not None}
        if body.plan_mode is not None:
            values["plan_mode"] = body.plan_mode or None
        if body.model is not None or body.model_config_id is not None:
            model = await self.extension.find_model(body.model, body.model_config_id)
            values |= {"model": model.ref, "model_config_id": model.config_id}
        return values

    async def _set_archived(self, chat: Chat, *, archived: bool) -> None:
        """What runs is interrupted first and has 5 s to end; what does not is named in the 409."""
        if archived and not chat.archived:
            await self.service.interrupt(chat.id, drop_queue=True)
        give_up_at = time.monotonic() + ARCHIVE_WAIT
        while True:
            try:
                await self.service.set_archived(chat.id, archived=archived)
            except ConflictError:
                if not archived or time.monotonic() > give_up_at:
                    raise
                await asyncio.sleep(0.05)
            else:
                return


def _check_pin(chat: Chat, body: requests.PatchChat) -> None:
    """An archived chat is in no list that a pin could lead."""
    archived = chat.archived if body.archived is None else body.archived
    if archived and body.pin_order:
        raise InvalidInputError("An archived chat cannot be pinned. Unarchive it first.")


class InterruptHandler(ChatdHandler):
    """`/chats/{id}/interrupt`."""

    @permission("execute", "chats")
    async def post(self, chat_id: str) -> None:
        """Stop what runs; when nothing does, nothing changes."""
        body = self.body(requests.Interrupt)
        await self.find_chat(chat_id)
        done = await self.service.interrupt(chat_id, drop_queue=body.queue == "drop")
        self.reply(chat_reply(done.chat) | {"dropped": [wire.queued_json(queued) for queued in done.dropped]})


class ChildrenHandler(ChatdHandler):
    """`/chats/{id}/children`."""

    @permission("read", "chats")
    async def get(self, chat_id: str) -> None:
        """List the chat's own subagents, archived ones too, in the order in which they were made."""
        chat = await self.find_chat(chat_id)
        self.reply([chat_reply(child) for child in await self.service.children(chat.id)])


ROUTES = [
    (BASE, ChatsHandler),
    (CHAT, ChatHandler),
    (CHAT + r"/children", ChildrenHandler),
    (CHAT + r"/interrupt", InterruptHandler),
]
