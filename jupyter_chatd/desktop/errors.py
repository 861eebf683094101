"""Why a desktop did not do what was asked.

ChatdError
 ├─ InvalidInputError
 │   └─ ActionError              the action itself is wrong: nothing was done
 └─ DesktopError                 there is no desktop, or it did not work
     ├─ LauncherMissingError     a program has to be installed
     ├─ DesktopStartError        a program is there and did not start
     ├─ DesktopLostError         it was there and is gone: how far the action came is unknown
     ├─ DesktopLimitError        as many desktops as may run are running
     ├─ TextNotTakenError        no window asked for the pasted text
     └─ RecordingError           no video of it can be made, or it was not
         └─ RecordingLimitError  as many recordings as may run are running
"""

from __future__ import annotations

from ..errors import ChatdError, InvalidInputError


class ActionError(InvalidInputError):
    """An action, a key or a coordinate is not as it must be. The message is meant for the model."""


class DesktopError(ChatdError):
    """The desktop cannot be used."""


class LauncherMissingError(DesktopError):
    """A program that the launcher needs is not installed; the message names the package."""


class DesktopStartError(DesktopError):
    """The desktop's programs are there, and did not start; the message holds what they wrote."""


class DesktopLostError(DesktopError):
    """The desktop stopped or stopped answering. The next use starts a new one."""


class DesktopLimitError(DesktopError):
    """As many desktops as may run are running."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"Expected at most {limit} desktops at a time. Stop one that is not needed, then retry."
        )
        self.limit = limit


class TextNotTakenError(DesktopError):
    """No window asked for text that has to be pasted."""


class RecordingError(DesktopError):
    """No recording of the desktop can be made, or the one that was made is of no use."""


class RecordingLimitError(RecordingError):
    """As many recordings as may run are running."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"Expected at most {limit} recordings at a time. Stop one of them, then retry.")
        self.limit = limit
