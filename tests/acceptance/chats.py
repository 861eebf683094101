"""The chat routes of one server, for a person in a hurry."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import httpx

PATIENCE = 60.0  # seconds
RESTS = ("waiting", "error")


class Place(Protocol):
    """Where chats are: a server, or what a hub's proxy leads to."""

    @property
    def chats_url(self) -> str:
        """The base of the chat routes."""
        ...

    @property
    def headers(self) -> dict[str, str]:
        """What lets a client in."""
        ...


class Chats:
    """What a test does with chats. What is said in them by nobody in particular, the demo model answers.

    Args:
        model: Of new chats.
    """

    def __init__(self, server: Place, *, model: str = "demo:demo") -> None:
        self._base = server.chats_url
        self._model = model
        self._http = httpx.Client(headers=server.headers, timeout=PATIENCE)

    def __enter__(self) -> Chats:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    # Acting

    def create(self, text: str, **values: Any) -> httpx.Response:
        body = {"content": [{"type": "text", "text": text}], "model": self._model, **values}
        return self._http.post(self._base, json=body)

    def begin(self, text: str, **values: Any) -> str:
        """Create a chat and return its id."""
        return self.create(text, **values).raise_for_status().json()["id"]

    def send(self, chat_id: str, text: str) -> None:
        body = {"content": [{"type": "text", "text": text}]}
        self._http.post(f"{self._base}/{chat_id}/messages", json=body).raise_for_status()

    def interrupt(self, chat_id: str) -> None:
        self._http.post(f"{self._base}/{chat_id}/interrupt", json={}).raise_for_status()

    def patch(self, chat_id: str, **values: Any) -> None:
        self._http.patch(f"{self._base}/{chat_id}", json=values).raise_for_status()

    def use_desktop(self, chat_id: str, *actions: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Do actions on the chat's desktop, and return what each gave."""
        reply = self._http.post(f"{self._base}/{chat_id}/desktop/action", json={"actions": actions})
        return reply.raise_for_status().json()["results"]

    def decide(self, chat_id: str, message_id: int, call_index: int, *, decision: str) -> httpx.Response:
        body = {"message_id": message_id, "call_index": call_index, "decision": decision}
        return self._http.post(f"{self._base}/{chat_id}/approvals", json=body)

    # Looking

    def list(self) -> list[dict[str, Any]]:
        return self._http.get(self._base).raise_for_status().json()

    def get(self, chat_id: str) -> httpx.Response:
        return self._http.get(f"{self._base}/{chat_id}")

    def status(self, chat_id: str) -> str:
        return self.get(chat_id).raise_for_status().json()["status"]

    def children(self, chat_id: str) -> list[dict[str, Any]]:
        return self._http.get(f"{self._base}/{chat_id}/children").raise_for_status().json()

    def rows(self, chat_id: str) -> list[dict[str, Any]]:
        """The messages, oldest first."""
        rows: list[dict[str, Any]] = []
        while True:
            params = {"after_id": rows[-1]["id"] if rows else 0, "limit": 200}
            page = self._http.get(f"{self._base}/{chat_id}/messages", params=params).raise_for_status().json()
            rows += page["messages"]
            if not page["has_more"]:
                return rows

    def parts(self, chat_id: str, kind: str | None = None) -> list[dict[str, Any]]:
        """All parts, or those of one type, oldest first."""
        parts = (part for row in self.rows(chat_id) for part in row["content"])
        return [part for part in parts if kind in (None, part["type"])]

    def texts(self, chat_id: str) -> list[str]:
        """What was said, oldest first."""
        return [part["text"] for part in self.parts(chat_id, "text")]

    def results(self, chat_id: str) -> list[Any]:
        return [part["result"] for part in self.parts(chat_id, "tool-result")]

    # Waiting

    def hear(self, chat_id: str, text: str) -> None:
        """Follow the chat's stream until it tells this."""
        with self._http.stream("GET", f"{self._base}/{chat_id}/stream") as reply:
            assert any(text in line for line in reply.iter_lines())

    def settle(self, chat_id: str, *, patience_s: float = PATIENCE) -> dict[str, Any]:
        """Wait until nothing runs."""
        return eventually(
            lambda: (chat := self.get(chat_id).json())["status"] in RESTS and chat, patience_s=patience_s
        )


def eventually(look: Callable[[], Any], *, patience_s: float = PATIENCE) -> Any:
    """Return the first true answer."""
    give_up_at = time.monotonic() + patience_s
    while not (found := look()):
        assert time.monotonic() < give_up_at, f"not within {patience_s} s"
        time.sleep(0.05)
    return found
