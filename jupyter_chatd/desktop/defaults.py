"""What the settings of desktops are when nobody sets them. Light: it is loaded with every server."""

from __future__ import annotations

from .geometry import Size

AUTO = "auto"
LAUNCHERS = (AUTO, "xvnc", "portabledesktop", "socket", "fake")
"""See `launchers.choice`."""

DEFAULT_SIZE = Size(width=1280, height=800)
"""What every vendor's models read without scaling."""

IDLE_LIMIT = 30 * 60.0  # seconds
MOST_DESKTOPS = 8
"""Each takes 100 MB, and what its programs take."""
