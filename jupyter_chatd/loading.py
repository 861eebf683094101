"""Loading the package's modules quickly, at the start of a server that waits for it."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def collector_at_rest() -> Generator[None]:
    """Keep Python's cyclic garbage collector from running meanwhile. For short work that makes no garbage.

    Modules that are loaded make some hundred thousand objects, all of which stay. Looking through them, and
    through all that the server has, again and again was a quarter of the time that loading took.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
