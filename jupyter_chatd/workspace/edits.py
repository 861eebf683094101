"""Search and replace in a text, as a model writes it: exact first, then whole lines with forgiving blanks.

There is no similarity scoring: a text either matches at one of the three levels or it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .protocol import Edit, WorkspaceError

_BLANKS = " \t\r\n\f\v"


class EditError(WorkspaceError):
    """An edit does not apply; the text says why and what to try."""


def apply_edits(text: str, edits: Sequence[Edit]) -> str:
    """Return *text* after all *edits*, each applied on the result of the one before.

    Raises:
        EditError: one of them does not apply; the message numbers it from 1.
    """
    for number, edit in enumerate(edits, start=1):
        try:
            text = apply_edit(text, edit)
        except EditError as error:
            raise EditError(f"edit {number}: {error}") from error
    return text


def apply_edit(text: str, edit: Edit) -> str:
    """Return *text* with one edit applied, at the first level where its search matches.

    Raises:
        EditError: the search is empty, matches nowhere, or more than once without `replace_all`.
    """
    if not edit.search:
        raise EditError(
            "the search text is empty; give the text to replace, or use write_file for a whole file."
        )
    spans = find_spans(text, edit.search)
    if not spans:
        raise EditError(
            "the search text was not found, neither exactly nor by lines ignoring blanks at their ends. "
            "Read the file again and copy the text to replace from it."
        )
    if len(spans) > 1 and not edit.replace_all:
        raise EditError(
            f"the search text matches {len(spans)} times. Add lines around it until it is unique, "
            "or set replace_all."
        )
    for start, end in reversed(spans):
        text = text[:start] + edit.replace + text[end:]
    return text


def find_spans(text: str, search: str) -> list[tuple[int, int]]:
    """Return where *search* stands in *text*: (start, end) of matches that do not overlap, in order.

    Tried in turn: the exact text; whole lines, blanks at their ends ignored; the same with blanks at both
    ends.
    """
    return (
        _exact_spans(text, search)
        or _line_spans(text, search, lambda line: line.rstrip(_BLANKS))
        or _line_spans(text, search, lambda line: line.strip(_BLANKS))
    )


def _exact_spans(text: str, search: str) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    start = text.find(search)
    while start >= 0:
        spans.append((start, start + len(search)))
        start = text.find(search, start + len(search))
    return spans


def _line_spans(text: str, search: str, trim: Callable[[str], str]) -> list[tuple[int, int]]:
    wanted = [trim(line) for line in _lines(search)]
    if not any(wanted):
        return []  # nothing but blanks would match every empty line
    lines = _lines(text)
    starts = _line_starts(lines)
    trimmed = [trim(line) for line in lines]
    spans: list[tuple[int, int]] = []
    index = 0
    while index + len(wanted) <= len(lines):
        if trimmed[index : index + len(wanted)] != wanted:
            index += 1
            continue
        last = index + len(wanted)
        # A search without a final newline leaves that of the last line where it is.
        end = starts[last] - (0 if search.endswith("\n") else _newline_length(lines[last - 1]))
        spans.append((starts[index], end))
        index = last
    return spans


def _lines(text: str) -> list[str]:
    """Split after each newline and nowhere else; a newline at the end does not give an empty last line."""
    lines = [line + "\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _line_starts(lines: Sequence[str]) -> list[int]:
    """Offset of each line, and of the end of the text."""
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    return starts


def _newline_length(line: str) -> int:
    if line.endswith("\r\n"):
        return 2
    return 1 if line.endswith("\n") else 0
