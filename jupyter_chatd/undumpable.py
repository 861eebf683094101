"""Keeping other processes of the user out of this one's memory."""

from __future__ import annotations

import ctypes
import sys

PR_SET_DUMPABLE = 4  # from linux/prctl.h


def make_undumpable() -> None:
    """Keep the user's other processes from reading this one's memory and environment (/proc, ptrace)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
