"""A private folder under a short path, for unix sockets: their paths have about 100 bytes.

`/tmp/jupyter-chatd-<uid>`, mode 0700, made when first needed and left for the next server. Confined programs
see it empty, whatever comes into it later; of a kernel's own folder in it, only that kernel.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path


def short_folder() -> Path:
    """Return where it is, or will be: the same for all programs of the user, whatever their `TMPDIR`."""
    base = Path("/tmp") if os.path.isdir("/tmp") else Path(tempfile.gettempdir())
    return base / f"jupyter-chatd-{os.getuid()}"


def make_short_folder() -> Path:
    """Return it, made if it was not there.

    Raises:
        OSError: it cannot be made, or others get into it.
    """
    folder = short_folder()
    folder.mkdir(mode=0o700, exist_ok=True)
    require_private(folder)
    return folder


def require_private(folder: Path) -> None:
    """Make sure that only its owner gets into *folder*.

    Raises:
        PermissionError: others may, or it is somebody else's.
    """
    status = folder.lstat()
    is_private = stat.S_ISDIR(status.st_mode) and not status.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    if not is_private or status.st_uid != os.getuid():
        raise PermissionError(
            f"{folder} must be a folder of mode 0700 that belongs to user {os.getuid()}, and is one of mode "
            f"{stat.S_IMODE(status.st_mode):04o} of user {status.st_uid}: have it removed"
        )
