"""A client of the RFB protocol (VNC), RFC 6143 with TigerVNC's additions, over a unix socket.

Belongs here: bytes, pictures, the clipboard of one connection. Does not: what a click is, who starts
the server.
"""

from . import messages
from .connection import Connection

__all__ = ["Connection", "messages"]
