"""The widgets: each is the base with another view."""

from __future__ import annotations

import traitlets

from .base import AgentWidget


class Chat(AgentWidget):
    """A conversation: what was said and done, the input, stop, approvals, questions and plans."""

    _view = traitlets.Unicode("Chat").tag(sync=True)


class ToolCalls(AgentWidget):
    """What the agent did with its tools, one card each, with live output."""

    _view = traitlets.Unicode("ToolCalls").tag(sync=True)


class AgentTree(AgentWidget):
    """A chat and all its subagents, each with its state and a button that stops it; a click shows one."""

    _view = traitlets.Unicode("AgentTree").tag(sync=True)


class Approval(AgentWidget):
    """What waits for a person, of a chat and of its subagents: calls to allow, questions, plans."""

    _view = traitlets.Unicode("Approval").tag(sync=True)
