"""A conversation in a cell."""

from __future__ import annotations

import traitlets

from .base import AgentWidget


class Chat(AgentWidget):
    """A conversation: what was said and done, the input, stop, approvals, questions and plans."""

    _view = traitlets.Unicode("Chat").tag(sync=True)
