"""A fake of Azure OpenAI, streamed.

As a program: `python -m tests.fakes.azure_server --port 0` prints its port; `--help` tells the rest.
"""

from __future__ import annotations

from .http import Request
from .responses_server import FakeResponses


class FakeAzure(FakeResponses):
    """`POST /openai/v1/responses` and `/openai/v1/chat/completions`."""

    label = "Azure OpenAI"
    generate_paths = ("/openai/v1/responses", "/openai/v1/chat/completions")

    @property
    def base_url(self) -> str:
        """What a user would configure, completed as the presets do."""
        return f"{self.origin}/openai/v1"

    def key_of(self, request: Request) -> str | None:
        """`api-key`, or the bearer token."""
        return request.headers.get("api-key") or super().key_of(request)


if __name__ == "__main__":
    from .program import main

    main(FakeAzure)
