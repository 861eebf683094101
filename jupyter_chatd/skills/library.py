"""Finds and reads skills: `<folder>/<name>/SKILL.md` and the files beside it.

Two folders: `.agents/skills` of the workspace's working folder, and the user's own on the server. Of two
skills with one name, the workspace's counts. A skill is called like its folder.
"""

from __future__ import annotations

import asyncio
import logging
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..workspace import utf8
from ..workspace.protocol import FileBytes, FoundFiles, WorkspaceAgent, WorkspaceError
from .front_matter import split_front_matter
from .local import LocalFiles

FILE_NAME = "SKILL.md"
WORKSPACE_FOLDER = ".agents/skills"
"""Below the working folder."""

SKILLS = 100
"""Most skills of one folder; the rest, by name, is left out."""
HEAD_BYTES = 16 * 1024
"""Of a SKILL.md, for the index."""
BODY_BYTES = 56 * 1024
"""Of a SKILL.md, when it is read. With the file list it stays within 64 KiB."""
LISTED_FILES = 100
LISTED_BYTES = 8 * 1024
"""Of the file list of a skill."""
FILE_BYTES = 512 * 1024
"""Of a supporting file; a larger one is not read."""
DESCRIPTION_CHARACTERS = 1024

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

log = logging.getLogger(__name__)


class SkillFiles(Protocol):
    """What of a workspace agent skills are read through."""

    async def read_bytes(self, path: str, *, limit_bytes: int, inside: str | None = None) -> FileBytes:
        """See `WorkspaceAgent.read_bytes`."""
        ...

    async def find_files(
        self, folder: str, *, name: str | None = None, depth: int = 8, limit: int = 1000
    ) -> FoundFiles:
        """See `WorkspaceAgent.find_files`."""
        ...


class SkillError(Exception):
    """A skill cannot be read; the text is for the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """One skill, as the index knows it."""

    name: str
    description: str
    folder: str
    """Absolute."""
    is_own: bool = False
    """The user's own, on the server; else the workspace's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillText:
    """A skill that was read."""

    skill: Skill
    body: str
    """Without the front matter."""
    files: tuple[str, ...]
    """The other files of its folder, relative to it, sorted."""
    is_cut: bool = False
    """Body or files are longer than what is here."""


class SkillLibrary:
    """The skills of every chat. Holds nothing of them: each call looks anew. Lives as long as the server.

    Args:
        own_folder: Holds the user's own skills; it need not exist. `None` for nowhere.
    """

    def __init__(self, own_folder: Path | None = None) -> None:
        self._own_folder = None if own_folder is None else str(own_folder.absolute())
        self._own_files = LocalFiles()

    async def list_skills(self, agent: WorkspaceAgent) -> tuple[Skill, ...]:
        """Return the skills of a chat with that workspace, by name. What is not well-formed is left out.

        Raises:
            WorkspaceError: the workspace does not answer.
        """
        directory = (await agent.facts()).directory
        searches = [self._find(agent, posixpath.join(directory, WORKSPACE_FOLDER), is_own=False)]
        if self._own_folder is not None:
            searches.append(self._find(self._own_files, self._own_folder, is_own=True))
        places = await asyncio.gather(*searches)
        by_name = {skill.name: skill for place in reversed(places) for skill in place}
        return tuple(by_name[name] for name in sorted(by_name))

    async def read(self, agent: WorkspaceAgent, name: str) -> SkillText:
        """Return a skill's text and what lies beside it.

        Raises:
            SkillError: there is no such skill.
            WorkspaceError: it cannot be read.
        """
        skill = await self._get(agent, name)
        files = self._files_of(skill, agent)
        contents, found = await asyncio.gather(
            _read_head(files, skill.folder, BODY_BYTES),
            files.find_files(skill.folder, limit=LISTED_FILES + 1),
        )
        _, whole = split_front_matter(_text(contents))
        # Bytes that are no UTF-8 have grown to three each.
        body = utf8.prefix(whole.strip().encode(), BODY_BYTES).decode()
        listed = _fitting([file.path for file in found.files if file.path != FILE_NAME])
        others = len(found.files) - 1
        return SkillText(
            skill=skill,
            body=body,
            files=listed,
            is_cut=found.is_cut or len(listed) < others or contents.size > len(contents.data),
        )

    async def read_file(self, agent: WorkspaceAgent, name: str, path: str) -> str:
        """Return the text of one file of a skill; *path* is relative to the skill's folder.

        Raises:
            SkillError: there is no such skill, or the file is too large or no text.
            WorkspaceError: it cannot be read, or leads out of the folder.
        """
        skill = await self._get(agent, name)
        full = posixpath.join(skill.folder, path)
        contents = await self._files_of(skill, agent).read_bytes(
            full, limit_bytes=FILE_BYTES, inside=skill.folder
        )
        if contents.size > FILE_BYTES:
            raise SkillError(
                f"{path} has {contents.size} bytes; at most {FILE_BYTES} can be read. "
                f"Use execute on {full} to see parts of it."
            )
        try:
            text = contents.data.decode()
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            raise SkillError(f"{path} is not text. Use execute on {full} to work with it.")
        return text

    async def _get(self, agent: WorkspaceAgent, name: str) -> Skill:
        skills = await self.list_skills(agent)
        for skill in skills:
            if skill.name == name:
                return skill
        names = ", ".join(skill.name for skill in skills) or "none"
        raise SkillError(f"There is no skill named {name!r}. Skills of this chat: {names}.")

    def _files_of(self, skill: Skill, agent: WorkspaceAgent) -> SkillFiles:
        return self._own_files if skill.is_own else agent

    async def _find(self, files: SkillFiles, folder: str, *, is_own: bool) -> list[Skill]:
        try:
            found = await files.find_files(folder, name=FILE_NAME, depth=2, limit=SKILLS)
        except WorkspaceError as error:  # the folder may not be read; the other one may
            log.warning("Skills are left out: %s", error)
            return []
        names = [posixpath.dirname(file.path) for file in found.files]
        skills = await asyncio.gather(
            *(_look(files, posixpath.join(folder, name), name, is_own=is_own) for name in names if name)
        )
        return [skill for skill in skills if skill is not None]


async def _look(files: SkillFiles, folder: str, name: str, *, is_own: bool) -> Skill | None:
    """Return the skill of a folder, `None` when it has no proper name or description."""
    try:
        contents = await _read_head(files, folder, HEAD_BYTES)
    except WorkspaceError as error:
        log.warning("A skill is left out: %s", error)
        return None
    # In a thread: YAML may take 80 ms for a long front matter.
    fields, _ = await asyncio.to_thread(split_front_matter, _text(contents))
    description = _one_line(fields.get("description", ""))
    if not _NAME.fullmatch(name) or not description:
        log.warning(
            "The skill in %s is left out: it needs a description, and a name of A-Z a-z 0-9 . _ -", folder
        )
        return None
    return Skill(name=name, description=description[:DESCRIPTION_CHARACTERS], folder=folder, is_own=is_own)


async def _read_head(files: SkillFiles, folder: str, limit_bytes: int) -> FileBytes:
    path = posixpath.join(folder, FILE_NAME)
    return await files.read_bytes(path, limit_bytes=limit_bytes, inside=folder)


def _text(contents: FileBytes) -> str:
    data = contents.data
    if contents.size > len(data):
        data = data[: len(data) - utf8.unfinished(data)]
    return data.decode("utf-8", "replace")


def _one_line(text: str) -> str:
    """Return *text* without line ends, controls and invisible characters."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _fitting(paths: list[str]) -> tuple[str, ...]:
    """Return as many paths, from the first, as a listing has room for."""
    room = LISTED_BYTES
    listed: list[str] = []
    for path in paths[:LISTED_FILES]:
        room -= len(path.encode("utf-8", "replace")) + 4
        if room < 0:
            break
        listed.append(path)
    return tuple(listed)
