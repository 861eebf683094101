"""A library of files on a real store, with a clock that tests turn."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from jupyter_chatd.files import FileLibrary
from jupyter_chatd.messages import Chat, ChatStatus, NewMessage
from jupyter_chatd.store import Store
from jupyter_chatd.store.conversation import ImportChat

MakeChat = Callable[..., Awaitable[Chat]]


@dataclass
class Clock:
    """UTC seconds, as far as a test has turned them."""

    now: float = 1_000_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the bytes lie."""
    return tmp_path / "data" / "files"


@pytest.fixture
async def store(tmp_path: Path, clock: Clock, anyio_backend: str) -> AsyncIterator[Store]:
    async with Store(tmp_path / "data" / "chats.db", clock=clock) as opened:
        yield opened


@pytest.fixture
def library(store: Store, folder: Path) -> FileLibrary:
    return FileLibrary(store, folder, max_bytes=1000)


@pytest.fixture
def make_chat(store: Store) -> MakeChat:
    """Makes an idle chat."""

    async def make(chat_id: str = "c", *, owner_id: str = "ada", rows: tuple[NewMessage, ...] = ()) -> Chat:
        chat = Chat(
            id=chat_id,
            owner_id=owner_id,
            title="A chat",
            status=ChatStatus.WAITING,
            archived=False,
            model="demo:demo",
            created_at=0.0,
            updated_at=0.0,
        )
        return await store.apply(ImportChat(chat=chat, rows=rows))

    return make
