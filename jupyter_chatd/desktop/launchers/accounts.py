"""Whether other people use this machine."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

_FIRST_PERSON, _LAST_PERSON = 1000, 60000
_NOBODY = 65534
_MADE_UP = range(61184, 65520)  # systemd's, for services
_NO_SHELLS = ("nologin", "false", "sync")
_PROC = Path("/proc")


def other_people(
    accounts: Iterable[pwd.struct_passwd] | None = None,
    *,
    own: int | None = None,
    owners: Iterable[int] | None = None,
) -> Sequence[str]:
    """Return the names of accounts that people other than this one may log in to, or have logged in to.

    Args:
        accounts: Default: those that the system lists, which may leave out a directory server's, as on hubs
            whose users come from one.
        own: Whose process this is, default ours.
        owners: Whose processes run, default all that can be seen.
    """
    own = os.geteuid() if own is None else own
    listed = {account.pw_uid: account for account in (pwd.getpwall() if accounts is None else accounts)}
    people = {uid for uid in listed if _FIRST_PERSON <= uid <= _LAST_PERSON}
    people |= {uid for uid in (process_owners() if owners is None else owners) if _is_person(uid)}
    barred = {uid for uid, account in listed.items() if _cannot_log_in(account)}
    return [
        listed[uid].pw_name if uid in listed else _name_of(uid) for uid in sorted(people - barred - {own})
    ]


def process_owners() -> set[int]:
    """Return whose processes run, as far as that can be seen; empty where there is no /proc."""
    found = set[int]()
    with suppress(OSError):
        for entry in os.scandir(_PROC):
            if entry.name.isdigit():
                with suppress(OSError):  # it has ended
                    found.add(entry.stat().st_uid)
    return found


def _is_person(uid: int) -> bool:
    return uid >= _FIRST_PERSON and uid != _NOBODY and uid not in _MADE_UP


def _cannot_log_in(account: pwd.struct_passwd) -> bool:
    return os.path.basename(account.pw_shell) in _NO_SHELLS


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"account {uid}"
