"""`chats/{id}/tool-results` and `chats/{id}/approvals`: what only a client can do.

They are apart because a kernel's token may answer calls of its own tools and never approve anything.
"""

from __future__ import annotations

from ..errors import InvalidInputError
from ..store.actions import ActionResult
from . import requests
from .base import CHAT, ChatdHandler, permission
from .chats import chat_reply


class ToolResultsHandler(ChatdHandler):
    """`/chats/{id}/tool-results`."""

    @permission("write", "tool_results")
    async def post(self, chat_id: str) -> None:
        """Claim calls, answer calls, or both; the turn goes on when no call is open any more."""
        body = self.body(requests.ToolResults)
        if not body.claim and not body.results:
            raise InvalidInputError(
                "Invalid request.", detail="Expected claim, results, or both; came neither."
            )
        chat = await self.find_chat(chat_id)
        if body.claim:
            await self.service.claim(chat_id, [ref.key for ref in body.claim], client=body.client)
        if body.results:
            results = [
                ActionResult(key=answer.key, result=answer.result, is_error=answer.is_error)
                for answer in body.results
            ]
            chat = await self.service.complete(chat_id, results, client=body.client)
        self.reply(chat_reply(chat))


class ApprovalsHandler(ChatdHandler):
    """`/chats/{id}/approvals`."""

    @permission("execute", "approvals")
    async def post(self, chat_id: str) -> None:
        """Allow or deny a call; deciding the same again changes nothing."""
        body = self.body(requests.Approvals)
        await self.find_chat(chat_id)
        allow = body.decision == "allow"
        chat = await self.service.decide(chat_id, body.key, allow=allow, decided_by=self.user_name)
        self.reply(chat_reply(chat))


ROUTES = [
    (CHAT + r"/tool-results", ToolResultsHandler),
    (CHAT + r"/approvals", ApprovalsHandler),
]
