"""A desktop without programs: an RFB server in this process, for tests and for machines without Xvnc.

It shows what is typed and clicked, and keeps it for whoever asks. Behaves as TigerVNC does, traps included.
"""

from .canvas import Canvas
from .server import FakeServer

__all__ = ["Canvas", "FakeServer"]
