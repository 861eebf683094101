"""Views of chats in the cells of a notebook, as ipywidgets.

Belongs here: what a kernel shares with pages, and the requests it makes for those that reach the server no
other way. Does not: drawing (labextension/src/widgets) and talking to the server (`client`).

    Chat                a conversation: all that the panel shows of one
    ToolCalls           its tool calls, one card each
    AgentTree           the chat and its subagents
    Approval            what waits for a person
    Desktop             the live view of the chat's desktop
    AgentWidget         what all of them share: the loader, the relay, the copy that stays in the file

They need `anywidget`: `pip install "jupyter_chatd[widgets]"` brings it.
"""

from __future__ import annotations

from .base import AgentWidget
from .desktop import Desktop
from .views import AgentTree, Approval, Chat, ToolCalls

__all__ = ["AgentTree", "AgentWidget", "Approval", "Chat", "Desktop", "ToolCalls"]
