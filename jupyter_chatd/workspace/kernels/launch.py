"""How a kernel is started: its kernelspec, its command line, the folder of its sockets."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import string
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...short_folder import make_short_folder, short_folder
from .. import procfs
from ..ledger import is_left_over, owner_tag
from .connection import Connection
from .protocol import KernelStartError

_CONNECTION_VARIABLE = "JUPYTER_CHATD_CONNECTION"
# The file is written inside of the sandbox: a server that writes to a folder which confined programs may
# write to as well could be led elsewhere by a link.
_SCRIPT = f"""umask 077
printf %s "${_CONNECTION_VARIABLE}" > "$0" || exit
unset {_CONNECTION_VARIABLE}
exec "$@"
"""
PREFIX = "chatd-k-"
"""How the names of folders of sockets begin; then comes whose they are."""

Confine = Callable[[Sequence[str], str, str], Sequence[str]]
"""Returns the command line that runs a program in a folder as confined as it must be, but for one more folder
that it may write to. May block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSpec:
    """A kernelspec."""

    name: str
    display_name: str
    language: str
    argv: Sequence[str]
    """Its command, with the places for the connection file."""
    by_message: bool
    """It is interrupted by a message, not by a signal."""
    env: Mapping[str, str] = field(default_factory=dict[str, str])


def find_spec(name: str | None, *, default: str, env: Mapping[str, str]) -> FoundSpec:
    """Return the kernelspec of that name, else the default, else the only one. Blocks: reads the disk.

    Args:
        name: What was asked for; `None` for any.
        default: What is taken then.
        env: What `${…}` in its environment stands for.

    Raises:
        KernelStartError: there is none.
    """
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    manager = KernelSpecManager()
    known = sorted(manager.find_kernel_specs())
    chosen = name or (known[0] if len(known) == 1 and default not in known else default)
    try:
        spec = manager.get_kernel_spec(chosen)
    except NoSuchKernel as error:
        raise KernelStartError(_no_spec(chosen, known)) from error
    return FoundSpec(
        name=chosen,
        display_name=spec.display_name,
        language=spec.language,
        argv=_command(spec.argv, spec.resource_dir),
        by_message=spec.interrupt_mode == "message",
        env={key: string.Template(str(value)).safe_substitute(env) for key, value in spec.env.items()},
    )


def _no_spec(name: str, known: Sequence[str]) -> str:
    if not known:
        return "No kernel is installed beside the Jupyter server: `pip install ipykernel` adds Python's."
    return f"There is no kernel named {name!r}. Installed are: {', '.join(known)}."


def _command(argv: Sequence[str], resource_dir: str) -> Sequence[str]:
    # As jupyter_client does: a bare `python` is the one that runs this.
    major, minor = sys.version_info[:2]
    is_own = bool(argv) and argv[0] in ("python", f"python{major}", f"python{major}.{minor}")
    places = {"{resource_dir}": resource_dir, "{prefix}": sys.prefix}
    return [_filled(word, places) for word in ([sys.executable, *argv[1:]] if is_own else argv)]


def _filled(word: str, places: Mapping[str, str]) -> str:
    for place, value in places.items():
        word = word.replace(place, value)
    return word


class SocketFolder:
    """A private folder for one kernel's sockets, under a short path: they have about 100 bytes.

    Of confined programs only the kernel sees it. The name tells whose it is, for `sweep`.

    Raises:
        KernelStartError: it cannot be made.
    """

    def __init__(self) -> None:
        try:
            self.path = tempfile.mkdtemp(prefix=f"{PREFIX}{owner_tag()}-", dir=make_short_folder())
        except OSError as error:
            raise KernelStartError(f"The folder of a kernel's sockets cannot be made: {error}.") from error
        self.connection = Connection(address=f"{self.path}/k", key=secrets.token_hex(32))

    def wrap(self, spec: FoundSpec) -> tuple[list[str], dict[str, str]]:
        """Return the command line that starts a kernel here, and the environment that it needs."""
        place = f"{self.path}/connection.json"
        command = [word.replace("{connection_file}", place) for word in spec.argv]
        if any("ipykernel" in word for word in command):
            command.append("--HistoryManager.enabled=False")  # a scratch run leaves the user's history alone
        env = {**spec.env, _CONNECTION_VARIABLE: json.dumps(self.connection.to_json(spec.name))}
        return ["/bin/sh", "-c", _SCRIPT, place, *command], env

    def remove(self) -> None:
        """Remove it. Never follows a link. May be called twice."""
        shutil.rmtree(self.path, ignore_errors=True)


def sweep() -> None:
    """Remove the folders that dead servers left. Blocks: reads the disk."""
    for folder in _own_folders(short_folder().glob(f"{PREFIX}*")):
        if is_left_over(folder.name.removeprefix(PREFIX)):
            shutil.rmtree(folder, ignore_errors=True)


def _own_folders(folders: Iterable[Path]) -> list[Path]:
    if not procfs.PROC.is_dir():
        return []  # nothing tells who lives
    return [folder for folder in folders if _is_own(folder)]


def _is_own(folder: Path) -> bool:
    try:
        return folder.lstat().st_uid == os.getuid()
    except FileNotFoundError:  # another server has just removed it
        return False
