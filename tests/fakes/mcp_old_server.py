"""An MCP server of the year 2025, by hand: what most servers in use speak, and what it takes to misbehave.

    python tests/fakes/mcp_old_server.py [hang | crash | chatty | deaf]

`hang` answers nothing; `crash` exits at once; `chatty` also prints other lines; `deaf` does not end when its
input does, nor on SIGTERM. Each tool's text says what it does.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

VERSION = "2025-06-18"
METHOD_NOT_FOUND = -32601

TOOLS = {
    "echo": "Give the arguments back.",
    "pid": "Give the process id.",
    "die": "Print to stderr and exit with a code in the middle of the call.",
    "spawn": "Start a child that sleeps, and give its process id.",
    "grow": "Get another tool and tell so.",
    "shrink": "Get another tool and do not tell.",
    "flood": "Send a message of so many bytes.",
    "refuse": "Answer with an error.",
    "nonsense": "Answer with what is no result.",
    "env": "Give the environment.",
    "shell": "Run a shell command, and give what it prints.",
    "stderr": "Print to stderr.",
    "silent": "Never answer.",
    "cancelled": "Give the ids of the requests that the client cancelled.",
}

tools = dict(TOOLS)
cancelled: list[Any] = []


def send(message: dict[str, Any]) -> None:
    """Write one message."""
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def text(value: object) -> dict[str, Any]:
    """A result of one text."""
    said = value if isinstance(value, str) else json.dumps(value)
    return {"content": [{"type": "text", "text": said}]}


def call(name: str, args: dict[str, Any]) -> dict[str, Any] | None:
    """Return the result of a tool, `None` when it is not to be answered."""
    match name:
        case "pid":
            return text(os.getpid())
        case "die":
            sys.stderr.write(args.get("words", ""))
            sys.stderr.flush()
            os._exit(args.get("code", 0))
        case "spawn":
            return text(subprocess.Popen(["sleep", "60"], stdin=subprocess.DEVNULL).pid)
        case "grow" | "shrink":
            tools[args["name"]] = "Another one."
            if name == "grow":
                send({"method": "notifications/tools/list_changed"})
            return text("ok")
        case "flood":
            return text("x" * args["bytes"])
        case "nonsense":
            return {"content": "no list"}
        case "env":
            return text(dict(os.environ))
        case "shell":
            done = subprocess.run(args["command"], shell=True, capture_output=True, text=True, check=False)
            return text(done.stdout + done.stderr)
        case "stderr":
            sys.stderr.write(args["words"] + "\n")
            sys.stderr.flush()
            return text("ok")
        case "silent":
            return None
        case "cancelled":
            return text(cancelled)
        case _:
            return text(args)


def answer(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    """Return what answers a request."""
    match method:
        case "initialize":
            return {
                "result": {
                    "protocolVersion": VERSION,
                    "capabilities": {"tools": {"listChanged": True}},
                    "serverInfo": {"name": "old", "version": "1"},
                }
            }
        case "tools/list":
            listed = [
                {"name": name, "description": said, "inputSchema": {"type": "object"}}
                for name, said in tools.items()
            ]
            return {"result": {"tools": listed}}
        case "tools/call" if params["name"] == "refuse":
            return {"error": {"code": -32602, "message": f"No: {params['arguments']['why']}"}}
        case "tools/call":
            result = call(params["name"], params.get("arguments", {}))
            return None if result is None else {"result": result}
        case _:
            return {"error": {"code": METHOD_NOT_FOUND, "message": "Method not found"}}


def main(manner: str) -> None:
    """Serve until the input ends."""
    if manner == "crash":
        sys.stderr.write("Traceback: no module named nothing\n")
        sys.exit(3)
    if manner == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if manner == "chatty":
        sys.stdout.write("Listening on stdio …\n")
    for line in sys.stdin:
        message = json.loads(line)
        if manner == "chatty":
            sys.stdout.write("got a message\n")
        if message.get("method") == "notifications/cancelled":
            cancelled.append(message["params"]["requestId"])
        if "id" not in message or manner == "hang":
            continue
        reply = answer(message["method"], message.get("params") or {})
        if reply is not None:
            send({"id": message["id"], **reply})
    while manner == "deaf":
        time.sleep(1)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
