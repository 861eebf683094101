"""Sending files, fetching them, and putting them into messages."""

from __future__ import annotations

import asyncio
import base64
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fakes.steps import call, say

from jupyter_chatd.api.files import find_range
from jupyter_chatd.files.blobs import digest_of

from .client import PATIENCE, Api, Reply, text_part
from .conftest import Serve
from .users import USER_HEADER, HeaderUsers

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
UNKNOWN = str(uuid.UUID(int=0))
MEBIBYTE = 1024 * 1024


async def upload(api: Api, data: bytes = PNG, media_type: str | None = "image/png", **headers: str) -> Reply:
    """Send a file; `None` sends no type."""
    return await api.with_headers(Content_Type=media_type or "", **headers).call("POST", "/files", raw=data)


async def upload_id(api: Api, data: bytes = PNG, media_type: str = "image/png", **headers: str) -> str:
    reply = await upload(api, data, media_type, **headers)
    assert reply.status == 201, reply.text
    return reply.json["id"]


async def fetch(api: Api, file_id: str, **headers: str) -> httpx.Response:
    """Get a file with its bytes and headers, as they come over the wire."""
    async with httpx.AsyncClient(headers={**api.headers, **headers}, timeout=PATIENCE) as client:
        return await client.get(f"{api.url}/files/{file_id}")


def file_part(file_id: str) -> dict[str, str]:
    return {"type": "file", "file_id": file_id}


async def test_a_file_comes_back_as_it_was_sent(api: Api) -> None:
    name = quote("größe.png")
    reply = await upload(api, Content_Disposition=f"attachment; filename*=UTF-8''{name}")
    assert reply.status == 201
    assert reply.json == {
        "id": reply.json["id"],
        "name": "größe.png",
        "media_type": "image/png",
        "size": len(PNG),
        "created_at": reply.json["created_at"],
    }
    got = await fetch(api, reply.json["id"])
    assert (got.status_code, got.content) == (200, PNG)


async def test_an_image_is_shown_and_nothing_else_and_nothing_runs(api: Api) -> None:
    image = await fetch(api, await upload_id(api, Content_Disposition="inline; filename=a.png"))
    table = await fetch(
        api, await upload_id(api, b"a,b\n", "text/csv", Content_Disposition="inline; filename=a.csv")
    )
    assert image.headers["Content-Type"] == "image/png"
    assert image.headers["Content-Disposition"].startswith("inline; ")
    assert table.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert table.headers["Content-Disposition"] == "attachment; filename=\"a.csv\"; filename*=UTF-8''a.csv"
    for reply in (image, table):
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Content-Security-Policy"].endswith("; sandbox")
        assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
        assert reply.headers["Cache-Control"] == "private, max-age=31536000, immutable"
        assert reply.headers["Cross-Origin-Resource-Policy"] == "same-origin"


async def test_a_browser_that_has_a_file_is_not_sent_it_again(api: Api) -> None:
    file_id = await upload_id(api)
    etag = (await fetch(api, file_id)).headers["Etag"]
    again = await fetch(api, file_id, **{"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")


REFUSED = [
    ("image/png", b"<html><script>alert(1)</script>", "says image/png, but the file is an HTML document"),
    ("image/png", b"<svg onload='alert(1)'/>", "says image/png, but the file is an SVG document"),
    ("image/png", b"GIF-like, but text", "says image/png, but the file is text"),
    ("text/plain", b"<!doctype html><p>", "says text/plain, but the file is an HTML document"),
    ("text/html", b"<p>hi", "its Content-Type says 'text/html'"),
    ("image/svg+xml", b"<svg/>", "its Content-Type says 'image/svg+xml'"),
    ("multipart/form-data; boundary=x", b"--x\r\n\r\n", "its Content-Type says 'multipart/form-data'"),
    ("application/octet-stream", PNG, "its Content-Type says 'application/octet-stream'"),
    ("image/png", b"", "The file is empty"),
]


async def test_a_file_that_is_not_what_it_should_be_is_refused_in_a_sentence(
    api: Api, jp_data_dir: Path
) -> None:
    for media_type, data, told in REFUSED:
        reply = await upload(api, data, media_type)
        assert (media_type, data, reply.status) == (media_type, data, 400)
        assert told in reply.json["message"]
    assert not (jp_data_dir / "jupyter_chatd" / "files").exists()


async def test_ten_megabytes_are_taken_and_one_byte_more_is_413(api: Api, jp_data_dir: Path) -> None:
    text = b"x" * (10 * MEBIBYTE)
    file_id = await upload_id(api, text, "text/plain")
    assert (await fetch(api, file_id)).content == text
    for size in (10 * MEBIBYTE + 1, 40 * MEBIBYTE):
        reply = await upload(api, b"x" * size, "text/plain")
        assert reply.status == 413
        assert reply.json["message"].startswith(
            f"Expected a file of at most 10485760 bytes, came {size} bytes."
        )
    assert len(list((jp_data_dir / "jupyter_chatd" / "files").iterdir())) == 1


async def test_a_refusal_reaches_whoever_sends_without_listening(api: Api) -> None:
    """As browsers and httpx do: they read the reply when all is sent, and not from a closed connection."""
    headers = {**api.headers, "Content-Type": "text/plain"}
    async with httpx.AsyncClient(headers=headers, timeout=PATIENCE) as client:
        reply = await client.post(f"{api.url}/files", content=b"x" * (20 * MEBIBYTE))
    assert (reply.status_code, reply.json()["message"][:24]) == (413, "Expected a file of at mo")


async def test_what_is_much_too_large_is_refused_before_it_is_sent(api: Api) -> None:
    url = httpx.URL(api.url)
    head = [f"POST {url.raw_path.decode()}/files HTTP/1.1", f"Host: {url.host}", "Content-Type: text/plain"]
    head += [f"Content-Length: {80 * MEBIBYTE}", f"Authorization: {api.headers['Authorization']}", "", ""]
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write("\r\n".join(head).encode())
    try:
        async with asyncio.timeout(PATIENCE):
            assert await reader.readline() == b"HTTP/1.1 413 Request Entity Too Large\r\n"
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("settings", [{"upload_limit": 1000}])
async def test_the_limit_is_a_setting_and_holds_without_a_declared_length(api: Api) -> None:
    async def pieces(count: int) -> AsyncIterator[bytes]:
        for _ in range(count):
            yield b"x" * 100

    headers = {**api.headers, "Content-Type": "text/plain"}
    async with httpx.AsyncClient(headers=headers, timeout=PATIENCE) as client:
        small = await client.post(f"{api.url}/files", content=pieces(10))
        large = await client.post(f"{api.url}/files", content=pieces(1000))
    assert (small.status_code, small.json()["size"]) == (201, 1000)
    assert (large.status_code, large.json()["message"][:48]) == (
        413,
        "Expected a file of at most 1000 bytes, came 1000",
    )


async def test_names_and_ids_lead_nowhere_else(api: Api, jp_data_dir: Path) -> None:
    """Whatever a file is called, its bytes lie under their digest; and an id is a UUID or nothing."""
    evil = "../../../chats.db"
    file_id = await upload_id(api, Content_Disposition=f'attachment; filename="{evil}"')
    got = await fetch(api, file_id)
    assert got.headers["Content-Disposition"].startswith('inline; filename="chats.db"')
    folder = jp_data_dir / "jupyter_chatd" / "files"
    assert [path.name for path in folder.iterdir()] == [digest_of(PNG)]
    for bad in ("x", "..%2f..%2fchats.db", "%2e%2e", digest_of(PNG), "%00", "🙂", f"{file_id}%20"):
        reply = await api.call("GET", f"/files/{bad}")
        assert (bad, reply.status) == (bad, 400)
        assert reply.json["message"] == "Invalid file id."
    reply = await api.call("GET", f"/files/{UNKNOWN}")
    assert (reply.status, reply.json) == (404, {"message": f"File {UNKNOWN} was not found."})


async def test_a_file_whose_bytes_were_deleted_is_gone_and_not_cached(api: Api, jp_data_dir: Path) -> None:
    file_id = await upload_id(api)
    (jp_data_dir / "jupyter_chatd" / "files" / digest_of(PNG)).unlink()
    got = await fetch(api, file_id)
    assert (got.status_code, "immutable" in got.headers.get("Cache-Control", "")) == (404, False)


# Messages


async def test_a_model_sees_the_image_and_clients_its_id(api: Api, openai: Serve) -> None:
    file_id = await upload_id(api, Content_Disposition="inline; filename=a.png")
    async with openai([[say("A picture.")]]) as vendor:
        chat = await api.post(
            "",
            {"content": [text_part("Look:"), file_part(file_id)], "model": "openai:fake-model"},
            status=201,
        )
        await api.settle(chat["id"])
        (asked,) = vendor.generations
    user = (await api.messages(chat["id"]))[0]
    stored = {"type": "file", "file_id": file_id, "media_type": "image/png", "name": "a.png"}
    assert user["content"] == [text_part("Look:"), stored]
    shown = asked.json["messages"][-1]["content"]
    data = "data:image/png;base64," + base64.b64encode(PNG).decode()
    assert [part.get("text") or part["image_url"]["url"] for part in shown] == ["Look:", data]
    assert [file["id"] for file in await api.get(f"/{chat['id']}/files")] == [file_id]


async def test_pasted_text_reaches_the_model_as_text(api: Api, openai: Serve) -> None:
    name = "pasted-text-2026-01-31-23-59-59.txt"
    file_id = await upload_id(
        api, b"line one\nline two", "text/plain", Content_Disposition=f"inline; filename={name}"
    )
    async with openai([[say("Read.")]]) as vendor:
        chat = await api.post("", {"content": [file_part(file_id)], "model": "openai:fake-model"}, status=201)
        await api.settle(chat["id"])
        (asked,) = vendor.generations
    assert chat["title"] == "New Chat"
    assert asked.json["messages"][-1]["content"] == f"[pasted text] {name}\n```\nline one\nline two\n```"


async def test_files_can_be_sent_and_edited_into_messages(api: Api) -> None:
    chat_id = (await api.finished())["id"]
    first, second = await upload_id(api), await upload_id(api, b"a,b", "text/csv")
    sent = await api.post(f"/{chat_id}/messages", {"content": [file_part(f" {first} ")]})
    assert sent["message"]["content"][0]["file_id"] == first
    await api.settle(chat_id)
    edited = await api.patch(
        f"/{chat_id}/messages/{sent['message']['id']}", {"content": [file_part(second)]}, status=200
    )
    assert edited["message"]["content"] == [{"type": "file", "file_id": second, "media_type": "text/csv"}]
    await api.settle(chat_id)
    assert sorted(file["id"] for file in await api.get(f"/{chat_id}/files")) == sorted([first, second])


async def test_a_file_that_is_not_there_is_named_with_its_place(api: Api) -> None:
    content: list[Any] = [
        text_part("Look:"),
        file_part(UNKNOWN),
        file_part("../x"),
        {"type": "file", "file_id": 7},
    ]
    problem = await api.post("", {"content": content}, status=400)
    assert [found["field"] for found in problem["validations"]] == [
        f"content[{index}].file_id" for index in (1, 2, 3)
    ]
    assert problem["detail"].startswith("content[1].file_id: There is no such file.")
    assert await api.get() == []


async def test_more_files_than_a_chat_may_hold_are_refused_whole(api: Api) -> None:
    ids = [await upload_id(api, PNG + bytes([number])) for number in range(101)]
    problem = await api.post("", {"content": [file_part(file_id) for file_id in ids]}, status=400)
    assert problem["message"].startswith("A chat holds at most 100 files. This one has 0, and 101 more came")
    assert await api.get() == []


async def test_a_tool_gives_the_user_a_file(api: Api, openai: Serve, jp_root_dir: Path) -> None:
    path = jp_root_dir / "table.csv"
    path.write_text("a,b\n1,2\n")
    answers = [[call("attach_file", {"path": str(path)})], [say("There.")]]
    async with openai(answers):
        chat = await api.finished("go", model="openai:fake-model")
    (result,) = await api.results(chat["id"])
    assert {**result["result"], "file_id": ""} == {
        "file_id": "",
        "name": "table.csv",
        "media_type": "text/csv",
        "size": 8,
    }
    got = await fetch(api, result["result"]["file_id"])
    assert (got.text, got.headers["Content-Disposition"].split(";")[0]) == ("a,b\n1,2\n", "attachment")


# Two users


@pytest.mark.parametrize("server_settings", [{"identity_provider_class": HeaderUsers}])
async def test_anothers_file_is_as_if_it_were_not_there(api: Api) -> None:
    ada, bob = api.with_headers(**{USER_HEADER: "ada"}), api.with_headers(**{USER_HEADER: "bob"})
    file_id = await upload_id(ada)
    assert (await fetch(ada, file_id)).content == PNG
    theirs = await fetch(bob, file_id)
    assert (theirs.status_code, theirs.json()["message"]) == (404, f"File {file_id} was not found.")
    problem = await bob.post("", {"content": [file_part(file_id)]}, status=400)
    assert "There is no such file" in problem["detail"]
    chat_id = await ada.create_id()
    assert (await bob.call("GET", f"/{chat_id}/files")).status == 404
    assert (await fetch(bob, await upload_id(bob))).content == PNG


async def test_parts_of_a_file_are_sent_to_who_asks_for_them(api: Api) -> None:
    file_id = await upload_id(api)
    part = await fetch(api, file_id, Range="bytes=10-19")
    assert (part.status_code, part.content) == (206, PNG[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(PNG)}"
    assert part.headers["Content-Length"] == "10"
    whole = await fetch(api, file_id)
    assert (whole.status_code, whole.headers["Accept-Ranges"]) == (200, "bytes")


@pytest.mark.parametrize(
    "header, expected",
    [
        ("bytes=0-", range(100)),
        ("bytes=40-", range(40, 100)),
        ("bytes=-30", range(70, 100)),
        ("bytes=-300", range(100)),
        ("bytes=99-500", range(99, 100)),
        ("bytes=0-0", range(1)),
        *((header, None) for header in ("bytes=100-", "bytes=5-4", "bytes=-0", "bytes=-", "bytes=1-2,5-6")),
        *((header, None) for header in ("", "pages=1-2", "bytes=a-b", "bytes=1", "bytes=--5")),
    ],
)
def test_what_a_range_asks_for(header: str, expected: range | None) -> None:
    assert find_range(header, 100) == expected
