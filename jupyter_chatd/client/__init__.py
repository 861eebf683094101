"""Driving the agent from Python: a notebook, a script, a terminal.

Belongs here: the REST calls, the stream, and what makes them easy to use. Does not: anything of the server
but the values (`messages`, `events`) and their JSON (`wire`).

    Chat                a chat as an object, for code that may block; `from jupyter_chatd import Chat` too
    AsyncClient         one method per thing that can be done, for asyncio
    ChatSession         one chat followed live, for asyncio
    find_own_server     which server this process belongs to
"""

from __future__ import annotations

from .approvals import ApprovalList, AskedCall
from .calls import CallStatus, ToolCall, ToolCalls, tool_calls
from .chat import Chat, ChatList, ChildList, HitList
from .client import AsyncClient, Edited, Interrupted, Page, Sent, ToolAnswer
from .discovery import find_own_server
from .errors import ChatFailedError, ClientError, NoServerError, RefusedError, UnreachableError
from .files import ChatFile, file_reference, pasted_text
from .frames import MessageList
from .mcp import McpClient, McpProject, McpProjectServer, McpServer, McpStatus
from .pieces import EventStream, TextStream
from .server import Server
from .session import ChatSession
from .stream import Update, follow
from .usage import UsageReport
from .view import ChatView, LiveBlock
from .workspaces import WorkspaceBuild, WorkspaceClient, WorkspaceStanding, WorkspaceTemplate

__all__ = [
    "ApprovalList",
    "AskedCall",
    "AsyncClient",
    "CallStatus",
    "Chat",
    "ChatFailedError",
    "ChatFile",
    "ChatList",
    "ChatSession",
    "ChatView",
    "ChildList",
    "ClientError",
    "Edited",
    "EventStream",
    "HitList",
    "Interrupted",
    "LiveBlock",
    "McpClient",
    "McpProject",
    "McpProjectServer",
    "McpServer",
    "McpStatus",
    "MessageList",
    "NoServerError",
    "Page",
    "RefusedError",
    "Sent",
    "Server",
    "TextStream",
    "ToolAnswer",
    "ToolCall",
    "ToolCalls",
    "UnreachableError",
    "Update",
    "UsageReport",
    "WorkspaceBuild",
    "WorkspaceClient",
    "WorkspaceStanding",
    "WorkspaceTemplate",
    "file_reference",
    "find_own_server",
    "follow",
    "pasted_text",
    "tool_calls",
]
