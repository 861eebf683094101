"""`chats` and `chats/{id}`: list, create, read, change, interrupt."""

from __future__ import annotations

from .. import wire
from ..errors import InvalidInputError
from ..loop.service import NewChat
from ..messages import Chat, ChatStatus, TurnOptions
from ..store.reads import ChatQuery
from . import requests
from .base import BASE, CHAT, ChatdHandler, permission

MAX_PAGE = 200


def chat_reply(chat: Chat) -> dict[str, object]:
    """Return a chat as clients see it."""
    return wire.chat_json(chat, pending=chat.status is ChatStatus.RUNNING and chat.worker_id is None)


class ChatsHandler(ChatdHandler):
    """`/chats`."""

    @permission("read", "chats")
    async def get(self) -> None:
        """List the caller's chats, newest change first."""
        chats = await self.service.list(self._query())
        self.reply([chat_reply(chat) for chat in chats])

    def _query(self) -> ChatQuery:
        return ChatQuery(
            owner_id=self.owner_id,
            limit=self.number("limit", default=50, least=1, most=MAX_PAGE),
            offset=self.number("offset", default=0, least=0),
            after_id=self.get_query_argument("after_id", None),
            archived=self._archived(),
            labels=dict(_label(text) for text in self.get_query_arguments("label")),
            text=self.get_query_argument("q", None),
        )

    def _archived(self) -> bool | None:
        word = self.get_query_argument("archived", "false")
        words = {"true": True, "false": False, "all": None}
        if word not in words:
            raise InvalidInputError("Invalid search.", detail=f"archived: expected true, false or all, came {word!r}")
        return words[word]

    @permission("write", "chats")
    async def post(self) -> None:
        """Create a chat; its first turn begins at once."""
        body = self.body(requests.CreateChat)
        parts = wire.parse_input_parts(body.content)
        model = await self.extension.find_model(body.model, body.model_config_id)
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
                client_type=body.client_type or "api",
                approval_mode=body.approval_mode or "auto",
                plan_mode=body.plan_mode,
                workspace_id=body.workspace_id,
                mcp_server_ids=body.mcp_server_ids or (),
                options=TurnOptions(reasoning_effort=body.reasoning_effort),
            )
        )
        self.reply(chat_reply(chat), status=201)


def _label(text: str) -> tuple[str, str]:
    key, colon, value = text.partition(":")
    if not colon or not key:
        raise InvalidInputError("Invalid search.", detail=f"label: expected key:value, came {text[:80]!r}")
    return key, value


class ChatHandler(ChatdHandler):
    """`/chats/{id}`."""

    @permission("read", "chats")
    async def get(self, chat_id: str) -> None:
        """Return the chat, without its messages."""
        self.reply(chat_reply(await self.find_chat(chat_id)))


class InterruptHandler(ChatdHandler):
    """`/chats/{id}/interrupt`."""

    @permission("execute", "chats")
    async def post(self, chat_id: str) -> None:
        """Stop what runs; when nothing does, nothing changes."""
        body = self.body(requests.Interrupt)
        await self.find_chat(chat_id)
        done = await self.service.interrupt(chat_id, drop_queue=body.queue == "drop")
        self.reply(chat_reply(done.chat) | {"dropped": [wire.queued_json(queued) for queued in done.dropped]})


ROUTES = [
    (BASE, ChatsHandler),
    (CHAT, ChatHandler),
    (CHAT + r"/interrupt", InterruptHandler),
]
