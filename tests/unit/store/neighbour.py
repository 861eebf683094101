"""Another server on the same file, as a process of its own: reads commands, one per line, and answers each.

create <id> | say <id> <text> | purge <id> | storm <id> | quit
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from jupyter_chatd.errors import ChatdError
from jupyter_chatd.messages import Chat, ChatStatus, NewMessage, Role, TextPart
from jupyter_chatd.store import Store
from jupyter_chatd.store.conversation import CreateChat, PurgeChat, SendMessage


def message(text: str) -> NewMessage:
    return NewMessage(role=Role.USER, parts=(TextPart(text=text),), created_by="neighbour")


def creating(chat_id: str) -> CreateChat:
    chat = Chat(
        id=chat_id,
        owner_id="ada",
        title="neighbour's",
        status=ChatStatus.RUNNING,
        archived=False,
        model="demo:demo",
        created_at=0.0,
        updated_at=0.0,
    )
    return CreateChat(chat=chat, rows=(message("hello"),))


async def obey(store: Store, command: str, *args: str) -> None:
    match command, args:
        case "create", (chat_id,):
            await store.apply(creating(chat_id))
        case "say", (chat_id, text):
            await store.apply(SendMessage(chat_id=chat_id, message=message(text), queue_limit=10_000))
        case "purge", (chat_id,):
            await store.apply(PurgeChat(chat_id=chat_id))
        case "storm", (chat_id,):
            await storm(store, chat_id)
        case _:
            raise SystemExit(f"unknown command {command}")


async def storm(store: Store, chat_id: str) -> None:
    """Send until killed, and tell each message once it is acknowledged."""
    number = 0
    while True:
        sending = (obey(store, "say", chat_id, str(number + offset)) for offset in range(3))
        await asyncio.gather(*sending)
        number += 3
        tell(*(str(acknowledged) for acknowledged in range(number - 3, number)))


def tell(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


async def main(path: Path, journal: str) -> None:
    try:
        async with Store(path, journal=journal) as store:
            tell("open")
            while line := (await asyncio.to_thread(sys.stdin.readline)).split():
                if line[0] == "quit":
                    return
                await obey(store, *line)
                tell("done")
    except ChatdError as error:
        tell(f"refused: {error}")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
