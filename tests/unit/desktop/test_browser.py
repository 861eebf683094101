"""Text typed into a form of a real browser arrives exactly."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from jupyter_chatd.desktop.actions import Click, Key, Type
from jupyter_chatd.desktop.desktop import Desktop
from jupyter_chatd.desktop.launchers.applications import find_applications
from jupyter_chatd.desktop.launchers.xvnc import XvncLauncher

from .stages import MIDDLE, desktop_of, needs_xvnc, until
from .test_driver import ASCII_468, MIXED_70

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.slow,
    needs_xvnc,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium"),
]

PAGE = b"""<!doctype html><meta charset=utf-8><title>form</title>
<textarea style="position:fixed;inset:0;width:100%;height:100%" autofocus></textarea>
<script>
const area = document.querySelector("textarea");
area.addEventListener("keydown", event => {
  if (event.key === "Tab") {
    event.preventDefault();
    area.setRangeText("\\t", area.selectionStart, area.selectionEnd, "end");
  }
});
(async () => {
  for (let told = null; ; await new Promise(next => setTimeout(next, 50))) {
    if (area.value === told || !document.hasFocus()) continue;
    told = area.value;
    await fetch("/", {method: "POST", body: JSON.stringify(told)});
  }
})();
</script>"""


class Form:
    """Serves the page, and keeps what its text area holds."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):  # browsers open connections for later
            await self._answer(reader, writer)
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        body = b""
        if head.startswith(b"POST"):
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            self.texts.append(json.loads(await reader.readexactly(length)))
        elif head.startswith(b"GET / "):
            body = PAGE
        kind = b"Content-Type: text/html; charset=utf-8\r\nConnection: close\r\n"
        writer.write(b"HTTP/1.1 200 OK\r\n" + kind + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()


@asynccontextmanager
async def browsing(desktop: Desktop, folder: Path, url: str) -> AsyncIterator[None]:
    (browser, *_) = find_applications(folder)
    await desktop.picture()
    process = await asyncio.create_subprocess_exec(
        *(*browser.command, "--kiosk", url),
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8", **desktop.environment},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


async def focus(desktop: Desktop, form: Form) -> None:
    """Return when the form takes keys: Chromium loses them until its window has the focus."""
    for _ in range(20):
        await desktop.act([Click(at=MIDDLE), Key(keys="x")])
        if await until(lambda: "x" in form.texts[-1], 2):
            return


async def test_text_arrives_exactly_in_a_form(short: Path, tmp_path: Path, anyio_backend: str) -> None:
    form = Form()
    server = await asyncio.start_server(form.answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    launcher = XvncLauncher(short, opens_application=False)
    desktop = desktop_of(launcher)
    try:
        async with browsing(desktop, tmp_path, url):
            assert await until(lambda: form.texts, 60)
            await focus(desktop, form)
            for text in (ASCII_468, MIXED_70):
                await desktop.act([Click(at=MIDDLE), Key(keys="ctrl+a"), Key(keys="Delete"), Type(text=text)])
                await until(lambda text=text: form.texts[-1] == text, 60)
                assert form.texts[-1] == text
    finally:
        await desktop.close()
        await launcher.close()
        server.close()
