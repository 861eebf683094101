"""Which tools a chat has in its mode: an allow-list where it plans or explores, all but a few elsewhere.

Source: spec/chatd.md §5.9. What is not named is denied. Enforced twice: what is denied is not offered, and a
call of it is answered as a call of a tool that does not exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ..messages import Chat

PLAN_FOLDER = ".agents/plans"
"""Below the workspace's folder: where chats that plan keep their plan."""

_READS = frozenset({"read_file", "execute", "process_output", "read_skill", "read_skill_file"})
_PLAN_FILE = frozenset({"write_file", "edit_files"})
_WORKSPACES = frozenset(
    {"list_templates", "read_template", "create_workspace", "start_workspace", "stop_workspace"}
)
_PLANNING = frozenset({"propose_plan", "ask_user_question"})
_STOPS = frozenset({"propose_plan"})
_SUBAGENTS = frozenset({"spawn_agent", "wait_agent", "message_agent", "close_agent", "list_agents"})
_COMPUTER = frozenset({"computer"})
_SUBAGENTS_OF_A_PLAN = frozenset({"spawn_agent", "wait_agent", "list_agents"})


class ChatKind(Enum):
    """What a chat is for, as far as its tools are concerned."""

    ROOT = "root"
    CHILD = "child"
    PLAN = "plan"
    PLAN_CHILD = "plan child"
    EXPLORE = "explore"
    COMPUTER_USE = "computer use"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolPolicy:
    """What one turn may use."""

    kind: ChatKind
    allowed: frozenset[str] | None = None
    """Names of the server's tools; `None` for all that are not denied."""
    denied: frozenset[str] = frozenset()
    client_tools: bool = True
    """Tools that a client runs."""
    mcp_tools: bool = True
    """Tools of the MCP servers that the chat has."""
    only_chosen_servers: bool = False
    """Not even those MCP servers that are forced on all chats: what a chat chose is all that it may have."""
    project_tools: bool = True
    """Tools of the MCP servers that the workspace's `.mcp.json` names."""
    web_search: bool = True
    """Search that the vendor runs."""
    read_only: bool = False
    """Commands are to change nothing."""

    def allows(self, name: str) -> bool:
        """Whether a turn has the server's tool of that name."""
        return name in self.allowed if self.allowed is not None else name not in self.denied

    @property
    def stops_after(self) -> frozenset[str]:
        """Tools that end the turn once they succeeded."""
        return _STOPS if self.kind is ChatKind.PLAN else frozenset()


_POLICIES = {
    policy.kind: policy
    for policy in (
        ToolPolicy(kind=ChatKind.ROOT, denied=_PLANNING | _COMPUTER),
        ToolPolicy(kind=ChatKind.CHILD, denied=_PLANNING | _SUBAGENTS | _WORKSPACES | _COMPUTER),
        ToolPolicy(kind=ChatKind.COMPUTER_USE, denied=_PLANNING | _SUBAGENTS | _WORKSPACES),
        ToolPolicy(
            kind=ChatKind.PLAN,
            allowed=_READS | _PLAN_FILE | _WORKSPACES | _PLANNING | _SUBAGENTS_OF_A_PLAN | {"attach_file"},
            client_tools=False,
            project_tools=False,
            web_search=False,
            read_only=True,
        ),
        ToolPolicy(
            kind=ChatKind.PLAN_CHILD,
            allowed=_READS,
            client_tools=False,
            mcp_tools=False,
            project_tools=False,
            web_search=False,
            read_only=True,
        ),
        ToolPolicy(
            kind=ChatKind.EXPLORE,
            allowed=_READS,
            client_tools=False,
            only_chosen_servers=True,
            project_tools=False,
            read_only=True,
        ),
    )
}


def policy_of(chat: Chat, *, plan_mode: str | None) -> ToolPolicy:
    """Return what a turn of *chat* may use.

    Args:
        plan_mode: Of the turn: what the user chose for it, else the chat's.
    """
    return _POLICIES[_kind_of(chat, plan_mode)]


def _kind_of(chat: Chat, plan_mode: str | None) -> ChatKind:
    is_child = chat.parent_chat_id is not None
    if chat.mode == "explore":
        return ChatKind.EXPLORE
    if plan_mode is not None:
        return ChatKind.PLAN_CHILD if is_child else ChatKind.PLAN
    if chat.mode == "computer_use":
        return ChatKind.COMPUTER_USE
    return ChatKind.CHILD if is_child else ChatKind.ROOT


def plan_file(folder: str, chat: Chat) -> str:
    """Return the path of the plan of *chat* in the workspace's *folder*."""
    return f"{folder.rstrip('/')}/{PLAN_FOLDER}/{chat.id}.md"
