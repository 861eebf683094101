"""Where a kernel listens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_PORTS = {"shell": 1, "iopub": 2, "stdin": 3, "control": 4, "hb": 5}


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Where a kernel listens."""

    address: str
    """Path of its sockets, up to the number of each."""
    key: str

    def to_json(self, kernel_name: str) -> dict[str, Any]:
        """What stands in a connection file."""
        return {
            "transport": "ipc",
            "ip": self.address,
            **{f"{name}_port": number for name, number in _PORTS.items()},
            "key": self.key,
            "signature_scheme": "hmac-sha256",
            "kernel_name": kernel_name,
        }

    def url(self, channel: str) -> str:
        """Where one channel is."""
        return f"ipc://{self.address}-{_PORTS[channel]}"
