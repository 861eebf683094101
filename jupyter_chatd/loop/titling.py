"""Titles that a model writes: once after a chat's first message, and again when somebody asks for it.

What a person wrote wins: a title that was changed meanwhile is left alone. Source: spec/chatd.md §3.10; what
differs from it: DECISIONS.md.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Sequence
from functools import cache, partial
from importlib.resources import files

from ..errors import ChatdError, ConflictError, ModelError
from ..messages import Chat, ErrorDetail, Message, NewMessage, Role, TextPart
from ..providers.protocol import CallSettings, Model, ModelCall, PromptMessage
from ..store import Store, reads
from ..store.usage import PaidCall, count_call
from ..titles import generated_title, initial_title
from .answer import Answer, Patience, read_answer
from .engine import Models

TIMEOUT = 30.0  # seconds for one title, all models that are tried together
AT_ONCE = 4  # titles that are being written by themselves; more wait
MAX_OUTPUT_TOKENS = 1024  # a title has few; a model that thinks first needs more
MAX_SAMPLE = 6000  # characters of a conversation that a title is made from
MAX_EXCERPT = 1000  # characters of one message
EDGE = 50  # messages that are looked at, from both ends
LAST_TURNS = 3  # turns that a title is made from, besides the first one

GAP = "[…]"
_SPEAKERS = {Role.USER: "User", Role.ASSISTANT: "Assistant"}

log = logging.getLogger(__name__)


class Titler:
    """Lets models write titles. Lives as long as the agent, from the first use to `close`.

    Args:
        store: Open as long as this lives.
        models: Finds the models.
        is_enabled: Whether chats get a title by themselves.
        model: `provider:model` for all titles; `None` leaves it to `Models.title_models`.
    """

    def __init__(
        self, store: Store, models: Models, *, is_enabled: bool = True, model: str | None = None
    ) -> None:
        self._store = store
        self._models = models
        self._is_enabled = is_enabled
        self._model = model
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy: set[str] = set()
        """Chats whose title is being written."""

    def begin(self, chat: Chat, message: Message) -> None:
        """Give the chat a title for its first message, in a task of its own; failures are only logged.

        Nothing happens to a chat that somebody has named, or to a child: its parent named it.
        """
        named = chat.parent_chat_id is not None or chat.title not in (
            "",
            Chat.DEFAULT_TITLE,
            initial_title(message.parts),
        )
        if not self._is_enabled or named or chat.id in self._busy or not (sample := sample_of([message])):
            return
        task = asyncio.create_task(self._write_quietly(chat, sample), name=f"chatd-title-{chat.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def regenerate(self, chat: Chat) -> Chat:
        """Give the chat a new title for all that was said; return it, as it is afterwards.

        Raises:
            ConflictError: its title is being written just now.
            ModelError: no model could write one; the title stays.
        """
        if chat.id in self._busy:
            raise ConflictError(
                "The title of this chat is being written already.",
                state="busy",
                transition="RegenerateTitle",
                detail="Wait for the new title, at most half a minute.",
            )
        sample = await self._store.read(partial(_read_sample, chat_id=chat.id))
        await self._write(chat, sample)
        return await self._store.read(lambda conn: reads.get_chat(conn, chat.id))

    async def close(self) -> None:
        """End what is being written. May be called twice."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # Writing

    async def _write_quietly(self, chat: Chat, sample: str) -> None:
        try:
            async with self._turns:
                await self._write(chat, sample)
        except (ChatdError, sqlite3.Error) as error:
            reason = error.error.kind if isinstance(error, ModelError) else type(error).__name__
            log.info("Chat %s keeps its first title: %s", chat.id, reason)
        except Exception:
            log.exception("Writing a title for chat %s failed unexpectedly", chat.id)

    async def _write(self, chat: Chat, sample: str) -> None:
        self._busy.add(chat.id)
        try:
            async with asyncio.timeout(TIMEOUT):
                title = await self._ask_all(chat, sample)
        except TimeoutError:
            raise _failure(f"No model wrote a title within {TIMEOUT:g} seconds.") from None
        finally:
            self._busy.discard(chat.id)
        await self._store.replace_title(chat.id, title, old=chat.title)

    async def _ask_all(self, chat: Chat, sample: str) -> str:
        """Return the first title that a model writes.

        Raises:
            ModelError: none did; the last one's failure.
        """
        failure = _failure("This chat's model writes no titles. Choose another one, or rename the chat.")
        async for model in self._candidates(chat):
            try:
                answer = await _ask(model, sample)
            except ModelError as error:
                failure = error
                continue
            await self._store.write(
                partial(count_call, chat=chat, call=PaidCall.of(answer), now=self._store.clock())
            )
            if (title := generated_title(_text_of(answer))) is not None:
                return title
            failure = _failure("The model wrote no title of at most 8 words. Rename the chat yourself.")
        raise failure

    async def _candidates(self, chat: Chat) -> AsyncIterator[Model]:
        """The models to try; one that is not there, or has no key, is passed over for the next."""
        names: Sequence[tuple[str, str | None]]
        names = await self._models.title_models(chat.model, chat.model_config_id)
        if self._model is not None:
            names = ((self._model, None), *names)
        for number, (name, config_id) in enumerate(names, start=1):
            try:
                yield await self._models.resolve(name, config_id)
            except ModelError:
                if number == len(names):
                    raise


async def _ask(model: Model, sample: str) -> NewMessage:
    call = ModelCall(
        messages=(
            PromptMessage(role=Role.SYSTEM, parts=(TextPart(text=_instruction()),)),
            PromptMessage(
                role=Role.USER, parts=(TextPart(text=f"<conversation>\n{sample}\n</conversation>"),)
            ),
        ),
        settings=CallSettings(max_output_tokens=MAX_OUTPUT_TOKENS),
    )
    answer = Answer(lambda _role, _part, _index: None)
    await read_answer(model, call, answer, Patience(first_part_s=TIMEOUT, silence_s=TIMEOUT))
    return answer.row(model, model_config_id=None)


@cache
def _instruction() -> str:
    return files("jupyter_chatd.loop").joinpath("title.md").read_text("utf-8").strip()


def _text_of(answer: NewMessage) -> str:
    return "".join(part.text for part in answer.parts if isinstance(part, TextPart))


def _failure(message: str) -> ModelError:
    return ModelError(ErrorDetail(message=message))


# What a title is made from


def sample_of(messages: Sequence[Message]) -> str:
    """Return the first turn and the last three of a conversation as text; empty when nothing was said.

    Every message is cut to 1,000 characters, the whole to 6,000.
    """
    turns = _turns(messages)
    if len(turns) > LAST_TURNS + 1:
        parts = [*_lines(turns[0]), GAP, *(line for turn in turns[-LAST_TURNS:] for line in _lines(turn))]
    else:
        parts = [line for turn in turns for line in _lines(turn)]
    return "\n\n".join(parts)[:MAX_SAMPLE]


def _lines(turn: Sequence[Message]) -> list[str]:
    return [
        f"{_SPEAKERS[message.role]}: {_excerpt(message.text)}"
        for message in turn
        if message.role in _SPEAKERS and message.text.strip()
    ]


def _turns(messages: Sequence[Message]) -> list[list[Message]]:
    turns: list[list[Message]] = []
    for message in messages:
        if message.role is Role.USER or not turns:
            turns.append([])
        turns[-1].append(message)
    return turns


def _excerpt(text: str) -> str:
    text = text.strip()
    return text if len(text) <= MAX_EXCERPT else f"{text[:MAX_EXCERPT]} {GAP}"


def _read_sample(conn: sqlite3.Connection, *, chat_id: str) -> str:
    head = reads.client_messages(conn, chat_id, limit=EDGE)
    newest = reads.client_messages_before(conn, chat_id, before_id=None, limit=EDGE)
    seen = {message.id for message in head}
    return sample_of([*head, *(message for message in reversed(newest) if message.id not in seen)])
