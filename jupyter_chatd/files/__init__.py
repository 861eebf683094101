"""Files in chats: what they are, where their bytes lie, who may have them.

Belongs here: telling types from bytes, names, the folder of bytes, and the library that joins them with the
database. Does not: HTTP, prompts, files of the workspace.

Words: a *file* is a row with an owner and a name; a *blob* is bytes under their SHA-256; a *link* says that a
chat holds a file.
"""

from .library import FileLibrary

__all__ = ["FileLibrary"]
