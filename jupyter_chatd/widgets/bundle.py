"""The built files that kernels hand out: the loader of every widget, and the bundle that draws."""

from __future__ import annotations

from functools import cache
from pathlib import Path

STATIC = Path(__file__).parent / "static"
"""`loader.js`, `widgets-<hash of its content>.js`, `novnc-<hash>.js`. The server extension serves it, too."""


class NotBuiltError(RuntimeError):
    """The front end is not built: run `make bundle`."""

    def __init__(self) -> None:
        super().__init__(
            "The widgets of this checkout are not built. Run make bundle, then start the kernel anew."
        )


@cache
def loader() -> str:
    """Return the module that is sent with each widget.

    Raises:
        NotBuiltError: there is none.
    """
    path = STATIC / "loader.js"
    if not path.exists():
        raise NotBuiltError
    return path.read_text("utf-8")


@cache
def bundle_path() -> Path:
    """Return the bundle that the loader fetches. Raises as `loader`."""
    found = sorted(STATIC.glob("widgets-*.js"))
    if not found:
        raise NotBuiltError
    return found[0]


def find_built(name: str) -> Path | None:
    """Return the built file of that name, `None` when there is none."""
    return next((path for path in STATIC.glob("*.js") if path.name == name), None)
