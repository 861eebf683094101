"""`chats/config/system-prompt`, `chats/config/user-prompt`: what models are told besides what is said."""

from __future__ import annotations

from ..errors import InvalidInputError
from ..loop.prompt_settings import MAX_BYTES, default_system_prompt
from . import requests
from .base import BASE, ChatdHandler, permission


def check_size(text: str, field: str) -> None:
    """Make sure that a prompt can be kept.

    Raises:
        InvalidInputError: it is too long.
    """
    size = len(text.encode())
    if size > MAX_BYTES:
        raise InvalidInputError(
            "The prompt is too long.", detail=f"{field}: expected at most {MAX_BYTES} bytes, came {size}"
        )


class SystemPromptHandler(ChatdHandler):
    """`/chats/config/system-prompt`."""

    @permission("read", "chats")
    async def get(self) -> None:
        """Tell what the system prompt of new chats is made of."""
        prompt = await self.service.prompts.system()
        self.reply(
            {
                "system_prompt": prompt.custom,
                "include_default_system_prompt": prompt.include_default,
                "default_system_prompt": default_system_prompt(),
                "configured_system_prompt": prompt.configured,
            }
        )

    @permission("write", "settings")
    async def put(self) -> None:
        """Set the custom part; chats that exist keep theirs."""
        body = self.body(requests.PutSystemPrompt)
        check_size(body.system_prompt, "system_prompt")
        await self.service.prompts.set_system(
            body.system_prompt, include_default=body.include_default_system_prompt
        )
        self.reply_empty()


class UserPromptHandler(ChatdHandler):
    """`/chats/config/user-prompt`."""

    @permission("read", "chats")
    async def get(self) -> None:
        """Tell what the caller wants of all answers."""
        self.reply({"custom_prompt": await self.service.prompts.user(self.owner_id)})

    @permission("write", "chats")
    async def put(self) -> None:
        """Set it, from the next turn of every chat on."""
        body = self.body(requests.PutUserPrompt)
        check_size(body.custom_prompt, "custom_prompt")
        self.reply({"custom_prompt": await self.service.prompts.set_user(self.owner_id, body.custom_prompt)})


ROUTES = [
    (BASE + r"/config/system-prompt", SystemPromptHandler),
    (BASE + r"/config/user-prompt", UserPromptHandler),
]
