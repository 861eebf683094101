"""Chats and messages in one SQLite file: schema, state machine, queries.

Belongs here: everything that knows SQL, and the transitions, which are the only writers of execution state.
Does not: fan-out, HTTP, prompts, model calls.

Words: a *transition* is one permitted change of a chat's execution state; a *cell* is one chat inside a
running transition; a *change* is what a committed transition announces.
"""

from .machine import TABLE, State, state_of
from .store import Store
from .transaction import Claim

__all__ = ["TABLE", "Claim", "State", "Store", "state_of"]
