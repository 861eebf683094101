"""The widgets: each is the base with another view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from html import escape

import traitlets

from ..client.background import background
from ..client.calls import ToolCalls as ToolCallList
from ..client.calls import tool_calls
from ..client.errors import ClientError
from ..client.tree import chat_line, child_line
from ..messages import Chat as ChatRow
from .base import AgentWidget

SAVED_CALLS = 30  # the last ones: what remains in a file shall be small


class Chat(AgentWidget):
    """A conversation: what was said and done, the input, stop, approvals, questions and plans."""

    _view = traitlets.Unicode("Chat").tag(sync=True)


class ToolCalls(AgentWidget):
    """What the agent did with its tools, one card each, with live output."""

    _view = traitlets.Unicode("ToolCalls").tag(sync=True)

    @property
    def static_copy(self) -> Mapping[str, str]:
        calls = ToolCallList(tool_calls(self._live.session.view)[-SAVED_CALLS:])
        html = calls.to_html() if calls else f"<pre>{escape(repr(calls))}</pre>"
        return {"text/plain": repr(calls), "text/html": html}


class AgentTree(AgentWidget):
    """A chat and all its subagents, each with its state and a button that stops it; a click shows one."""

    _view = traitlets.Unicode("AgentTree").tag(sync=True)

    _begun: Sequence[ChatRow] = ()
    """The subagents when the copy was asked for: the stream may not have told of all of them yet."""

    def load(self) -> None:
        super().load()
        with suppress(ClientError):
            self._begun = background().run(self._live.session.client.children(self.chat_id))

    @property
    def static_copy(self) -> Mapping[str, str]:
        told = {child.id: child_line(child) for child in self._live.session.view.children}
        begun = {child.id: chat_line(child) for child in self._begun}
        text = "\n└─ ".join([self._live.row.title, *(begun | told).values()])
        return {"text/plain": text, "text/html": f"<pre>{escape(text)}</pre>"}


class Approval(AgentWidget):
    """What waits for a person, of a chat and of its subagents: calls to allow, questions, plans."""

    _view = traitlets.Unicode("Approval").tag(sync=True)
