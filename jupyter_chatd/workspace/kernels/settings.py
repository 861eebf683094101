"""Which kernel is started, and every number that bounds kernels and what they answer."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelSettings:
    """Which kernel, how many, for how long, and how much of what they say is kept. Times in seconds."""

    default: str = "python3"
    """Name of the kernelspec of whoever names none."""
    count: int = 8
    """Kernels of one workspace at the same time; for another one, the one longest without use is ended."""
    idle_s: float = 1800.0
    """Without use, until a kernel is ended."""
    start_s: float = 60.0
    """Until a kernel that does not answer after its start is given up."""
    interrupt_s: float = 3.0
    """For code to react to an interrupt."""
    inspect_s: float = 10.0
    """For a look at variables."""
    pictures: int = 4
    """Of one execution: the last ones are kept."""
    picture_bytes: int = 2 * MIB
    """Of base64; a larger picture is left out."""
    message_bytes: int = 64 * MIB
    """A kernel that sends a larger message is cut off from its output for a moment; the message is lost."""
    traceback_bytes: int = 8 * 1024
    follower_bytes: int = 64 * 1024
    """Live output that waits for one slow reader; what comes on top of it is skipped."""
