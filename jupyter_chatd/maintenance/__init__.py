"""A data folder looked at as a whole: backups, and whether everything in it is as it should be.

Belongs here: what reads all chats of a database at once, while a server may be writing. Does not: repairs,
single chats, what is printed (`cli/`).

    alone.py       opening a database that a server may have open
    backup.py      a copy of database and files
    check.py       everything that is looked at, in order
    states.py      columns against the state machine
    histories.py   messages: readable, and every call answered once
    index.py       the search index against the messages
    blobs.py       files against the folder of bytes
"""
