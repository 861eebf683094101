"""`%chat` and `%%chat`, which `%load_ext jupyter_chatd` brings: talking with the agent without Python."""

from __future__ import annotations

import argparse
import shlex
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class
from IPython.display import display  # pyright: ignore[reportUnknownVariableType]

from .client.chat import Chat

VARIABLE = "chat"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        raise UsageError(f"{message}\n{self.format_usage()}")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="%chat", add_help=False, exit_on_error=False)
    parser.add_argument("-n", "--new", action="store_true", help="begin another chat")
    parser.add_argument("-m", "--model", help="provider:model, of a new chat")
    parser.add_argument("-c", "--name", default=VARIABLE, help="the variable that holds the chat")
    parser.add_argument("--no-wait", action="store_true", help="let the next cell run while the agent works")
    parser.add_argument("text", nargs=argparse.REMAINDER)
    return parser


@magics_class
class ChatMagics(Magics):
    """Sends what is written to the chat in the variable `chat`, which the first message makes."""

    @line_cell_magic
    def chat(self, line: str, cell: str | None = None) -> None:
        """Send a message to the agent and show the chat; without a message, only show it.

            %chat which files here are larger than 1 MB?

            %%chat --new
            Read orders.csv
            and tell me what is odd.

        -n, --new    begin another chat
        -m, --model  provider:model, of a new chat
        -c, --name   the variable that holds the chat; `chat` when not given
        --no-wait    let the next cell run while the agent works
        """
        asked = _parser().parse_args(_words(line))
        text = cell.strip() if cell is not None else " ".join(asked.text)
        if cell is not None and asked.text:
            raise UsageError(f"Expected only options behind %%chat, came {asked.text[0]!r}.")
        chat = self._chat(asked, text)
        display(chat)
        if text and not asked.no_wait:
            chat.wait()

    def _chat(self, asked: argparse.Namespace, text: str) -> Chat:
        """Return the chat that *text* was sent to."""
        shell: Any = self.shell
        variables: dict[str, Any] = shell.user_ns
        known = variables.get(asked.name)
        if isinstance(known, Chat) and not asked.new:
            return known.send(text, model=asked.model) if text else known
        if not text:
            raise UsageError(f"There is no chat in {asked.name} yet. Begin one: %chat say hello")
        variables[asked.name] = chat = Chat(text, model=asked.model)
        return chat


def _words(line: str) -> list[str]:
    """Split off the options; the text after them keeps its quotes and apostrophes."""
    words = line.split()
    for place, word in enumerate(words):
        is_value = place > 0 and words[place - 1] in ("-m", "--model", "-c", "--name")
        if not word.startswith("-") and not is_value:
            return [*shlex.split(" ".join(words[:place])), line.split(maxsplit=place)[place]]
    return shlex.split(line)
