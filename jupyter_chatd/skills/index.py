"""The skill index: the system message that tells the model which skills there are."""

from __future__ import annotations

from collections.abc import Sequence

from .library import Skill

INDEX_CHARACTERS = 16 * 1024
"""Of the list; skills after that are only counted."""

_INTRODUCTION = (
    "Skills are instructions for particular tasks. When a task fits one of these, read it with read_skill "
    "before you begin, and follow it."
)


def describe_skills(skills: Sequence[Skill]) -> tuple[str, ...]:
    """Return one system message with names and descriptions, none when there are no skills."""
    if not skills:
        return ()
    lines: list[str] = []
    room = INDEX_CHARACTERS
    for skill in skills:
        line = f"- {skill.name}: {skill.description}"
        room -= len(line)
        if room < 0:
            break
        lines.append(line)
    if len(lines) < len(skills):
        lines.append(f"({len(skills) - len(lines)} more skills do not fit here.)")
    return ("\n".join(["<skills>", _INTRODUCTION, *lines, "</skills>"]),)
