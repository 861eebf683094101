"""A tool of a server, as a tool of a chat."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..messages import JsonValue
from ..providers.protocol import ToolDefinition
from ..tools.protocol import ToolContext, ToolOutput, error_output
from .config import McpServerConfig
from .errors import CallLostError, CallTimeoutError, McpError, ServerUnavailableError
from .offer import OfferedTool, without_intent
from .redact import Redactor
from .results import result_output

if TYPE_CHECKING:
    from mcp.types import CallToolResult

CallServer = Callable[[McpServerConfig, str, Mapping[str, Any]], Awaitable["CallToolResult"]]

UNKNOWN_OUTCOME = "Its outcome is unknown: check before you repeat it."


class McpTool:
    """Calls one tool of one server. Stays usable when the connection breaks: the next call makes another."""

    def __init__(self, offer: OfferedTool, call: CallServer) -> None:
        self._offer = offer
        self._call = call
        self._redactor = Redactor(offer.config)

    @property
    def config_id(self) -> str:
        """Of the server, for `mcp_server_config_id` of its calls."""
        return self._offer.config.id

    @property
    def allow_in_plan_mode(self) -> bool:
        """Whether chats in plan mode have it."""
        return self._offer.config.allow_in_plan_mode

    @property
    def definition(self) -> ToolDefinition:
        """Name, text and schema for the model."""
        return self._offer.definition

    @property
    def repeatable(self) -> bool:
        """Whether the server says that it changes nothing."""
        return self._offer.tool.is_read_only

    def serial_key(self, args: Mapping[str, Any], context: ToolContext) -> str | None:
        """Servers take calls as they come."""
        return None

    async def run(self, args: JsonValue, context: ToolContext) -> ToolOutput:
        """Call the server; whatever goes wrong is an error output that names it."""
        if args is None:
            args = {}
        if not isinstance(args, Mapping):
            return error_output(f"Wrong arguments for {self.definition.name}: expected an object.")
        sent = without_intent(args) if self._offer.has_intent else dict(args)
        try:
            result = await self._call(self._offer.config, self._offer.tool.name, sent)
        except McpError as error:
            return error_output(self._explain(error))
        return result_output(result, self._redactor)

    def _explain(self, error: McpError) -> str:
        name = self._offer.config.label
        match error:
            case ServerUnavailableError():
                return f"The MCP server {name} is not available, and nothing was called. {error.failure}"
            case CallLostError():
                return (
                    f"The connection to the MCP server {name} broke during this call. {UNKNOWN_OUTCOME} "
                    f"The next call connects again. {error.failure}"
                )
            case CallTimeoutError():
                return f"{error.failure} It was told to stop. {UNKNOWN_OUTCOME}"
            case _:
                return str(error.failure)


if TYPE_CHECKING:
    from ..tools.protocol import Tool

    _: type[Tool] = McpTool
