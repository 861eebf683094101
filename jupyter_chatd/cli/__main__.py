"""`python -m jupyter_chatd.cli`, for environments whose scripts are not on the path."""

from __future__ import annotations

from . import main

if __name__ == "__main__":
    main()
