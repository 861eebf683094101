"""Filling the folder of a new workspace: empty, a copy, a clone. It appears whole or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import stat
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..workspace.group import ProcessGroup
from ..workspace.guard import Guard
from ..workspace.protocol import WorkspaceError
from .provisioner import ProvisionError, Say
from .values import Origin

_PROTOCOLS = "https:http:ssh:git:file"
"""What git may speak; not `ext`, which runs commands."""
_END_GRACE = 0.5  # seconds that git has to clean up
_END_LIMIT = 5.0  # seconds


async def fill(
    folder: Path, origin: Origin, values: Mapping[str, str], *, guard: Guard, env: Mapping[str, str], say: Say
) -> None:
    """Make *folder* and what is in it. Cancelled or failed, nothing of it is left.

    Args:
        guard: Knows what must not be copied.
        env: What git runs with.

    Raises:
        ProvisionError: it cannot be made.
    """
    partial = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    try:
        await asyncio.to_thread(_make_parent, folder)
        match origin:
            case Origin.EMPTY:
                await asyncio.to_thread(partial.mkdir)
            case Origin.FOLDER:
                await _copy(values["source"], partial, guard=guard, say=say)
            case Origin.GIT:
                await _clone(values, partial, env=env, say=say)
            case Origin.HUB:
                raise ProvisionError("The files of a server of a JupyterHub are not made here.")
        await asyncio.to_thread(_appear, partial, folder)
    except OSError as error:
        raise ProvisionError(f"The folder {folder} cannot be made: {error}.") from error
    finally:
        await asyncio.shield(asyncio.to_thread(shutil.rmtree, partial, ignore_errors=True))


def _make_parent(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)


def _appear(partial: Path, folder: Path) -> None:
    if folder.exists():
        raise FileExistsError(f"{folder} exists already")
    partial.rename(folder)


# Copies


async def _copy(source: str, partial: Path, *, guard: Guard, say: Say) -> None:
    say(f"Copying {source}")
    cancelled = threading.Event()
    copying = asyncio.create_task(asyncio.to_thread(_copy_tree, source, partial, guard, cancelled))
    try:
        left_out = await asyncio.shield(copying)
    except asyncio.CancelledError:
        cancelled.set()
        await asyncio.gather(copying, return_exceptions=True)
        raise
    except WorkspaceError as error:
        raise ProvisionError(str(error)) from error
    except shutil.Error as error:
        problems: Sequence[tuple[str, str, str]] = error.args[0]
        raise ProvisionError(f"{problems[0][0]} cannot be copied: {problems[0][2]}") from error
    if left_out:
        say(f"Left out {left_out} that belong to the server or are no regular files.")


def _copy_tree(source: str, partial: Path, guard: Guard, cancelled: threading.Event) -> int:
    """Copy all that may be read, links as links. Return how many entries were left out."""
    real = guard.resolve(source)
    if not os.path.isdir(real):
        raise ProvisionError(f"The folder {source} does not exist, or is no folder.")
    left_out = 0

    def ignored(folder: str, names: list[str]) -> set[str]:
        nonlocal left_out
        if cancelled.is_set():
            raise ProvisionError("The copy was given up.")
        found = {name for name in names if _is_foreign(os.path.join(folder, name), partial, guard)}
        left_out += len(found)
        return found

    shutil.copytree(real, partial, symlinks=True, ignore=ignored)
    return left_out


def _is_foreign(path: str, partial: Path, guard: Guard) -> bool:
    """Whether it stays out: what is protected, the place of the workspaces itself, pipes and devices."""
    mode = os.lstat(path).st_mode
    if stat.S_ISLNK(mode):
        return False
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or Path(path) == partial.parent:
        return True
    try:
        guard.resolve(path)
    except WorkspaceError:
        return True
    return False


# Clones


async def _clone(values: Mapping[str, str], partial: Path, *, env: Mapping[str, str], say: Say) -> None:
    branch, depth = values.get("branch"), values.get("depth")
    options = [*(["--branch", branch] if branch else []), *(["--depth", depth] if depth else [])]
    words = ["git", "clone", *options, "--", values["url"], str(partial)]
    quiet = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true", "GIT_ALLOW_PROTOCOL": _PROTOCOLS}
    say(f"Cloning {values['url']}")
    try:
        git = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=partial.parent,
            env={**env, **quiet, "GIT_SSH_COMMAND": "ssh -o BatchMode=yes"},
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise ProvisionError("git is not installed, so nothing can be cloned.") from error
    try:
        reason = await _say_all(git, say)
        code = await git.wait()
    except asyncio.CancelledError:
        await asyncio.shield(_end(git))
        raise
    if code:
        raise ProvisionError(f"git clone failed with code {code}: {reason or 'it said nothing'}")


async def _say_all(git: asyncio.subprocess.Process, say: Say) -> str:
    """Say every line, and return why git gave up: its first complaint, else the last that it said."""
    assert git.stdout is not None
    said: list[str] = []
    async for line in git.stdout:
        if text := line.decode("utf-8", "replace").strip():
            say(text)
            said.append(text)
    return next((text for text in said if text.startswith("fatal: ")), said[-1] if said else "")


async def _end(git: asyncio.subprocess.Process) -> None:
    await ProcessGroup(git.pid).end(grace_s=_END_GRACE, limit_s=_END_LIMIT)
    with contextlib.suppress(ProcessLookupError):
        git.kill()
    await git.communicate()
