"""Calls of every vendor, in few words."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_chatd.errors import ModelError
from jupyter_chatd.providers.protocol import CallSettings

from .asking import asking, collect
from .conftest import SUBJECTS, Call, Called


async def called(connect: Call, name: str, *answers: Any) -> Called:
    """A model of one of `SUBJECTS` over a fake with these answers."""
    kind, model = SUBJECTS[name]
    return await connect(kind, *answers, model=model)


async def ask_with(at: Called, options: dict[str, Any], **settings: Any) -> Any:
    """The body of a request with provider options."""
    wanted = CallSettings(provider_options=options, **settings)
    await collect(at.model.stream(asking("hello", settings=wanted)))
    return at.body


async def refusal(at: Called, options: dict[str, Any]) -> str:
    """What a call with these provider options ends with."""
    with pytest.raises(ModelError) as caught:
        await ask_with(at, options)
    return f"{caught.value.error.message} {caught.value.error.detail}"
