"""Whether other people have an account on this machine."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable, Sequence

_FIRST_PERSON, _LAST_PERSON = 1000, 60000
_NO_SHELLS = ("nologin", "false", "sync")


def other_people(
    accounts: Iterable[pwd.struct_passwd] | None = None, *, own: int | None = None
) -> Sequence[str]:
    """Return the names of accounts that people other than this one may log in to.

    Args:
        accounts: Default: those that the system lists, which may leave out a directory server's.
        own: Whose process this is, default ours.
    """
    own = os.geteuid() if own is None else own
    return [
        account.pw_name
        for account in (pwd.getpwall() if accounts is None else accounts)
        if _FIRST_PERSON <= account.pw_uid <= _LAST_PERSON
        and account.pw_uid != own
        and os.path.basename(account.pw_shell) not in _NO_SHELLS
    ]
