"""D2 from outside: the demo model asks for a subagent, which opens a terminal on a real desktop and types."""

from __future__ import annotations

import time
from collections.abc import Callable

from acceptance.chats import Chats
from desktop.stages import needs_xvnc
from servers import JupyterServer

LIMIT = 20.0  # seconds for a shell to do what was typed

pytestmark = needs_xvnc


def test_d2_a_computer_use_child_acts_on_the_desktop_of_its_family(
    make_server: Callable[..., JupyterServer],
) -> None:
    server = make_server(settings={"JupyterChatd": {"desktop_launcher": "xvnc"}})
    made = server.dirs.work / "made"
    task = f'open a terminal, type "touch {made}", press Return and look at the screen'
    with Chats(server) as chats:
        chat_id = chats.begin(f"open the desktop and {task}")
        chats.settle(chat_id)
        (child,) = chats.children(chat_id)
        said = "\n".join(chats.texts(chat_id))
    assert child["mode"] == "computer_use"
    assert "I took a picture of the screen, 1280x800 pixels." in said
    end = time.monotonic() + LIMIT
    while not made.exists():
        assert time.monotonic() < end, said
        time.sleep(0.1)
