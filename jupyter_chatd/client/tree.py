"""A chat with its subagents, as a tree that shows itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..messages import Chat

_STANDS = {"requires_action": "waits for you", "waiting": "done"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatTree:
    """A chat and those below it."""

    chat: Chat
    children: tuple[ChatTree, ...] = ()
    """In the order in which they were made."""

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> Iterator[str]:
        """Yield a line for each chat: how it stands, its title, its type, how its id begins."""
        yield _line(self.chat)
        for number, child in enumerate(self.children, 1):
            is_last = number == len(self.children)
            for index, line in enumerate(child.lines()):
                yield (("└─ " if is_last else "├─ ") if index == 0 else ("   " if is_last else "│  ")) + line


def _line(chat: Chat) -> str:
    status = _STANDS.get(chat.status.value, chat.status.value)
    kind = f" ({chat.mode or 'general'})" if chat.parent_chat_id else ""
    return f"{chat.title}{kind}: {status}  {chat.id[:8]}"
