"""`jupyter chatd`: the agent from a terminal.

Belongs here: options, which server to use, what is printed. Does not: REST and stream (`client/`), SQL
(`store/`).

    app.py         the commands
    mcp.py         the commands about MCP servers
    options.py     what commands share
    target.py      which server a command talks to
    private.py     a server of the command's own, on a Unix socket, gone when the command ends
    talk.py        conversations: one turn, or a chat followed
    terminal.py    a turn as it streams, and Ctrl-C
    output.py      chats as lines and as JSON
    archive.py     chats straight from the database, while no server runs
    settings.py    what the server's configuration says of the extension
    doctor.py      what is set up, and what is missing
    transfer.py    export, import, backup, check
    finding.py     one thing that was looked at, as a line and as JSON
"""

from __future__ import annotations


def main() -> None:
    """Run the command line; what the console script `jupyter-chatd` calls."""
    from .app import chatd

    chatd(prog_name="jupyter chatd")
