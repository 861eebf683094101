"""A chat with its subagents, as a tree that shows itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..events import ChildState
from ..messages import Chat
from .view import SETTLED, ChatView

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
        yield chat_line(self.chat)
        for number, child in enumerate(self.children, 1):
            is_last = number == len(self.children)
            for index, line in enumerate(child.lines()):
                yield (("└─ " if is_last else "├─ ") if index == 0 else ("   " if is_last else "│  ")) + line


def family_lines(chat: Chat, view: ChatView) -> Mapping[str, str]:
    """Return by id how a chat and its subagents stand, each as in the tree."""
    own = f"{chat.title}: {_stands(view.status)}  {chat.id[:8]}"
    return {chat.id: own} | {child.id: f"└─ {child_line(child)}" for child in view.children}


def has_ended(view: ChatView) -> bool:
    """Whether neither the chat nor a subagent works or waits for somebody."""
    return view.is_settled and all(child.status in SETTLED for child in view.children)


def child_line(child: ChildState) -> str:
    """Return how a subagent stands, in the words of the tree."""
    why = f" ({child.last_error.message})" if child.last_error else ""
    return f"{child.title} ({child.type}): {_stands(child.status)}{why}  {child.id[:8]}"


def chat_line(chat: Chat) -> str:
    """Return how a chat stands, its title, its type, how its id begins."""
    kind = f" ({chat.mode or 'general'})" if chat.parent_chat_id else ""
    return f"{chat.title}{kind}: {_stands(chat.status.value)}  {chat.id[:8]}"


def _stands(status: str) -> str:
    return _STANDS.get(status, status)
