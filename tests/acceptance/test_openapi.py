"""Schemathesis makes up requests from the description that a server serves; no answer may be another one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import yaml
from servers import JupyterServer

EXAMPLES = 12  # of each operation, on top of those that vary one thing at a time
TIMEOUT = 300.0  # seconds; takes about 30 on two cores that do nothing else
HOOKS = "openapi_hooks"  # the module beside this one

LEFT_OUT = (
    # Most of what fits the schema is refused all the same: for chats, models and files that are not there.
    "positive_data_acceptance",
)


def chat_that_waits(server: JupyterServer) -> dict[str, object]:
    """A chat whose turn waits for a client, and the message that holds the call."""
    body = {"content": [{"type": "text", "text": "call ring"}], "client_tools": [{"name": "ring"}]}
    with httpx.Client(headers=server.headers, timeout=20) as client:
        chat_id = client.post(server.chats_url, json=body).raise_for_status().json()["id"]
        url = f"{server.chats_url}/{chat_id}"
        with client.stream("GET", f"{url}/stream") as stream:
            next(line for line in stream.iter_lines() if "requires_action" in line)
        (newest,) = client.get(f"{url}/messages", params={"limit": 1}).json()["messages"]
    return {"chat_id": chat_id, "message_id": newest["id"]}


def operations_of(server: JupyterServer) -> int:
    """How many methods the served description has."""
    served = httpx.get(f"{server.chats_url}/openapi.yaml", headers=server.headers, timeout=20).text
    return sum(
        "x-permission" in method
        for path in yaml.safe_load(served)["paths"].values()
        for method in path.values()
    )


@pytest.mark.slow
def test_no_request_that_can_be_made_up_is_answered_as_it_is_not_described(
    make_server: Callable[..., JupyterServer], tmp_path: Path
) -> None:
    server = make_server()
    folder = Path(__file__).parent
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{server.chats_url}/openapi.yaml"]
    command += ["--header", f"Authorization: token {server.token}", "--no-color", "--request-timeout", "10"]
    command += ["--phases", "coverage,fuzzing", "--max-examples", str(EXAMPLES), "--continue-on-failure"]
    command += ["--generation-deterministic", "--exclude-checks", ",".join(LEFT_OUT)]
    told = subprocess.run(
        command,
        cwd=tmp_path,
        env={
            **server.dirs.environ(),
            "PYTHONPATH": str(folder),
            "SCHEMATHESIS_HOOKS": HOOKS,
            "OPENAPI_HOOKS_KNOWN": json.dumps(chat_that_waits(server)),
            "NO_PROXY": "127.0.0.1",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    tested = operations_of(server) - 1  # schemathesis leaves out the route that it has the description from
    assert f"Tested: {tested}\n" in told.stdout, told.stdout
    assert " 500 " not in server.log
