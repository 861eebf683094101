"""Stands in for the binary: the contract of its command line, with a fake desktop instead of Xvnc.

    python portabledesktop_stub.py MODE CALLS VERB OPTIONS...

MODE is how it behaves, CALLS a file that gets the arguments of each call.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from jupyter_chatd.desktop.fake import FakeServer
from jupyter_chatd.desktop.geometry import Size


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def serve(path: str, geometry: str) -> None:
    width, height = map(int, geometry.split("x"))

    async def run() -> None:
        await FakeServer(Path(path), Size(width=width, height=height)).start()
        await asyncio.Event().wait()

    asyncio.run(run())


def up(options: argparse.Namespace, mode: str) -> None:
    if mode == "fail":
        sys.exit("error: no free display")
    if mode == "hang":
        time.sleep(60)
    if mode == "garbage":
        say("listening")
        return
    server_options = dict(option.split("=", 1) for option in options.xvnc_arg)
    path = server_options["-rfbunixpath"]
    server = subprocess.Popen(
        [sys.executable, __file__, "serve", path, options.geometry],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not Path(path).exists():
        time.sleep(0.01)
    if mode == "dead":
        server.kill()
        server.wait()
    state = {
        "display": 7,
        "vncPort": 5907,
        "geometry": options.geometry,
        "xvncPid": server.pid,
        "openboxPid": None,
    }
    Path(options.state_file).write_text(json.dumps(state))
    say(json.dumps(state))


def down(options: argparse.Namespace) -> None:
    state = json.loads(Path(options.state_file).read_text())
    os.kill(state["xvncPid"], signal.SIGTERM)
    say("stopped")


def main(arguments: list[str]) -> None:
    if arguments[0] == "serve":
        return serve(*arguments[1:])
    mode, calls, verb, *rest = arguments
    with open(calls, "a") as file:
        file.write(json.dumps([verb, *rest]) + "\n")
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    for name in ("--state-file", "--session-dir", "--geometry"):
        parser.add_argument(name)
    parser.add_argument("--xvnc-arg", action="append", default=[])
    options = parser.parse_args(rest)
    return up(options, mode) if verb == "up" else down(options)


if __name__ == "__main__":
    main(sys.argv[1:])
