"""`python -m jupyter_chatd.workspace.agent`, with the settings as JSON on standard input."""

from .program import main

main()
