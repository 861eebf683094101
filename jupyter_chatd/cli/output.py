"""Chats as lines and as JSON, and naming one of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click

from .. import wire
from ..client.errors import ClientError
from ..client.tree import ChatTree
from ..hits import Hit
from ..messages import Chat, Message

SHORTEST_PREFIX = 4  # characters
NEWEST = 200  # chats among which one is found by how its id begins


def pick(chats: Sequence[Chat], word: str) -> Chat:
    """Return the chat that a person means: by id, by how its id begins, or `last` for the newest.

    Raises:
        ClientError: none is meant, or several.
    """
    if word == "last" and chats:
        return chats[0]
    is_prefix = len(word) >= SHORTEST_PREFIX
    found = [chat for chat in chats if is_prefix and chat.id.startswith(word.lower())]
    if len(found) > 1:
        raise ClientError(f"{word} is how {len(found)} chats begin. Give more of the id.")
    if not found:
        raise ClientError(
            f"There is no chat {word} among the newest {len(chats)}. "
            "Give its whole id, the first four or more characters, or last; jupyter chatd list shows them."
        )
    return found[0]


def print_chats(chats: Sequence[Chat]) -> None:
    """Print a line for each chat: how its id begins, its status, when it changed, its title and marks."""
    for chat in chats:
        when = datetime.fromtimestamp(chat.updated_at).strftime("%Y-%m-%d %H:%M")  # noqa: DTZ006 - local time
        click.echo(f"{chat.id[:8]}  {chat.status.value:<15}  {when}  {chat.title}{_marks(chat)}")


def _marks(chat: Chat) -> str:
    """Return whether a chat is pinned or has something new, and its labels."""
    words = ["pinned"] if chat.pin_order else []
    words += ["new"] if chat.has_unread else []
    words += [f"{name}:{value}" for name, value in sorted(chat.labels.items())]
    return f"  [{', '.join(words)}]" if words else ""


def print_chats_json(chats: Sequence[Chat]) -> None:
    """Print chats as the API shows them."""
    click.echo(wire.dump_json([wire.chat_json(chat, pending=False) for chat in chats]))


def tree_json(tree: ChatTree) -> dict[str, Any]:
    """Return a chat as the API shows it, with its `children`."""
    return wire.chat_json(tree.chat, pending=False) | {"children": [tree_json(one) for one in tree.children]}


def print_chat_json(chat: Chat, messages: Sequence[Message], *, text: str | None = None) -> None:
    """Print a chat as the API shows it, with its `messages`, and with the last answer as `text` if given."""
    body = wire.chat_json(chat, pending=False)
    body["messages"] = [wire.message_json(message) for message in messages]
    click.echo(wire.dump_json(body if text is None else {**body, "text": text}))


def print_hits(hits: Sequence[Hit]) -> None:
    """Print a line for each message that was found: how its chat's id begins, who said it, what around."""
    for hit in hits:
        pieces = (click.style(piece.text, bold=piece.is_match) for piece in hit.snippet)
        said = " ".join("".join(pieces).split())
        click.echo(f"{hit.chat_id[:8]}  {hit.role.value:<9}  {hit.chat_title}: {said}")


def print_hits_json(hits: Sequence[Hit]) -> None:
    """Print what was found as the API shows it."""
    click.echo(wire.dump_json([wire.hit_json(hit) for hit in hits]))
