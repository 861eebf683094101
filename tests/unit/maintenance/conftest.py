"""A data folder with a chat that has everything: calls, a file, a summary, a child."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest
from transfer.place import Place, place, text_of
from transfer.samples import CHILD, FILE, ROOT, call, chat, file, header, message, result, text

from jupyter_chatd.store.database import connect

EXPORT = text_of(
    [
        header(),
        chat(),
        file(),
        message(1, "user", text("apples and pears"), {"type": "file", "file_id": FILE}),
        message(2, "assistant", call()),
        message(3, "tool", result(), answers={"message": 2, "index": 0}),
        message(4, "user", text("so far"), compressed=True, covers_until=1, visibility="model"),
        message(5, "assistant", text("plums")),
        chat(CHILD, parent_chat_id=ROOT),
        message(1, "user", text("task")),
    ]
)

Change = Callable[[str], None]


@pytest.fixture
async def here(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Place]:
    async with place(tmp_path / "here") as made:
        await made.take(EXPORT)
        yield made


@pytest.fixture
def data(here: Place) -> Path:
    """The data folder."""
    return here.store.path.parent


@pytest.fixture
def change(here: Place) -> Change:
    """Run SQL past all rules."""

    def run(sql: str) -> None:
        with closing(connect(here.store.path)) as conn:
            conn.execute("PRAGMA foreign_keys = OFF")
            conn.execute("PRAGMA ignore_check_constraints = ON")
            try:
                conn.executescript(sql)
            except sqlite3.Error as error:
                raise AssertionError(sql) from error

    return run
