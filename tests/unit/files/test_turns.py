"""Files in whole turns: sent with messages, read by the model, attached by tools."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from world import OWNER, World, results, said, script

from jupyter_chatd.errors import InvalidInputError
from jupyter_chatd.messages import FilePart, Message, NewMessage, Part, Role, TextPart, TurnOptions
from jupyter_chatd.providers.protocol import ModelCall
from jupyter_chatd.providers.scripted import ScriptedModel, call, say, wait
from jupyter_chatd.store.conversation import BusyBehavior, ImportChat
from jupyter_chatd.store.files import MAX_CHAT_FILES, StoredFile, chat_files

from . import samples

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(tmp_path: Path, anyio_backend: str) -> AsyncIterator[World]:
    """A running agent; tests give its model the answers."""
    async with World(tmp_path, script([say("unused")])) as started:
        yield started


def answers(world: World, *turns: Any) -> None:
    """Let the model give these answers."""
    world.models.model = ScriptedModel(turns)


async def upload(world: World, data: bytes = samples.PNG) -> StoredFile:
    return await world.runtime.files.upload(owner_id=OWNER, name="a.png", declared="image/png", data=data)


async def too_many(world: World) -> list[FilePart]:
    """One file more than a chat may hold."""
    uploads = (upload(world, samples.PNG + bytes([number])) for number in range(MAX_CHAT_FILES + 1))
    return [part_of(file) for file in await asyncio.gather(*uploads)]


def part_of(file: StoredFile) -> FilePart:
    """What a message holds of a file."""
    return FilePart(media_type=file.media_type, file_id=file.id, name=file.name)


async def send(world: World, chat_id: str, *parts: Part) -> Any:
    return await world.runtime.service.send(
        chat_id, parts, created_by=OWNER, busy=BusyBehavior.QUEUE, options=TurnOptions()
    )


async def held(world: World, chat_id: str) -> list[str]:
    """The ids of the files that a chat holds."""
    files = await world.runtime.store.read(lambda conn: chat_files(conn, chat_id))
    return sorted(file.id for file in files)


def seen(asked: ModelCall) -> list[Part]:
    """What the model was shown of what the user said."""
    return [part for message in asked.messages if message.role is Role.USER for part in message.parts]


async def test_the_model_gets_the_content_and_the_row_keeps_the_id(world: World) -> None:
    answers(world, [say("I see.")], [say("Still.")])
    chat_id = await world.create("Wait.")
    await world.settled(chat_id)
    file = await upload(world)
    await send(world, chat_id, TextPart(text="Look:"), part_of(file))
    await world.settled(chat_id)
    shown = FilePart(
        media_type="image/png",
        file_id=file.id,
        name="a.png",
        data=base64.b64encode(samples.PNG).decode(),
    )
    assert seen(world.model.calls[-1])[1:] == [TextPart(text="Look:"), shown]
    rows = await world.rows(chat_id)
    assert rows[2].parts == (TextPart(text="Look:"), part_of(file))
    assert await held(world, chat_id) == [file.id]


async def test_queued_and_edited_messages_hold_their_files(world: World) -> None:
    answers(world, [wait(0.3), say("One.")], [say("Two.")], [say("Three.")])
    chat_id = await world.create()
    first, second = await upload(world), await upload(world, samples.PNG + b"2")
    sent = await send(world, chat_id, part_of(first))
    assert sent.queued
    assert await held(world, chat_id) == [first.id]
    await world.settled(chat_id)
    (row,) = (row for row in await world.rows(chat_id) if part_of(first) in row.parts)
    await world.runtime.service.edit(chat_id, row.id, (part_of(second),), created_by=OWNER)
    await world.settled(chat_id)
    assert await held(world, chat_id) == sorted([first.id, second.id])
    (shown,) = (part for part in seen(world.model.calls[-1]) if isinstance(part, FilePart))
    assert shown.file_id == second.id


async def test_a_message_with_more_files_than_the_chat_may_hold_is_refused_whole(world: World) -> None:
    answers(world, [say("One.")])
    chat_id = await world.create()
    await world.settled(chat_id)
    files = await too_many(world)
    before = await world.rows(chat_id)
    with pytest.raises(InvalidInputError, match="This one has 0, and 101 more came"):
        await send(world, chat_id, *files)
    assert (await world.rows(chat_id), await held(world, chat_id)) == (before, [])


async def test_a_chat_from_elsewhere_may_hold_more_and_goes_on(world: World) -> None:
    answers(world, [say("One.")])
    chat_id = await world.create()
    await world.settled(chat_id)
    files = await too_many(world)
    unknown = FilePart(media_type="image/png", file_id="never was here")
    row = NewMessage(role=Role.USER, parts=(*files, unknown))
    imported = replace(await world.chat(chat_id), id="imported")
    await world.runtime.store.apply(ImportChat(chat=imported, rows=(row,)))
    assert len(await held(world, "imported")) == MAX_CHAT_FILES + 1
    answers(world, [say("Two.")])
    await send(world, "imported", files[0])
    await world.settled("imported")


async def test_a_file_whose_bytes_are_gone_is_left_out_with_a_warning(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    answers(world, [say("One.")], [say("Two.")])
    chat_id = await world.create()
    await world.settled(chat_id)
    file = await upload(world)
    remove(world, file)
    with caplog.at_level(logging.WARNING):
        await send(world, chat_id, TextPart(text="Look:"), part_of(file))
        await world.settled(chat_id)
    assert seen(world.model.calls[-1])[1:] == [TextPart(text="Look:")]
    assert f"The bytes of file {file.id} are left out of the prompt" in caplog.text


def remove(world: World, file: StoredFile) -> None:
    (world.folder / "data" / "files" / file.sha256).unlink()


# attach_file


async def attach(world: World, path: str) -> tuple[str, Message]:
    """Let the model attach a file; return the chat's id and the row of the result."""
    answers(world, [call("attach_file", {"path": path})], [say("There you are.")])
    chat_id = await world.create()
    await world.settled(chat_id)
    (row,) = (row for row in await world.rows(chat_id) if row.role is Role.TOOL)
    return chat_id, row


async def test_a_tool_attaches_a_file_of_the_workspace(world: World) -> None:
    (world.work / "plot.png").write_bytes(samples.PNG)
    chat_id, row = await attach(world, f"{world.work}/plot.png")
    (file_id,) = await held(world, chat_id)
    (result,) = results([row])
    assert result.result == {
        "file_id": file_id,
        "name": "plot.png",
        "media_type": "image/png",
        "size": len(samples.PNG),
    }
    (world.work / "plot.png").unlink()
    file = await world.runtime.files.get(file_id, owner_id=OWNER)
    assert await world.runtime.files.read(file) == samples.PNG


async def test_what_cannot_be_attached_is_an_error_that_the_model_reads(world: World) -> None:
    (world.work / "page.html").write_bytes(samples.HTML)
    (world.work / "empty.txt").touch()
    (world.work / "large.bin").write_bytes(b"\0" * (10 * 1024 * 1024 + 1))
    for path, told in (
        (f"{world.work}/page.html", "page.html was not attached. The file is an HTML document"),
        (f"{world.work}/empty.txt", "The file is empty"),
        (f"{world.work}/large.bin", "at most 10485760 bytes, came 10485761 bytes"),
        (f"{world.work}/none.txt", "does not exist"),
        (f"{world.work}", "is a folder"),
        (f"{world.agent._state_folder}/x", "is protected"),
        ("plot.png", "must be absolute"),
    ):
        chat_id, row = await attach(world, path)
        (result,) = results([row])
        assert result.is_error
        assert told in str(result.result)
        assert await held(world, chat_id) == []


async def test_an_attachment_is_not_shown_to_the_model_as_content(world: World) -> None:
    (world.work / "plot.png").write_bytes(samples.PNG)
    await attach(world, f"{world.work}/plot.png")
    assert seen(world.model.calls[-1]) == list(said("Begin."))
