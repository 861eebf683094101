"""The tools of one turn of one chat: what the model is told of them, and what `decide` must know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..capabilities import Capabilities, Capability
from ..mcp.offer import SEPARATOR
from ..mcp.tool import McpTool
from ..messages import Chat, ClientTool, NewMessage, Part, ToolCallPart
from ..providers.protocol import ToolDefinition
from ..tools.ask_user_question import AskUserQuestion
from ..tools.propose_plan import ProposePlan
from ..tools.protocol import Tool
from .approvals import ChatApprovals
from .decide import CallSite
from .engine import Tools
from .policy import ToolPolicy

_ALONE = (ProposePlan, AskUserQuestion)


class ChatTools:
    """The server's tools and the client's, as far as the policy allows. A client's tool hides the server's.

    Args:
        tools: What every chat of this server has.
        found: What this turn has besides: tools of MCP servers and of skills. Of the same name, *tools* win.
        texts: What the model is told of tools whose text depends on the chat, by name.
        approvals: What is asked about in this chat.
        capabilities: What the agent may do at all; what it may not is neither offered nor run.
    """

    def __init__(
        self,
        chat: Chat,
        tools: Tools,
        policy: ToolPolicy,
        *,
        found: Sequence[Tool] = (),
        texts: Mapping[str, ToolDefinition] | None = None,
        approvals: ChatApprovals,
        capabilities: Capabilities | None = None,
    ) -> None:
        self._tools = tools
        self._capabilities = capabilities or Capabilities()
        self._policy = policy
        self._approvals = approvals
        self._found = {tool.definition.name: tool for tool in found}
        self._texts = texts or {}
        self._client = {tool.name: tool for tool in chat.client_tools} if policy.client_tools else {}
        self._looked_up: dict[str, Tool | None] = {}
        """By name: a step may ask six times for each of a hundred calls."""

    def definitions(self) -> tuple[ToolDefinition, ...]:
        """All tools as the model is told of them, the server's first."""
        known = (*self._tools.definitions(), *(tool.definition for tool in self._found.values()))
        own = {
            definition.name: self._texts.get(definition.name, definition)
            for definition in reversed(known)
            if self.find(definition.name) is not None
        }
        return (*reversed(own.values()), *map(_definition_of, self._client.values()))

    def find(self, name: str) -> Tool | None:
        """Return the server's tool of that name."""
        if name not in self._looked_up:
            self._looked_up[name] = self._look_up(name)
        return self._looked_up[name]

    def _look_up(self, name: str) -> Tool | None:
        if name in self._client:
            return None
        tool = self._tools.find(name)
        if tool is None:
            tool = self._found.get(name)
            if isinstance(tool, McpTool):
                has_servers = self._policy.mcp_tools and self._capabilities.has(Capability.MCP)
                return tool if has_servers else None
        return tool if self._policy.allows(name) and self._capabilities.allows_tool(name) else None

    def site(self, call: ToolCallPart) -> CallSite:
        """Who runs a call."""
        if call.tool_name in self._client:
            return CallSite.CLIENT
        tool = self.find(call.tool_name)
        # Questions that no form can show are the server's, which says what is wrong with them.
        can_ask = isinstance(tool, AskUserQuestion) and tool.can_ask(call.args)
        return CallSite.QUESTION if can_ask else CallSite.SERVER

    def is_repeatable(self, name: str) -> bool:
        """Whether a call that may have run can run again."""
        tool = self.find(name)
        # Before a turn has looked around, nobody knows what a tool of a server does.
        return tool.repeatable if tool is not None else SEPARATOR not in name

    def with_config_ids(self, row: NewMessage) -> NewMessage:
        """Return an assistant row whose calls of MCP tools name their server."""
        return replace(row, parts=tuple(self._with_config_id(part) for part in row.parts))

    def _with_config_id(self, part: Part) -> Part:
        tool = self.find(part.tool_name) if isinstance(part, ToolCallPart) else None
        return replace(part, mcp_server_config_id=tool.config_id) if isinstance(tool, McpTool) else part

    def is_exclusive(self, name: str) -> bool:
        """Whether it must be the only call of its step: what hands over to the user."""
        return isinstance(self.find(name), _ALONE)

    def stops_turn(self, name: str) -> bool:
        """Whether the turn ends once it succeeded."""
        return name in self._policy.stops_after

    def needs_approval(self, call: ToolCallPart) -> bool:
        """Whether somebody must allow this call first.

        A client's tool is free unless a rule is about it: whoever runs it gave it to the chat.
        """
        if call.tool_name in self._client:
            return self._approvals.asks(call, is_repeatable=True)
        tool = self.find(call.tool_name)
        return tool is not None and self._approvals.asks(call, is_repeatable=tool.repeatable)


def _definition_of(tool: ClientTool) -> ToolDefinition:
    return ToolDefinition(name=tool.name, description=tool.description, input_schema=tool.input_schema)
