"""Making, waiting for, addressing and stopping the children of a chat.

Who may act on whom is checked here, at every call, whatever the model was offered.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import uuid
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from .. import defaults
from ..errors import ChatdError, ChatNotFoundError, StaleWorkError, TooManySubagentsError
from ..loop.service import ChatService
from ..messages import CallKey, Chat, ChatStatus, NewMessage, Role, TextPart, TurnOptions, Visibility
from ..store import families, reads
from ..store.conversation import BusyBehavior, CreateChat
from ..titles import MAX_WORDS, tidy
from ..tools.protocol import Caller
from .catalog import Catalog, SubagentType
from .waiting import Bell, Bells, Seen

SUBAGENTS = defaults.SUBAGENTS
SPAWNS = 8
"""Children that are made at once, in the order of the calls: a step with hundreds of calls must not hold up
the loop when their commit wakes them all."""
CLOSE_LIMIT = 10.0  # seconds for a child to end after it was interrupted
_CHILDREN = uuid.UUID("6f1d3d0e-6f0a-5b8e-9a54-2d7f3a1c9b60")
"""Namespace of children's ids: a child's id follows from the call that made it, so a call makes one child."""

FindServers: TypeAlias = Callable[[Chat], Awaitable[Sequence[str]]]

log = logging.getLogger(__name__)


class SubagentError(Exception):
    """A call cannot do what it asks; the text is for the model."""

    def __init__(self, text: str, *, kind: SubagentType | None = None) -> None:
        super().__init__(text)
        self.kind = kind
        """The type of the chat that was meant, once it is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a child ended."""

    chat: Chat
    report: str
    """The text of its newest assistant message that has any; empty when there is none."""


class Until(StrEnum):
    """When waiting for several children is over."""

    ALL = "all"
    """All of them have ended."""
    ANY = "any"
    """One of them has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited:
    """How several children stand after a wait, in the order in which they were named."""

    ended: tuple[Outcome, ...]
    going_on: tuple[Chat, ...]
    is_over: bool
    """What was waited for has happened; else the time ran out."""


async def find_no_servers(_chat: Chat) -> Sequence[str]:
    """Tell that a chat has no MCP servers."""
    return ()


class SubagentManager:
    """Acts for the subagent tools. One per server; lives from the store's opening to its closing.

    Args:
        service: Sends to chats and stops them.
        catalog: The kinds of children.
        limit: Children of one chat that may work at the same time.
        find_servers: Returns the ids of the MCP servers that a chat has, in its plan mode or not.
    """

    def __init__(
        self,
        service: ChatService,
        *,
        catalog: Catalog,
        limit: int = SUBAGENTS,
        find_servers: FindServers = find_no_servers,
    ) -> None:
        self.catalog = catalog
        self._find_servers = find_servers
        self._limit = limit
        self._spawning = asyncio.Semaphore(SPAWNS)
        self._service = service
        self._store = service.store
        self._bells = Bells(service.store)

    def close(self) -> None:
        """Hear of nothing any more. May be called twice."""
        self._bells.close()

    # Making

    async def spawn(
        self, caller: Caller, key: CallKey, *, type_name: str, prompt: str, title: str | None
    ) -> Chat:
        """Make a child, whose first turn begins at once. Made again by the same call, it is the same child.

        Args:
            key: The call that makes it.

        Raises:
            SubagentError: the caller may not have children, or not of this type, or no more at once; or
                there is no prompt.
            StaleWorkError: the caller's turn is over.
        """
        async with self._spawning:
            return await self._spawn(caller, key, type_name=type_name, prompt=prompt, title=title)

    async def _spawn(
        self, caller: Caller, key: CallKey, *, type_name: str, prompt: str, title: str | None
    ) -> Chat:
        parent = await self._check_parent(caller.chat)
        kind = await self._check_type(type_name, parent)
        task = prompt.strip()
        if not task:
            raise SubagentError("The prompt is empty: say what the subagent is to do and to report.")
        servers = await self._find_servers(caller.chat)
        options = self.catalog.options(kind, caller, prompt=task, allowed_servers=servers)
        if reason := await self.catalog.why_unusable(kind, options):
            raise SubagentError(f"{kind.value} is not available: {reason}")
        child = Chat(
            id=child_id(key, parent.id),
            owner_id=parent.owner_id,
            title=tidy(title or "") or _title_of(task),
            status=ChatStatus.RUNNING,
            archived=False,
            model=options.model,
            model_config_id=options.model_config_id,
            created_at=0.0,
            updated_at=0.0,
            workspace_id=parent.workspace_id,
            parent_chat_id=parent.id,
            root_chat_id=parent.family_id,
            spawned_by=key,
            mode=options.mode,
            plan_mode=options.plan_mode,
            approval_mode=options.approval_mode,
            mcp_server_ids=options.mcp_server_ids,
            client_type=parent.client_type,
        )
        rows = (
            *await self._service.system_rows(),
            NewMessage(
                role=Role.SYSTEM,
                parts=(TextPart(text=options.system_prompt),),
                visibility=Visibility.MODEL,
            ),
            NewMessage(role=Role.USER, parts=(TextPart(text=task),), created_by=parent.owner_id),
        )
        create = CreateChat(chat=child, rows=rows, parent=caller.claim, most_at_work=self._limit)
        try:
            return await self._store.apply(create)
        except TooManySubagentsError as error:
            raise SubagentError(str(error)) from error

    async def _check_parent(self, seen: Chat) -> Chat:
        """Return the caller as it is stored now; checked before it is read, and again."""
        _require_root(seen)
        try:
            parent = await self._store.read(lambda conn: reads.get_chat(conn, seen.id))
        except (ChatNotFoundError, sqlite3.Error) as error:
            log.warning("Chat %s could not be read to make a child: %r", seen.id, error)
            raise SubagentError("The parent chat could not be loaded. Try again.") from error
        _require_root(parent)
        return replace(parent, plan_mode=seen.plan_mode)  # a turn may plan where its chat does not

    async def _check_type(self, name: str, parent: Chat) -> SubagentType:
        wanted = name.strip()
        kind = next((kind for kind in SubagentType if kind.value == wanted), None)
        if kind is None:
            names = ", ".join(kind.value for kind in await self.catalog.available(parent))
            said = repr(wanted[:80]) if wanted else "an empty text"
            raise SubagentError(f"There is no type of subagent called {said}. Available now: {names}.")
        reason = await self.catalog.why_unavailable(kind, parent)
        if reason is not None:
            names = ", ".join(kind.value for kind in await self.catalog.available(parent))
            raise SubagentError(f"{kind.value} is not available: {reason}. Available now: {names}.")
        return kind

    # Acting on children

    async def children(self, parent: Chat) -> Sequence[Chat]:
        """Return the caller's own children, oldest first."""
        return await self._store.read(lambda conn: families.children(conn, parent.id))

    async def wait(
        self, caller: Chat, chat_id: str, *, timeout_s: float, on_wait: Callable[[Chat], None] | None = None
    ) -> Outcome:
        """Return how a child ended, as soon as it has. Cancelling ends the wait and nothing else.

        A child that waits for somebody's decision has not ended, one that was archived has. *on_wait* is told
        of one that has not ended when the wait begins.

        Raises:
            SubagentError: it is no child of the caller, it was deleted, or it has not ended in time; then it
                goes on and can be waited for again.
        """
        waited = await self.wait_for_several(
            caller, [chat_id], timeout_s=timeout_s, until=Until.ALL, on_wait=on_wait
        )
        if not waited.is_over:
            raise _not_in_time(waited.going_on[0], timeout_s)
        return waited.ended[0]

    async def wait_for_several(
        self,
        caller: Chat,
        chat_ids: Sequence[str],
        *,
        timeout_s: float,
        until: Until,
        on_wait: Callable[[Chat], None] | None = None,
    ) -> Waited:
        """Return how children ended, as soon as all or one of them have, or when the time has run out.

        Those that have not ended go on. Cancelling ends the wait and nothing else. *on_wait* is told of each
        that has not ended when the wait begins.

        Raises:
            SubagentError: no ids were given, one is of no child of the caller, or one was deleted meanwhile.
        """
        ids = tuple(dict.fromkeys(map(_parse_id, chat_ids)))
        if not ids:
            raise SubagentError(f"There is no id in the list: name who is waited for. {_WHERE_IDS_ARE}")
        with self._hung_bells(ids) as bells:  # before the first look, so that nothing is missed between
            known = {target_id: Seen(chat=await self._target(caller, target_id)) for target_id in ids}
            if not _is_over(known, until):
                for seen in known.values():
                    if on_wait is not None and not seen.has_ended:
                        on_wait(seen.chat)
                await self._watch(known, bells, timeout_s=timeout_s, until=until)
        ended = [seen for seen in known.values() if seen.has_ended]
        return Waited(
            ended=tuple([await self._outcome(seen) for seen in ended]),
            going_on=tuple(seen.chat for seen in known.values() if not seen.has_ended),
            is_over=_is_over(known, until),
        )

    @contextmanager
    def _hung_bells(self, ids: Sequence[str]) -> Generator[Mapping[str, Bell]]:
        with ExitStack() as stack:
            yield {chat_id: stack.enter_context(self._bells.bell(chat_id)) for chat_id in ids}

    async def _watch(
        self,
        known: dict[str, Seen],
        bells: Mapping[str, Bell],
        *,
        timeout_s: float,
        until: Until,
    ) -> None:
        """Keep *known* up to date until enough of them have ended, or the time has run out."""
        running = [chat_id for chat_id, seen in known.items() if not seen.has_ended]
        watches = [
            asyncio.create_task(self._watch_one(known, chat_id, bells[chat_id]), name="chatd-wait-agent")
            for chat_id in running
        ]
        when = asyncio.ALL_COMPLETED if until is Until.ALL else asyncio.FIRST_COMPLETED
        try:
            done, _ = await asyncio.wait(watches, timeout=timeout_s, return_when=when)
            for watch in done:
                watch.result()
        finally:
            for watch in watches:
                watch.cancel()
            await asyncio.gather(*watches, return_exceptions=True)

    async def _watch_one(self, known: dict[str, Seen], chat_id: str, bell: Bell) -> None:
        while not known[chat_id].has_ended:
            known[chat_id] = await self._next(bell, known[chat_id])

    async def _outcome(self, seen: Seen) -> Outcome:
        if seen.report is not None:
            return Outcome(chat=seen.chat, report=seen.report)
        report = await self._store.read(lambda conn: families.last_report(conn, seen.chat.id))
        return Outcome(chat=seen.chat, report=report)

    async def message(self, caller: Caller, chat_id: str, text: str, *, interrupt: bool) -> Chat:
        """Send a child a message: to its queue, or in place of what it does now.

        Raises:
            SubagentError: it is no child of the caller, the message is empty, or the child cannot take it.
            StaleWorkError: the caller's turn is over.
        """
        target = await self._target(caller.chat, _parse_id(chat_id))
        kind = SubagentType.of(target)
        if not text.strip():
            raise SubagentError("The message is empty: say what the subagent is to do.", kind=kind)
        if target.archived:
            raise SubagentError(
                "The subagent was archived and takes no messages: spawn another one.", kind=kind
            )
        try:
            await self._service.send(
                target.id,
                (TextPart(text=text.strip()),),
                created_by=target.owner_id,
                busy=BusyBehavior.INTERRUPT if interrupt else BusyBehavior.QUEUE,
                options=TurnOptions(),
                parent=caller.claim,
                most_at_work=self._limit,
            )
        except StaleWorkError:
            raise
        except ChatdError as error:
            raise SubagentError(f"The message was not sent: {error}", kind=kind) from error
        return await self._look(target)

    async def close_child(self, caller: Chat, chat_id: str) -> Chat:
        """Stop what a child does; it stays, and can be sent a message again.

        Raises:
            SubagentError: it is no child of the caller, or it did not stop in time.
        """
        target = await self._target(caller, _parse_id(chat_id))
        if target.archived:
            return target  # nothing runs in it
        kind = SubagentType.of(target)
        with self._bells.bell(target.id) as bell:
            try:
                seen = Seen(chat=(await self._service.interrupt(target.id, drop_queue=True)).chat)
            except ChatdError as error:
                raise SubagentError(f"It could not be stopped: {error}", kind=kind) from error
            try:
                async with asyncio.timeout(CLOSE_LIMIT):
                    while not seen.has_ended:
                        seen = await self._next(bell, seen)
            except TimeoutError:
                text = f"It did not stop within {CLOSE_LIMIT:g} s. Try again, or go on without it."
                raise SubagentError(text, kind=kind) from None
        return seen.chat

    async def _target(self, caller: Chat, target_id: str) -> Chat:
        """Return the descendant of the caller that is meant.

        Raises:
            SubagentError: it is none; unknown chats and those of others are told alike.
        """
        target = await self._store.read(
            lambda conn: (
                families.find(conn, target_id)
                if families.is_descendant(conn, ancestor_id=caller.id, chat_id=target_id)
                else None
            )
        )
        if target is None:
            raise SubagentError(f"{target_id} is not a subagent of this chat. {_WHERE_IDS_ARE}")
        return target

    async def _next(self, bell: Bell, seen: Seen) -> Seen:
        """Return a chat that is waited for as it is after something has happened, or may have."""
        heard = await bell.hear()
        if heard is None:
            return Seen(chat=await self._look(seen.chat))
        # What was committed before the chat was read may be told after it.
        return heard if heard.chat.snapshot_version >= seen.chat.snapshot_version else seen

    async def _look(self, target: Chat) -> Chat:
        """Return the chat as it is now."""
        chat = await self._store.read(lambda conn: families.find(conn, target.id))
        if chat is None:
            raise SubagentError("The subagent was deleted meanwhile.", kind=SubagentType.of(target))
        return chat


_WHERE_IDS_ARE = "Ids come from spawn_agent; list_agents shows those of this chat."
_WHAT_IT_DOES = {ChatStatus.REQUIRES_ACTION: "waits for a decision of the user"}


def _parse_id(text: str) -> str:
    try:
        return str(uuid.UUID(text.strip()))
    except ValueError:
        raise SubagentError(f"{text.strip()[:80]!r} is not the id of a chat. {_WHERE_IDS_ARE}") from None


def _is_over(known: Mapping[str, Seen], until: Until) -> bool:
    have_ended = [seen.has_ended for seen in known.values()]
    return all(have_ended) if until is Until.ALL else any(have_ended)


def _not_in_time(chat: Chat, timeout_s: float) -> SubagentError:
    doing = _WHAT_IT_DOES.get(chat.status, "goes on")
    return SubagentError(
        f"It has not ended within {timeout_s:g} s and {doing}. "
        "Wait for it again, or stop it with close_agent.",
        kind=SubagentType.of(chat),
    )


def child_id(key: CallKey, parent_id: str) -> str:
    """Return the id of the child that a call makes."""
    return str(uuid.uuid5(_CHILDREN, f"{parent_id}/{key.message_id}/{key.index}"))


def _require_root(chat: Chat) -> None:
    if chat.parent_chat_id is not None:
        raise SubagentError("Subagents cannot have subagents of their own: do it yourself.")
    if chat.mode == SubagentType.EXPLORE:
        raise SubagentError("A chat that explores cannot have subagents: do it yourself.")


def _title_of(prompt: str) -> str:
    """Return the first six words of the task, then three dots if there are more."""
    words = tidy(prompt).split(maxsplit=MAX_WORDS)
    return " ".join(words[:MAX_WORDS]) + ("..." if len(words) > MAX_WORDS else "") or Chat.DEFAULT_TITLE
