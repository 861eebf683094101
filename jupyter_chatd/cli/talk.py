"""Conversations on a terminal: one turn to its end, or a chat followed for as long as somebody looks."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import click

from ..client.display import plain_text, quoted, written
from ..client.errors import ChatFailedError, ClientError
from ..client.session import ChatSession
from ..client.text import last_answer, last_user_id
from ..client.tree import family_lines, has_ended
from ..client.usage import dollars
from ..client.view import SETTLED, ChatView
from ..messages import Chat, Role
from .output import print_chat_json
from .terminal import TurnPrinter, until_ctrl_c


async def converse(
    session: ChatSession, printer: TurnPrinter, *, timeout_s: float | None, as_json: bool
) -> None:
    """Print the present turn to its end, or with *as_json* the chat after it.

    Raises:
        ChatFailedError: it ended in an error; the JSON has been printed before.
        ClientError: it took too long and was stopped, or it waits for a person.
        StoppedError: Ctrl-C was pressed, and the agent has stopped.
    """
    work = _settle(session) if as_json else printer.print_turn(session)
    try:
        async with asyncio.timeout(timeout_s):
            await until_ctrl_c(work, stop=session.interrupt)
    except TimeoutError:
        await session.interrupt()
        raise ClientError(f"The agent was not done within {timeout_s:g} seconds and was stopped.") from None
    if session.view.status == "requires_action":
        raise ClientError(
            "The agent waits for an answer or an approval: see jupyter chatd approvals "
            f"{session.chat_id[:8]}, or open the chat in JupyterLab."
        )


async def _settle(session: ChatSession) -> None:
    try:
        await session.settled()
    finally:
        if session.view.is_settled:
            chat = await session.client.get(session.chat_id)
            print_chat_json(chat, session.view.messages, text=last_answer(session.view))


async def follow_chat(chat: Chat, session: ChatSession, *, messages: int, until_idle: bool) -> None:
    """Print the last *messages*, then what happens, for ever or until the agent is done.

    Raises:
        ChatFailedError: the agent failed, where its end was waited for.
    """
    view = await session.current()
    click.echo(plain_text(chat, _before_turn(view), messages=messages, characters=sys.maxsize))
    while True:
        turn = last_user_id(view)
        printer = TurnPrinter()
        while last_user_id(view) == turn:
            if not view.is_settled:
                await _print_turn(session, printer, may_fail=not until_idle)
            if until_idle:
                return
            view = await session.until(partial(_is_news, turn=turn))
        for message in view.messages:
            if message.role is Role.USER and message.id > turn:
                click.echo(f"\n{quoted(written(message))}\n")


async def watch_family(chat: Chat, session: ChatSession) -> None:
    """Print how a chat and its subagents stand, and again whoever stands otherwise, until none works.

    Raises:
        ClientError: the chat can no longer be followed.
    """
    told: Mapping[str, str] = {}
    view = await session.current()
    while True:
        lines = family_lines(chat, view)
        for chat_id, line in lines.items():
            if told.get(chat_id) != line:
                click.echo(line)
        told = lines
        if has_ended(view):
            break
        view = await session.until(partial(_stands_otherwise, chat=chat, told=told))
    spent = await session.client.chat_usage(chat.id)
    tokens = spent.total_input_tokens + spent.total_output_tokens
    click.echo(f"{spent.message_count:,} calls, {tokens:,} tokens, {dollars(spent.total_cost_micros)}")


def _stands_otherwise(view: ChatView, *, chat: Chat, told: Mapping[str, str]) -> bool:
    return view.is_complete and (family_lines(chat, view) != told or has_ended(view))


async def _print_turn(session: ChatSession, printer: TurnPrinter, *, may_fail: bool) -> None:
    try:
        await printer.print_turn(session)
    except ChatFailedError as error:
        if not may_fail:
            raise
        printer.note(f"Error: {error}")


def _before_turn(view: ChatView) -> ChatView:
    """What is finished: all of an idle chat, else what there was before the present turn's answer."""
    if view.is_settled:
        return view
    turn = last_user_id(view)
    return replace(view, messages=tuple(one for one in view.messages if one.id <= turn), live=(), error=None)


def _is_news(view: ChatView, *, turn: int) -> bool:
    is_busy = view.status not in SETTLED and view.status != "requires_action"
    return view.is_complete and (is_busy or last_user_id(view) != turn)
