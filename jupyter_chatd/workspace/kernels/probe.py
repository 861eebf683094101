"""Runs inside of Python kernels, never here: answers what variables there are, and leaves the session alone.

A comm, not a cell: after each cell, also one in a subshell, matplotlib's hook would show and close the
figures that the running code is drawing. Nothing outside the standard library; runs on old Pythons too.
"""

from __future__ import annotations

import reprlib
import sys
import types
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, cast

TARGET = "jupyter_chatd.variables"
LIMIT = 100  # variables told at once
VALUE = 400  # characters
ROWS = 5
COLUMNS = 30
FLUSH = 0.02  # seconds; ipykernel's own 0.2 make messages of 20 MB of what prints without end

_short = reprlib.Repr()
_short.maxstring = _short.maxother = VALUE
_short.maxlist = _short.maxtuple = _short.maxdict = _short.maxset = 12


def listen(shell: Any) -> None:
    """Answer whoever opens a comm, and send output in small pieces."""

    def answer(comm: Any, message: Any) -> None:
        names = message["content"]["data"].get("names") or ()
        comm.close(data=tell(shell, names))

    shell.kernel.comm_manager.register_target(TARGET, answer)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "flush_interval"):
            setattr(stream, "flush_interval", FLUSH)  # noqa: B010 - a stream of ipykernel


def tell(shell: Any, names: Sequence[str]) -> dict[str, Any]:
    """Return the variables of that name, of any name when none is given."""
    hidden = shell.user_ns_hidden
    found = {
        name: value
        for name, value in list(shell.user_ns.items())
        if (name in names if names else not _is_hidden(name, value, hidden))
    }
    told = sorted(found)[:LIMIT]
    return {
        "variables": [describe(name, found[name]) for name in told],
        "left_out": len(found) - len(told),
    }


def _is_hidden(name: str, value: Any, hidden: dict[str, Any]) -> bool:
    return (
        name.startswith("_")
        or isinstance(value, types.ModuleType)
        or (name in hidden and hidden[name] is value)
    )


def describe(name: str, value: Any) -> dict[str, Any]:
    """Return what is told of one variable."""
    fields = {
        "type": _type_name,
        "shape": _shape,
        "length": _length,
        "size_bytes": _size,
        "columns": _columns,
        "value": _value,
    }
    return {"name": name, **{field: _tried(make, value) for field, make in fields.items()}}


def _tried(make: Callable[[Any], Any], value: Any) -> Any:
    """Objects of any library are asked, and what they raise is theirs."""
    try:
        return make(value)
    except Exception as error:  # noqa: BLE001 - theirs may be anything
        return f"({type(error).__name__})" if make in (_value, _type_name) else None


def _type_name(value: Any) -> str:
    kind = value.__class__
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _shape(value: Any) -> str | None:
    shape: Any = getattr(value, "shape", None)
    return str(tuple(cast("tuple[int, ...]", shape))) if isinstance(shape, (tuple, list)) else None


def _length(value: Any) -> int | None:
    return len(value) if hasattr(value, "__len__") else None


def _size(value: Any) -> int:
    usage = getattr(value, "memory_usage", None)
    if callable(usage):
        total: Any = usage()
        return int(total.sum() if hasattr(total, "sum") else total)
    size = getattr(value, "nbytes", None)
    return int(size) if isinstance(size, int) else sys.getsizeof(value)


def _columns(value: Any) -> str | None:
    names, types_ = getattr(value, "columns", None), getattr(value, "dtypes", None)
    if names is None or types_ is None:
        kind = getattr(value, "dtype", None)
        return str(kind) if kind is not None else None
    told = ", ".join(islice(map("{}: {}".format, names, types_), COLUMNS))
    return told + (f", and {len(names) - COLUMNS} more" if len(names) > COLUMNS else "")


def _value(value: Any) -> str:
    if hasattr(value, "columns") and callable(getattr(value, "head", None)):
        text = str(value.head(ROWS))
    elif isinstance(value, (str, bytes, list, tuple, dict, set, frozenset, int)):
        text = _short.repr(value)
    else:
        text = repr(value)
    return text if len(text) <= VALUE else text[:VALUE] + "..."
