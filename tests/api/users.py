"""An identity provider with several users, and an authorizer that takes notes."""

from __future__ import annotations

from typing import Any, ClassVar

from jupyter_server.auth import Authorizer, IdentityProvider, User

USER_HEADER = "X-User"


class HeaderUsers(IdentityProvider):
    """Knows a user by a header, as a hub knows the owner of a token."""

    def get_user(self, handler: Any) -> User | None:
        name = handler.request.headers.get(USER_HEADER)
        return User(username=name) if name else None

    def is_token_authenticated(self, handler: Any) -> bool:
        return True


class RecordingAuthorizer(Authorizer):
    """Notes what it is asked, and denies what is listed."""

    asked: ClassVar[list[tuple[str, str]]] = []
    denied: ClassVar[set[tuple[str, str]]] = set()

    def is_authorized(self, handler: Any, user: User, action: str, resource: str) -> bool:
        self.asked.append((action, resource))
        return (action, resource) not in self.denied
