"""Chats on their way out of and into a database: export and import.

Belongs here: the format of exports (docs/export.md) and of what the original system gives; validating;
deciding what an import does with ids that are taken. Does not: SQL beyond calls of `store/`, options and
what is printed (`cli/`).

Words: a *line* is one JSON object of an export; a *family* is a chat with its children; a *draft* is a chat
that was read from an export and is not in the database yet; the *spool* is where its rows wait, on the disk.

    lines.py       the format: what a line may hold
    exporting.py   a database to lines
    target.py      lines to a file, a folder or standard output
    spool.py       rows and bytes that were read, in an unlinked file
    draft.py       what was read
    own.py         lines to drafts
    original.py    JSON of the original system to drafts
    sources.py     a file to drafts, whatever it is
    importing.py   drafts to the database
"""

from .exporting import Exported, export_lines
from .importing import Imported, Outcome, import_families

__all__ = ["Exported", "Imported", "Outcome", "export_lines", "import_families"]
