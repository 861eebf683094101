"""Boxes of ipywidgets that hold our widgets: what remains of them in a saved notebook."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .base import AgentWidget

SAVED = "application/vnd.jupyter-chatd.widget+json"
"""What our extension of JupyterLab needs to draw widgets without a kernel: `model_id`, and the state of one
widget, or that of several as `parts`."""


@cache
def remember_boxes() -> None:
    """Let the boxes of this kernel keep copies of our widgets. Without IPython nothing shows a box."""
    shell: Any = import_module("IPython.core.getipython").get_ipython()
    if shell is not None:
        box: Any = import_module("ipywidgets").Box
        shell.display_formatter.mimebundle_formatter.for_type(box, output_of_box)


def output_of_box(box: Any) -> Mapping[str, Any]:
    """Return what to display: the box as ever, and beside it the copies of our widgets in it."""
    data: dict[str, Any] = box._repr_mimebundle_()
    parts = list(_ours_in(box))
    if not parts:
        return data
    for part in parts:
        part.load()
    copies = [part.static_copy for part in parts]
    return {
        **data,
        SAVED: {"model_id": box.model_id, "parts": [part.saved_state() for part in parts]},
        "text/plain": "\n\n".join(copy["text/plain"] for copy in copies),
        "text/html": "".join(map(_html_of, copies)),
    }


def _ours_in(widget: Any) -> Iterator[AgentWidget]:
    from .base import AgentWidget  # loads anywidget, and uses this module

    if isinstance(widget, AgentWidget):
        yield widget
    for child in getattr(widget, "children", ()):
        yield from _ours_in(child)


def _html_of(copy: Mapping[str, str]) -> str:
    text = escape(copy["text/plain"])
    if "image/png" in copy:
        return f'<img alt="{text}" src="data:image/png;base64,{copy["image/png"]}">'
    return copy.get("text/html", f"<pre>{text}</pre>")
