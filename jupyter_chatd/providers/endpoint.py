"""Where a model is called: an address, a key, and how to speak of it to a person."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

OPENAI_URL = "https://api.openai.com/v1"
ANTHROPIC_URL = "https://api.anthropic.com"
OPENROUTER_URL = "https://openrouter.ai/api/v1"
GOOGLE_URL = "https://generativelanguage.googleapis.com"

AZURE_HOST = re.compile(r"[\w-]+\.(openai|cognitiveservices|services\.ai)\.azure\.(com|us|cn)")
"""A resource of somebody's Azure account."""
BEDROCK_HOST = re.compile(
    r"bedrock-runtime(-fips)?\.(?P<region>[a-z0-9-]+)\.(amazonaws\.com(\.cn)?|api\.aws)"
)
"""Amazon's own: the same hosts serve every account."""


class Kind(StrEnum):
    """The protocol that an endpoint speaks."""

    ANTHROPIC = "anthropic"
    OPENAI = "openai"
    """OpenAI's own service, through its responses API."""
    OPENAI_COMPAT = "openai-compat"
    """Anything that offers chat completions."""
    OPENROUTER = "openrouter"
    AZURE = "azure"
    """OpenAI's models in an Azure account."""
    GOOGLE = "google"
    """The Gemini API."""
    BEDROCK = "bedrock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One place where models are called. Equal endpoints may share connections."""

    provider: str
    """The first half of a model's name, `provider:model`."""
    kind: Kind
    base_url: str
    """Without a slash at the end."""
    label: str
    """How messages name the provider."""
    api_key: str | None = field(default=None, repr=False)
    key_source: str = "the provider settings"
    """Where a person would set the key."""
    may_use_cloud_identity: bool = False
    """Without a key, the machine's own cloud credentials may sign the requests (Bedrock)."""
    from_environment: bool = False
    """The address is the vendor's own or the environment's, so the other variables that the vendor's client
    reads (extra headers, organization) are meant for it too."""

    @property
    def is_official(self) -> bool:
        """The vendor's own service, not a gateway or a local server."""
        if self.base_url in (OPENAI_URL, ANTHROPIC_URL, OPENROUTER_URL, GOOGLE_URL):
            return True
        host = str(urlsplit(self.base_url).hostname)
        if self.kind is Kind.AZURE:
            return AZURE_HOST.fullmatch(host) is not None
        return self.kind is Kind.BEDROCK and BEDROCK_HOST.fullmatch(host) is not None

    @property
    def host(self) -> str:
        """`host` or `host:port`, for messages; never credentials that someone put into the address."""
        parts = urlsplit(self.base_url)
        return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)

    @property
    def subject(self) -> str:
        """The provider as the subject of a sentence: `OpenAI`, or `vLLM at 127.0.0.1:8000`."""
        return self.label if self.is_official else f"{self.label} at {self.host}"


def check_base_url(base_url: str) -> str:
    """Return *base_url* without spaces around it and slashes at its end.

    Raises:
        ValueError: it is not the address of an HTTP service; the text says what is wrong and what to enter.
    """
    url = base_url.strip().rstrip("/")
    example = "Enter an address such as http://127.0.0.1:8000/v1."
    try:
        parts = urlsplit(url)
        bad_port = parts.port == 0
    except ValueError:
        raise ValueError(f"The base URL {url[:100]!r} is not an address. {example}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or bad_port:
        raise ValueError(
            f"The base URL {url[:100]!r} does not begin with http:// or https:// and a host. {example}"
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(
            f"The base URL may hold a host and a path only: no user, password, ? or #. {example}"
        )
    return url


def check_api_key(api_key: str) -> str:
    """Return *api_key* without spaces and line ends around it.

    Raises:
        ValueError: it is empty or holds characters that no HTTP header can carry. The text does not repeat
        it.
    """
    key = api_key.strip()
    if not key:
        raise ValueError("The API key is empty. Enter the key as the provider shows it.")
    if not all("!" <= char <= "~" for char in key):
        raise ValueError(
            "The API key holds spaces or characters outside ASCII. Copy it again from the provider."
        )
    return key
