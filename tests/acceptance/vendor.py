"""A model for tests that decide themselves what it says."""

from __future__ import annotations

from fakes.responder import Conversation
from fakes.steps import Answer, say


class Vendor:
    """Answers with what a test has put into `answers`, and then always with the same words."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.always: dict[str, Answer] = {}
        """What is answered whenever somebody has just said that, for chats that speak at the same time."""

    def __call__(self, conversation: Conversation) -> Answer:
        """Give the next answer."""
        if conversation.last_user in self.always:
            return self.always[conversation.last_user]
        return self.answers.pop(0) if self.answers else [say("At *last*.")]

    def forget(self) -> None:
        """Say nothing more that a test has asked for."""
        self.answers.clear()
        self.always.clear()
