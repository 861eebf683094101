"""`chats/{id}/tool-results` and `chats/{id}/approvals`: what only a client can do.

They are apart because a kernel's token may answer calls of its own tools and never approve anything.
"""

from __future__ import annotations

from .. import wire
from ..errors import InvalidInputError
from ..messages import Scope
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
                ActionResult(
                    key=answer.key,
                    result=answer.result,
                    is_error=answer.is_error,
                    is_media=answer.is_media,
                )
                for answer in body.results
            ]
            chat = await self.service.complete(chat_id, results, client=body.client)
        self.reply(chat_reply(chat))


class ApprovalsHandler(ChatdHandler):
    """`/chats/{id}/approvals`."""

    @permission("read", "chats")
    async def get(self, chat_id: str) -> None:
        """Return what asks for an approval, or did, with who decided; oldest first."""
        await self.find_chat(chat_id)
        self.reply([wire.approval_json(run) for run in await self.service.approvals(chat_id)])

    @permission("execute", "approvals")
    async def post(self, chat_id: str) -> None:
        """Allow or deny a call; deciding the same again changes nothing."""
        body = self.body(requests.Approvals)
        await self.find_chat(chat_id)
        allow = body.decision == "allow"
        if body.scope and not allow:
            raise InvalidInputError("Invalid request.", detail="scope: expected with the decision allow only")
        scope = Scope(body.scope) if body.scope else None
        chat = await self.service.decide(
            chat_id, body.key, allow=allow, scope=scope, decided_by=self.user_name
        )
        self.reply(chat_reply(chat))


ROUTES = [
    (CHAT + r"/tool-results", ToolResultsHandler),
    (CHAT + r"/approvals", ApprovalsHandler),
]
