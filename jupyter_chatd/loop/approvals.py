"""Which calls wait until somebody allows them. Rules and facts in, an answer out; only links are looked up.

The first rule that fits a call decides. What was allowed in a chat is not asked about again with the same
arguments, unless these only name the code.
Defaults: spec/jupyter.md §6.1, last line. Approvals are guard rails, not a boundary: DESIGN §12.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, cast

from ..messages import Grant, JsonValue, Scope, ToolCallPart, ToolRun

_WRITING = ("write_file", "edit_files")
_NAMES_CODE = ("run_cells",)
"""Run what their arguments only name: the same call may run other code the next time, and is asked about."""


class Ask(StrEnum):
    """When a call is asked about."""

    NEVER = "never"
    ONCE = "once"
    """Until the tool was allowed in this chat."""
    PATH = "path"
    """Until the tool was allowed in this chat with the same `path`; without one is a path of its own."""
    ALWAYS = "always"


class Where(StrEnum):
    """Where the files lie that a call names."""

    INSIDE = "inside"
    """All of them below the workspace's folder, also after every link is followed."""
    OUTSIDE = "outside"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When calls are asked about; all that is given must fit."""

    ask: Ask
    tool: str = "*"
    """A name, or a pattern as of file names: `files__*`."""
    arguments: str | None = None
    """A regular expression that is found in the arguments, as JSON with sorted keys."""
    where: Where | None = None

    def fits(self, call: ToolCallPart, *, directory: str | None) -> bool:
        """Whether the rule is about this call."""
        return (
            fnmatchcase(call.tool_name, self.tool)
            and (self.arguments is None or re.search(self.arguments, _as_text(call.args)) is not None)
            and (self.where is None or self.where is _where(call.args, directory))
        )


def parse_rule(value: Mapping[str, Any]) -> Rule:
    """Return the rule that a setting holds.

    Raises:
        ValueError: it cannot be one; says what was expected.
    """
    unknown = set(value) - {"ask", "tool", "arguments", "where"}
    if unknown or "ask" not in value:
        raise ValueError(f"expected a dict of ask, tool, arguments, where; came {dict(value)!r}")
    try:
        rule = Rule(
            ask=Ask(value["ask"]),
            tool=value.get("tool", "*"),
            arguments=value.get("arguments"),
            where=Where(value["where"]) if value.get("where") else None,
        )
        re.compile(rule.arguments or "")
    except (ValueError, re.error) as error:
        raise ValueError(f"{error}, in {dict(value)!r}") from error
    return rule


DEFAULTS = (
    Rule(tool="execute", ask=Ask.ALWAYS),
    Rule(tool="process_signal", ask=Ask.ALWAYS),
    Rule(tool="execute_code", ask=Ask.ALWAYS),
    Rule(tool="interrupt_kernel", ask=Ask.ALWAYS),
    Rule(tool="restart_kernel", ask=Ask.ALWAYS),
    # Of clients, whose tools are free otherwise: those of notebooks (labextension/src/notebook/tools).
    Rule(tool="run_cells", ask=Ask.ALWAYS),
    *(
        Rule(tool=name, arguments='"run": true', ask=Ask.ALWAYS)  # the cell's source is among the arguments
        for name in ("insert_cell", "edit_cell")
    ),
    *(Rule(tool=name, ask=Ask.PATH) for name in ("insert_cell", "edit_cell", "delete_cell", "move_cell")),
    Rule(tool="interrupt_notebook_kernel", ask=Ask.ALWAYS),
    Rule(tool="restart_notebook_kernel", ask=Ask.ALWAYS),
    Rule(tool="write_file", where=Where.OUTSIDE, ask=Ask.ALWAYS),
    Rule(tool="edit_files", where=Where.OUTSIDE, ask=Ask.ALWAYS),
    # Subagents ask for themselves; the rest of these only hands something to the user.
    *(
        Rule(tool=name, ask=Ask.NEVER)
        for name in (
            "spawn_agent",
            "message_agent",
            "close_agent",
            "propose_plan",
            "ask_user_question",
            "attach_file",
        )
    ),
)
"""What follows: what can be repeated without harm is free, all else is asked about once per chat."""

SAFETY_CHECKS = tuple(
    Rule(tool="computer", arguments=pattern, ask=Ask.ALWAYS)
    for pattern in (r'"pending_safety_checks": \[\{', r'"decision": "require_confirmation"')
)
"""Actions that the vendor itself wants a person to confirm, OpenAI's and Google's: asked about in all chats,
each time. In JSON, quotes within text stand behind a backslash, so what is typed does not look like this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalPolicy:
    """The rules of a server."""

    rules: tuple[Rule, ...] = ()
    """Before the defaults, in chats that ask."""
    forced: tuple[Rule, ...] = ()
    """In all chats, before everything else: what nobody may switch off."""

    def asks(
        self,
        call: ToolCallPart,
        *,
        mode: str,
        is_repeatable: bool,
        grants: frozenset[Grant],
        directory: str | None,
    ) -> bool:
        """Whether somebody must allow the call first.

        Args:
            mode: The chat's approval mode, `ask` or `auto`.
            is_repeatable: Whether its tool changes nothing that matters.
            grants: What was allowed in this chat.
            directory: The workspace's folder; `None` when it is not known, and then nothing lies inside.
        """
        forced = _first((*self.forced, *SAFETY_CHECKS), call, directory)
        ask = forced or self._ask(call, mode, is_repeatable=is_repeatable, directory=directory)
        match ask:
            case Ask.NEVER:
                return False
            case Ask.ONCE:
                return all(grant.tool_name != call.tool_name for grant in grants)
            case Ask.PATH:
                return not any(_covers(grant, call) for grant in grants)
            case Ask.ALWAYS:
                # Nobody allows for a whole chat what the administrator wants to be asked each time.
                texts = [] if call.tool_name in _NAMES_CODE else [_as_text(call.args)]
                texts += [] if forced else [None]
                return all(Grant(tool_name=call.tool_name, arguments=text) not in grants for text in texts)

    def _ask(self, call: ToolCallPart, mode: str, *, is_repeatable: bool, directory: str | None) -> Ask:
        if mode != "ask":
            return Ask.NEVER
        found = _first((*self.rules, *DEFAULTS), call, directory)
        return found or (Ask.NEVER if is_repeatable else Ask.ONCE)


def _first(rules: Iterable[Rule], call: ToolCallPart, directory: str | None) -> Ask | None:
    return next((rule.ask for rule in rules if rule.fits(call, directory=directory)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatApprovals:
    """What is asked about in one chat, now."""

    policy: ApprovalPolicy
    mode: str
    """The chat's approval mode, `ask` or `auto`."""
    grants: frozenset[Grant] = frozenset()
    directory: str | None = None
    """The workspace's folder, once it is known."""
    plan_file: str | None = None
    """What the chat may write while it plans, without being asked about: the user decides about the plan."""

    def asks(self, call: ToolCallPart, *, is_repeatable: bool) -> bool:
        """Whether somebody must allow the call first."""
        mode = "auto" if self._writes_plan(call) else self.mode
        return self.policy.asks(
            call, mode=mode, is_repeatable=is_repeatable, grants=self.grants, directory=self.directory
        )

    def _writes_plan(self, call: ToolCallPart) -> bool:
        """Whether all that the call writes is the plan. What is forced is asked about all the same."""
        if call.tool_name not in _WRITING:
            return False
        return {os.path.normpath(path) for path in _paths(call.args)} == {self.plan_file}


def grant_of(run: ToolRun) -> Grant:
    """Return what allowing a call allows."""
    is_for_chat = run.approval_scope is Scope.CHAT
    return Grant(tool_name=run.tool_name, arguments=None if is_for_chat else _as_text(run.args))


def _covers(grant: Grant, call: ToolCallPart) -> bool:
    """Whether the tool was allowed for the call's `path`, or for the whole chat."""
    if grant.tool_name != call.tool_name:
        return False
    return grant.arguments is None or _path(json.loads(grant.arguments)) == _path(call.args)


def _path(args: JsonValue) -> str | None:
    path = args.get("path") if isinstance(args, Mapping) else None
    return os.path.normpath(path) if isinstance(path, str) else None


def _as_text(args: JsonValue) -> str:
    return json.dumps(args, sort_keys=True, ensure_ascii=False)


def _where(args: JsonValue, directory: str | None) -> Where | None:
    """Return where the named files lie; `None` when the call names none."""
    paths = list(_paths(args))
    if not paths:
        return None
    is_inside = directory is not None and all(_is_below(path, directory) for path in paths)
    return Where.INSIDE if is_inside else Where.OUTSIDE


def _paths(args: JsonValue) -> Iterator[str]:
    """Yield the values of `path`, and of those in a list `files`."""
    if isinstance(args, Mapping):
        files = args.get("files")
        entries: Sequence[Any] = cast(Sequence[Any], files) if isinstance(files, list) else ()
        named = [args, *(cast(Mapping[str, Any], entry) for entry in entries if isinstance(entry, Mapping))]
        yield from (path for one in named if isinstance(path := one.get("path"), str))


def _is_below(path: str, folder: str) -> bool:
    """Whether *path* lies below *folder* as it is written, and on this machine's disk.

    `link/..` is the parent of where the link leads to. What lies outside as it is written is not
    looked at, so that naming a path makes nobody wait for a file system elsewhere.
    """
    if not _starts_with(os.path.normpath(path), os.path.normpath(folder)):
        return False
    try:
        return _starts_with(os.path.realpath(path), os.path.realpath(folder))
    except ValueError:  # no name that a file can have
        return False


def _starts_with(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/")
