"""D2 from outside: the demo model asks for a subagent, which opens a terminal on a real desktop and types."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from acceptance.browser import started_browser
from acceptance.chats import Chats
from desktop.stages import needs_xvnc
from servers import TOKEN, JupyterServer

LIMIT = 20.0  # seconds for a shell to do what was typed
TURNS = 3
"""How often it is asked at most. A model looks where it types; the demo model only waits, and on a busy
machine the browser that a new desktop opens may come late and cover the terminal."""
PLAY = """async address => {
    const video = document.createElement('video');
    video.muted = true;
    video.src = address;
    await video.play();
    video.pause();
    video.currentTime = video.duration - 0.1;  // works only where the server sends parts
    await new Promise(resolve => video.addEventListener('seeked', resolve));
    return [video.videoWidth, video.videoHeight, video.currentTime > 0];
}"""

pytestmark = needs_xvnc


def test_d2_a_computer_use_child_acts_on_the_desktop_of_its_family(
    make_server: Callable[..., JupyterServer],
) -> None:
    server = make_server(settings={"JupyterChatd": {"desktop_launcher": "xvnc"}})
    made = server.dirs.work / "made"
    task = f'open the desktop and open a terminal, type "touch {made}", press Return and look at the screen'
    with Chats(server) as chats:
        chat_id = chats.begin(task)
        chats.settle(chat_id)
        for _ in range(TURNS - 1):
            if comes_to_be(made):
                break
            chats.send(chat_id, task)
            chats.settle(chat_id)
        children = chats.children(chat_id)
        said = "\n".join(chats.texts(chat_id))
        files = chats.get(f"{chat_id}/files").json()
    assert {child["mode"] for child in children} == {"computer_use"}
    assert "I took a picture of the screen, 1280x800 pixels." in said
    assert comes_to_be(made), said
    if shutil.which("ffmpeg"):
        check_recording(server, files)


def check_recording(server: JupyterServer, files: list[dict[str, Any]]) -> None:
    """A browser plays what was filmed."""
    assert [file["media_type"] for file in files[:2]] == ["video/mp4", "image/jpeg"]
    with started_browser() as browser:
        page = browser.new_page()
        page.goto(f"{server.url}login")  # any page of the server
        address = f"{server.chats_url}/files/{files[0]['id']}?token={TOKEN}"
        assert page.evaluate(PLAY, address) == [1280, 800, True]


def comes_to_be(path: Path) -> bool:
    """Whether a file is there, at the latest after `LIMIT`."""
    end = time.monotonic() + LIMIT
    while not path.exists():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True
