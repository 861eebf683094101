"""What one turn runs with: its model, its settings, and what the model is told about where it is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from ..messages import Chat, Message, TurnOptions
from ..providers.protocol import CallSettings, Model
from ..workspace.protocol import CommandState, InstructionFile, WorkspaceError, WorkspaceFacts, command_state
from .engine import INSTRUCTIONS_TIMEOUT, Engine
from .prompt_settings import describe_user_prompt

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Looked up once, when the turn begins."""

    row_id: int
    """The user row that the turn began with."""
    model: Model
    model_config_id: str | None
    settings: CallSettings
    system: tuple[str, ...]
    """System messages after the stored ones: where the workspace is, and its instruction files."""
    workspace_mark: object = None
    """Of the workspace that was looked at."""
    user_prompt: tuple[str, ...] = ()
    """The last system message: what the user wants of all answers."""


async def prepare_turn(engine: Engine, chat: Chat, row: Message | None) -> Turn:
    """Look up what the turn of *row* runs with; what the user chose for it goes before the chat's own.

    Raises:
        ModelError: the model is unknown or has no key.
    """
    options = (row.turn_options if row else None) or TurnOptions()
    model_name, config_id = model_of(chat, row)
    model = await engine.models.resolve(model_name, config_id)
    system = await _look_around(engine, chat)
    return Turn(
        row_id=row.id if row else 0,
        model=model,
        model_config_id=config_id,
        settings=CallSettings(
            max_output_tokens=engine.max_output_tokens, reasoning_effort=options.reasoning_effort
        ),
        system=system,
        workspace_mark=engine.workspace_mark(chat),
        user_prompt=describe_user_prompt(await engine.user_prompt(chat.owner_id)),
    )


def model_of(chat: Chat, row: Message | None) -> tuple[str, str | None]:
    """Return the model that the turn of *row* runs with, and the id of its config."""
    options = row.turn_options if row else None
    if options is not None and options.model:
        return options.model, options.model_config_id
    return chat.model, chat.model_config_id


async def _look_around(engine: Engine, chat: Chat) -> tuple[str, ...]:
    """Ask the workspace where it is; a workspace that does not answer in time leaves the turn without."""
    try:
        async with asyncio.timeout(INSTRUCTIONS_TIMEOUT):
            agent = engine.workspace(chat)
            facts, files = await asyncio.gather(agent.facts(), agent.instructions())
    except (TimeoutError, WorkspaceError, OSError) as error:
        log.warning("The workspace of chat %s could not be looked at: %r", chat.id, error)
        return ()
    return (describe_workspace(facts), *describe_instructions(files))


def describe_workspace(facts: WorkspaceFacts) -> str:
    """Return the system message about where tools act."""
    how = {
        CommandState.CONFINED: f"run confined ({facts.confined})",
        CommandState.UNCONFINED: "run as the user, unconfined",
        CommandState.REFUSED: f"are refused, as they must be confined and cannot be: {facts.refused}",
    }[command_state(facts)]
    return (
        "Your tools act in a workspace on the user's Jupyter server.\n"
        f"Operating system: {facts.os}\n"
        f"Working directory: {facts.directory}\n"
        f"Home directory: {facts.home}\n"
        f"File tools take absolute paths. Commands {how}."
    )


def describe_instructions(files: Sequence[InstructionFile]) -> tuple[str, ...]:
    """Return one system message with the user's instruction files, none when there are no files."""
    if not files:
        return ()
    blocks = [
        f"Source: {file.path}{' (cut to 64 KiB)' if file.truncated else ''}\n{file.content}" for file in files
    ]
    return ("<workspace-context>\n" + "\n\n".join(blocks) + "\n</workspace-context>",)
