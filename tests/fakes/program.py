"""Runs a fake vendor as a process of its own, for tests that kill the server that calls it.

    python -m tests.fakes.openai_server --port 0 --pace-ms 20 --log requests.jsonl

The first line on stdout is the port. It answers by the rules of `responder.py`, or from `--script FILE`: a
JSON list of answers (see `steps.from_json`), of which the n-th is given to the n-th step after the last user
message, so that a script too survives a restart.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

from .http import Reply, Request
from .responder import Conversation, respond
from .steps import Answer, from_json, say
from .vendor import FakeVendor, Responder


def main(kind: Callable[..., FakeVendor]) -> None:
    """Serve until the process is terminated."""
    options = _parser().parse_args()
    responder = script_responder(Path(options.script)) if options.script else respond
    server = kind(
        responder,
        models=options.model,
        api_key=options.api_key,
        pace_s=options.pace_ms / 1000,
        port=options.port,
    )
    if options.log:
        _log_requests(server, Path(options.log))
    with contextlib.suppress(KeyboardInterrupt):  # the ordinary way to stop it by hand
        asyncio.run(_serve(server))


def script_responder(path: Path) -> Responder:
    """Answers from a file, by the number of steps since the last user message."""
    script = [from_json(answer) for answer in json.loads(path.read_text("utf-8"))]

    def answer(conversation: Conversation) -> Answer:
        return (
            script[conversation.steps] if conversation.steps < len(script) else [say("The script has ended.")]
        )

    return answer


async def _serve(server: FakeVendor) -> None:
    async with server:
        sys.stdout.write(f"{server.port}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def _log_requests(server: FakeVendor, path: Path) -> None:
    """Append each request's path and body to *path* as it arrives."""
    handle = server.handle

    async def logged(request: Request, reply: Reply) -> None:
        with path.open("a", encoding="utf-8") as file:
            body = request.json if request.raw else None
            file.write(json.dumps({"path": request.path, "body": body}) + "\n")
        await handle(request, reply)

    server.handle = logged


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--pace-ms", type=float, default=0.0, help="pause between two deltas")
    parser.add_argument("--api-key", help="refuse callers without this key")
    parser.add_argument("--model", action="append", help="a model that exists (repeatable); default: all do")
    parser.add_argument("--script", help="JSON file of answers")
    parser.add_argument("--log", help="append requests to this file, one JSON object a line")
    return parser
