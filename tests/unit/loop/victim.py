"""A server that a test kills: `python -m loop.victim FOLDER` begins a turn whose tool never ends."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from world import World, script

from jupyter_chatd.providers.scripted import call


async def main(folder: Path) -> None:
    """Print the chat's id once its tool runs."""
    endless = call("execute", {"command": "echo line >> log; sleep 1000", "timeout": "1h"})
    async with World(folder, script([endless])) as world:
        chat_id = await world.create()
        while not (world.work / "log").exists():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        print(chat_id, flush=True)  # noqa: T201
        await asyncio.sleep(1000)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
