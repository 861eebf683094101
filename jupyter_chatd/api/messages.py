"""`chats/{id}/messages` and `chats/{id}/queue`: read, send, edit, delete, promote."""

from __future__ import annotations

from dataclasses import replace

from .. import wire
from ..errors import InvalidInputError
from ..messages import Chat, ClientTool, TurnOptions
from ..store.conversation import BusyBehavior, Sent
from . import requests
from .base import CHAT, ChatdHandler, permission
from .context import carry_out, find_command
from .files import read_parts


def sent_reply(sent: Sent) -> dict[str, object]:
    """Return what became of a message."""
    reply: dict[str, object] = {"queued": sent.queued}
    if sent.message is not None:
        reply["message"] = wire.message_json(sent.message)
    if sent.queued_message is not None:
        reply["queued_message"] = wire.queued_json(sent.queued_message)
    return reply


class MessagesHandler(ChatdHandler):
    """`/chats/{id}/messages`."""

    @permission("read", "chats")
    async def get(self, chat_id: str) -> None:
        """Return a page of messages, and the queue when no cursor is given."""
        await self.find_chat(chat_id)
        before, after = self.optional_number("before_id"), self.optional_number("after_id")
        if before is not None and after is not None and after >= before:
            raise InvalidInputError("Invalid page.", detail="after_id: must be below before_id")
        limit = self.number("limit", default=50, least=1, most=200)
        messages, has_more = await self.service.messages(
            chat_id, before_id=before, after_id=after, limit=limit
        )
        queue = () if before is not None or after is not None else await self.service.queue(chat_id)
        self.reply(
            {
                "messages": [wire.message_json(message) for message in messages],
                "queued_messages": [wire.queued_json(queued) for queued in queue],
                "has_more": has_more,
            }
        )

    @permission("write", "chats")
    async def post(self, chat_id: str) -> None:
        """Send a message: into the history when the chat is idle, else into its queue; or do what it says."""
        body = self.body(requests.SendMessage)
        parts = await read_parts(self, body.content)
        chat = await self.find_chat(chat_id)
        if (command := find_command(parts)) is not None:
            await carry_out(self.service, chat_id, command)
            self.reply({"queued": False, "command": command.name.lower()})
            return
        if body.client_tools:  # first, because the turn may begin at once
            await self._offer(chat, body.client_tools)
        sent = await self.service.send(
            chat_id,
            parts,
            created_by=self.user_name,
            busy=BusyBehavior(body.busy_behavior),
            options=await self._options(body),
        )
        if body.mcp_server_ids is not None:
            await self.service.update(chat_id, {"mcp_server_ids": body.mcp_server_ids})
        self.reply(sent_reply(sent))

    async def _offer(self, chat: Chat, tools: tuple[ClientTool, ...]) -> None:
        offered = {tool.name: tool for tool in (*chat.client_tools, *tools)}
        if len(offered) > requests.MAX_CLIENT_TOOLS:
            raise InvalidInputError(
                f"Expected at most {requests.MAX_CLIENT_TOOLS} client_tools, came {len(offered)} with those "
                "that the chat has."
            )
        if tuple(offered.values()) != chat.client_tools:
            await self.service.update(chat.id, {"client_tools": tuple(offered.values())})

    async def _options(self, body: requests.SendMessage) -> TurnOptions:
        options = TurnOptions(
            reasoning_effort=body.reasoning_effort,
            plan_mode=body.plan_mode,
            mcp_server_ids=body.mcp_server_ids,
            client_message_id=body.client_message_id,
        )
        if body.model is None and body.model_config_id is None:
            return options
        model = await self.extension.find_model(body.model, body.model_config_id)
        return replace(options, model=model.ref, model_config_id=model.config_id)


class MessageHandler(ChatdHandler):
    """`/chats/{id}/messages/{message}`."""

    @permission("write", "chats")
    async def patch(self, chat_id: str, message_id: str) -> None:
        """Replace a user message and run from there."""
        number = self.path_number(message_id, "message")
        body = self.body(requests.EditMessage)
        parts = await read_parts(self, body.content)
        await self.find_chat(chat_id)
        edited = await self.service.edit(
            chat_id,
            number,
            parts,
            created_by=self.user_name,
            client_message_id=body.client_message_id,
        )
        dropped = [wire.queued_json(queued) for queued in edited.dropped]
        self.reply({"message": wire.message_json(edited.message), "dropped": dropped})


class QueuedHandler(ChatdHandler):
    """`/chats/{id}/queue/{queued}`."""

    @permission("write", "chats")
    async def delete(self, chat_id: str, queued_id: str) -> None:
        """Remove a queued message; one that is not there is fine."""
        number = self.path_number(queued_id, "queued message")
        await self.find_chat(chat_id)
        await self.service.delete_queued(chat_id, number)
        self.reply_empty()


class PromoteHandler(ChatdHandler):
    """`/chats/{id}/queue/{queued}/promote`."""

    @permission("write", "chats")
    async def post(self, chat_id: str, queued_id: str) -> None:
        """Make a queued message the next one."""
        number = self.path_number(queued_id, "queued message")
        await self.find_chat(chat_id)
        self.reply(sent_reply(await self.service.promote_queued(chat_id, number)))


ROUTES = [
    (CHAT + r"/messages", MessagesHandler),
    (CHAT + r"/messages/(?P<message_id>[^/]+)", MessageHandler),
    (CHAT + r"/queue/(?P<queued_id>[^/]+)", QueuedHandler),
    (CHAT + r"/queue/(?P<queued_id>[^/]+)/promote", PromoteHandler),
]
