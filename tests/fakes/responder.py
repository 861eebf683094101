"""Rules by which a stand-alone fake answers: a pure function of the messages, so a restart changes nothing.

The last user message is read as instructions:

    append <line> to <file> <n> times            n calls of `execute` in one step; line i is `<line> i`
    append <line> to <file> <n> times one by one one call a step
    sleep <s> and append ...                     each command sleeps first
    call <tool> with <json>                      one call of any tool
    say <text>                                   an answer without tools
    think <text>                                 reasoning, then an answer
    refuse <status>                              an HTTP error
    hang                                         a stream that starts and never ends

After the tool results the answer is one sentence that counts them.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .steps import Answer, Hang, Refuse, Step, call, say, think


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What a responder may look at: the part of a request that every vendor has."""

    model: str
    system: str
    users: Sequence[str]
    """Texts of the user messages."""
    results: Sequence[str]
    """Texts of the tool results after the last user message."""
    steps: int
    """Assistant messages after the last user message."""

    @property
    def last_user(self) -> str:
        """What was said last, empty when nobody spoke."""
        return self.users[-1] if self.users else ""


APPEND = re.compile(
    r"(?:sleep (?P<sleep>[\d.]+) and )?append (?P<line>.+?) to (?P<file>\S+)"
    r" (?P<n>\d+) times(?P<single> one by one)?"
)
CALL = re.compile(r"call (?P<tool>[\w-]+) with (?P<args>\{.*\})", re.DOTALL)


def respond(conversation: Conversation) -> Answer:
    """The answer that the rules above give."""
    text = conversation.last_user.strip()
    for rule in (_append, _call, _simple):
        if (answer := rule(text, conversation)) is not None:
            return answer
    return [say(f"You said: {text}")]


def _append(text: str, conversation: Conversation) -> Answer | None:
    if not (match := APPEND.search(text)):
        return None
    wanted = int(match["n"])
    done = len(conversation.results)
    if done >= wanted:
        return [say(f"Appended {done} lines.")]
    commands = list(_append_commands(match, done, done + 1 if match["single"] else wanted))
    return [say("Appending."), *(call("execute", {"command": command}) for command in commands)]


def _append_commands(match: re.Match[str], start: int, stop: int) -> Iterator[str]:
    pause = f"sleep {match['sleep']}; " if match["sleep"] else ""
    line, file = match["line"], shlex.quote(match["file"])
    for number in range(start + 1, stop + 1):
        yield f"{pause}echo {shlex.quote(f'{line} {number}')} >> {file}"


def _call(text: str, conversation: Conversation) -> Answer | None:
    if not (match := CALL.search(text)):
        return None
    if conversation.results:
        return [say(f"{match['tool']} gave {conversation.results[-1]}")]
    return [call(match["tool"], json.loads(match["args"]))]


def _simple(text: str, conversation: Conversation) -> Answer | None:
    word, _, rest = text.partition(" ")
    steps: dict[str, Sequence[Step]] = {
        "say": [say(rest)],
        "think": [think(rest, signature="signed"), say("Done thinking.")],
        "refuse": [Refuse(status=int(rest))] if rest.isdigit() else [say(rest)],
        "hang": [say("Hanging"), Hang()],
    }
    return steps.get(word.lower())
