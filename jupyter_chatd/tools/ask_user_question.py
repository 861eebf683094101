"""The tool by which the model asks the user. It is never run: the user's answer is its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, StringConstraints, with_config

from ..messages import JsonValue
from .arguments import STRICT_OBJECT, WrongArgumentsError
from .builtin import BuiltinTool
from .protocol import ToolContext, ToolOutput, error_output

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


@with_config(STRICT_OBJECT)
@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One answer to choose."""

    label: Text
    """A few words."""
    description: Text
    """What choosing it means."""


@with_config(STRICT_OBJECT)
@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question."""

    header: Text
    """One or two words that name it."""
    question: Text
    """The whole question."""
    options: Annotated[list[Option], Field(min_length=2, max_length=4)]
    """2 to 4 answers; the user may also write another one."""


@with_config(STRICT_OBJECT)
@dataclass(frozen=True, slots=True, kw_only=True)
class AskUserQuestionArguments:
    """What `ask_user_question` takes."""

    questions: Annotated[list[Question], Field(min_length=1)]
    """What is to be decided; one form shows them all."""


class AskUserQuestion(BuiltinTool[AskUserQuestionArguments]):
    """The answer, as the client gives it."""

    name = "ask_user_question"
    arguments_type = AskUserQuestionArguments

    def can_ask(self, args: JsonValue) -> bool:
        """Whether the arguments are questions that a form can show."""
        try:
            self._arguments.parse(args)
        except WrongArgumentsError:
            return False
        return True

    async def call(self, args: AskUserQuestionArguments, context: ToolContext) -> ToolOutput:
        """Refuse: a call that can be asked never comes here."""
        return error_output(
            "Questions are answered by the user, and this call did not reach them. Ask again."
        )
