"""What can be done with chats, for every caller alike: routes, subagents, tests.

A service method looks up what must be known (owners), makes the values of a transition, and applies it.
"""

from __future__ import annotations

import logging
import sqlite3
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import ChatNotFoundError, InvalidInputError
from ..messages import (
    CallKey,
    Chat,
    ChatStatus,
    ClientTool,
    Message,
    NewMessage,
    Part,
    QueuedMessage,
    Role,
    Scope,
    TextPart,
    ToolRun,
    TurnOptions,
    Visibility,
)
from ..store import Claim, Store, families, reads
from ..store.actions import ActionResult, ClaimAction, CompleteAction, DecideApproval
from ..store.conversation import (
    QUEUE_LIMIT,
    BusyBehavior,
    ClearContext,
    CreateChat,
    DeleteQueued,
    Edited,
    EditMessage,
    InterruptChat,
    Interrupted,
    PromoteQueued,
    RequestCompaction,
    SendMessage,
    Sent,
    SetArchived,
)
from ..store.plans import ApprovePlan, find_proposal, is_proposal
from ..titles import initial_title
from .prompt_settings import PromptSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChat:
    """What a new chat begins with; `None` leaves the default."""

    owner_id: str
    parts: tuple[Part, ...]
    model: str
    """`provider:model`, known to exist."""
    model_config_id: str | None = None
    title: str | None = None
    created_by: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    client_tools: tuple[ClientTool, ...] = ()
    client_type: str = "api"
    approval_mode: str = "auto"
    plan_mode: str | None = None
    workspace_id: str | None = None
    mcp_server_ids: tuple[str, ...] = ()
    options: TurnOptions = field(default_factory=TurnOptions)


class ChatService:
    """Operations on chats. One per server."""

    def __init__(self, store: Store, *, prompts: PromptSettings, queue_limit: int = QUEUE_LIMIT) -> None:
        self.store = store
        self.prompts = prompts
        self._queue_limit = queue_limit

    # Reading

    async def get(self, chat_id: str, *, owner_id: str) -> Chat:
        """Return a chat of the owner.

        Raises:
            ChatNotFoundError: no such chat, or someone else's.
        """
        if not is_chat_id(chat_id):
            raise ChatNotFoundError(chat_id)
        return await self.store.read(lambda conn: reads.get_chat(conn, chat_id, owner_id=owner_id))

    async def list(self, query: reads.ChatQuery) -> tuple[Chat, ...]:
        """Return the chats that match."""
        return await self.store.read(lambda conn: reads.list_chats(conn, query))

    async def children(self, chat_id: str) -> tuple[Chat, ...]:
        """Return a chat's own subagents, archived ones too, in the order in which they were made."""
        return await self.store.read(lambda conn: families.children(conn, chat_id))

    async def is_at_desktop(self, root_id: str) -> bool:
        """Whether a chat of a family works with its desktop, or waits for somebody."""
        return await self.store.read(lambda conn: families.is_at_desktop(conn, root_id))

    async def messages(
        self, chat_id: str, *, before_id: int | None, after_id: int | None, limit: int
    ) -> tuple[tuple[Message, ...], bool]:
        """Return a page of visible messages and whether there are more.

        Newest first; with only *after_id*, oldest first: the way to poll.
        """
        if after_id is not None and before_id is None:
            page = await self.store.read(
                lambda conn: reads.client_messages(conn, chat_id, after_id=after_id, limit=limit + 1)
            )
        else:
            page = await self.store.read(
                lambda conn: reads.client_messages_before(
                    conn, chat_id, before_id=before_id, after_id=after_id or 0, limit=limit + 1
                )
            )
        return page[:limit], len(page) > limit

    async def queue(self, chat_id: str) -> tuple[QueuedMessage, ...]:
        """Return the queue, head first."""
        return await self.store.read(lambda conn: reads.queue(conn, chat_id))

    # Conversing

    async def create(self, new: NewChat) -> Chat:
        """Create a chat whose first turn begins at once."""
        chat = Chat(
            id=str(uuid.uuid4()),
            owner_id=new.owner_id,
            title=new.title or initial_title(new.parts),
            status=ChatStatus.RUNNING,
            archived=False,
            model=new.model,
            model_config_id=new.model_config_id,
            created_at=0.0,
            updated_at=0.0,
            labels=dict(new.labels),
            client_tools=new.client_tools,
            client_type=new.client_type,
            approval_mode=new.approval_mode,
            plan_mode=new.plan_mode,
            workspace_id=new.workspace_id,
            mcp_server_ids=new.mcp_server_ids,
        )
        rows = (*await self.system_rows(), _user_row(new.parts, new.created_by, new.options))
        return await self.store.apply(CreateChat(chat=chat, rows=rows))

    async def system_rows(self) -> tuple[NewMessage, ...]:
        """Return the rows that every new chat begins with."""
        prompt = (await self.prompts.system()).text
        if not prompt:
            return ()
        text = TextPart(text=prompt)
        return (NewMessage(role=Role.SYSTEM, parts=(text,), visibility=Visibility.MODEL),)

    async def send(
        self,
        chat_id: str,
        parts: tuple[Part, ...],
        *,
        created_by: str,
        busy: BusyBehavior,
        options: TurnOptions,
        parent: Claim | None = None,
        most_at_work: int | None = None,
    ) -> Sent:
        """Add a user message: at once when the chat is idle, else to its queue.

        Args:
            parent: The turn of the chat's parent, when that is who sends it.
            most_at_work: Children of that parent that may work at the same time.

        Raises:
            QueueFullError, ConflictError, StaleWorkError, TooManySubagentsError: see
                `store.conversation.SendMessage`.
        """
        return await self.store.apply(
            SendMessage(
                chat_id=chat_id,
                message=_user_row(parts, created_by, options),
                busy=busy,
                queue_limit=self._queue_limit,
                parent=parent,
                most_at_work=most_at_work,
            )
        )

    async def edit(
        self,
        chat_id: str,
        message_id: int,
        parts: tuple[Part, ...],
        *,
        created_by: str,
        client_message_id: str | None = None,
    ) -> Edited:
        """Replace a user message and run from there; what its turn ran with stays.

        Args:
            client_message_id: What the client that sends calls the new message.

        Raises:
            NotFoundError, InvalidInputError, ConflictError: see `store.conversation.EditMessage`.
        """
        message = NewMessage(role=Role.USER, parts=parts, created_by=created_by)
        return await self.store.apply(
            EditMessage(
                chat_id=chat_id,
                message_id=message_id,
                message=message,
                client_message_id=client_message_id,
            )
        )

    async def delete_queued(self, chat_id: str, queued_id: int) -> None:
        """Remove a queued message; an unknown id is fine."""
        await self.store.apply(DeleteQueued(chat_id=chat_id, queued_id=queued_id))

    async def promote_queued(self, chat_id: str, queued_id: int) -> Sent:
        """Make a queued message the next one.

        Raises:
            NotFoundError, ConflictError: see `store.conversation.PromoteQueued`.
        """
        return await self.store.apply(PromoteQueued(chat_id=chat_id, queued_id=queued_id))

    async def interrupt(self, chat_id: str, *, drop_queue: bool) -> Interrupted:
        """Stop what runs; when nothing does, nothing changes."""
        return await self.store.apply(InterruptChat(chat_id=chat_id, drop_queue=drop_queue))

    async def compact(self, chat_id: str) -> Chat:
        """Let the history be summarised; after an error the failed turn runs again then.

        Raises:
            ConflictError: the chat is busy, or there is nothing to summarise.
        """
        return await self.store.apply(RequestCompaction(chat_id=chat_id))

    async def clear(self, chat_id: str) -> None:
        """Let the model forget what was said; people still see it.

        Raises:
            ConflictError: the chat is busy.
        """
        await self.store.apply(ClearContext(chat_id=chat_id))

    # Acting for the model

    async def claim(self, chat_id: str, keys: Sequence[CallKey], *, client: str) -> tuple[ToolRun, ...]:
        """Reserve client-side calls for *client*, all or none.

        Raises:
            AlreadyDecidedError, NotFoundError, ConflictError: see `store.actions.ClaimAction`.
        """
        return await self.store.apply(ClaimAction(chat_id=chat_id, keys=tuple(keys), client=client))

    async def complete(self, chat_id: str, results: Sequence[ActionResult], *, client: str) -> Chat:
        """Store what a client's tools gave back.

        Raises:
            AlreadyDecidedError, NotFoundError, ConflictError: see `store.actions.CompleteAction`.
        """
        return await self.store.apply(CompleteAction(chat_id=chat_id, results=tuple(results), client=client))

    async def approvals(self, chat_id: str) -> tuple[ToolRun, ...]:
        """Return the calls that ask for an approval, or did, oldest first; a plan that waits comes last."""
        return await self.store.read(_approvals_of(chat_id))

    async def decide(
        self, chat_id: str, key: CallKey, *, allow: bool, decided_by: str, scope: Scope | None = None
    ) -> Chat:
        """Allow or deny a call; allowing one that proposed a plan approves the plan, and a turn begins.

        Raises:
            InvalidInputError: a plan is to be denied, or the call does not ask.
            AlreadyDecidedError, NotFoundError, ConflictError: see `store.actions.DecideApproval` and
                `store.plans.ApprovePlan`.
        """
        if await self.store.read(lambda conn: is_proposal(conn, chat_id, key)):
            if not allow:
                raise InvalidInputError("A plan is not denied: say in a message what should be different.")
            return await self.store.apply(ApprovePlan(chat_id=chat_id, key=key, decided_by=decided_by))
        return await self.store.apply(
            DecideApproval(chat_id=chat_id, key=key, allow=allow, decided_by=decided_by, scope=scope)
        )

    # Metadata

    async def update(self, chat_id: str, values: Mapping[str, Any]) -> Chat:
        """Change title, labels, pin, model and the like."""
        kind = "title_change" if "title" in values else "updated"
        return (await self.store.write_metadata(chat_id, dict(values), kind=kind)).chat

    async def mark_read(self, chat_id: str) -> None:
        """Count everything that a chat says now as read; while nothing can be written it stays unread."""
        try:
            await self.store.mark_read(chat_id)
        except sqlite3.Error as error:
            log.warning("Chat %s could not be marked as read: %r", chat_id, error)

    async def set_archived(self, chat_id: str, *, archived: bool) -> tuple[Chat, ...]:
        """Archive or unarchive a chat's family; what runs is interrupted first by the caller.

        Raises:
            InvalidInputError: it is so already.
            ConflictError: something still runs.
        """
        return await self.store.apply(SetArchived(chat_id=chat_id, archived=archived))


def _approvals_of(chat_id: str) -> Callable[[sqlite3.Connection], tuple[ToolRun, ...]]:
    def read(conn: sqlite3.Connection) -> tuple[ToolRun, ...]:
        plan = find_proposal(conn, chat_id)
        asked = (run for run in reads.asked_calls(conn, chat_id) if plan is None or run.key != plan.key)
        return (*asked, plan) if plan else tuple(asked)

    return read


def _user_row(parts: tuple[Part, ...], created_by: str | None, options: TurnOptions) -> NewMessage:
    return NewMessage(
        role=Role.USER,
        parts=parts,
        created_by=created_by,
        turn_options=None if options == TurnOptions() else options,
        model=options.model,
        model_config_id=options.model_config_id,
    )


def is_chat_id(text: str) -> bool:
    """Whether the text has the form of a chat's id."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
