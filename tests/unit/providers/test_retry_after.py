"""How long a vendor asks to wait, in every form that HTTP and the vendors have for it."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from fakes.steps import Refuse

from jupyter_chatd.errors import ModelError

from .asking import ask
from .conftest import SUBJECTS, Call

pytestmark = pytest.mark.anyio

every_vendor = pytest.mark.parametrize("vendor", SUBJECTS)


async def asked(connect: Call, vendor: str, status: int, headers: dict[str, str]) -> float | None:
    """The pause that is read from a refusal with these headers, in seconds."""
    kind, model = SUBJECTS[vendor]
    called = await connect(kind, [Refuse(status=status, headers=headers)], model=model)
    with pytest.raises(ModelError) as caught:
        await ask(called.model)
    assert caught.value.error.retryable
    return caught.value.retry_after_s


@every_vendor
async def test_seconds(connect: Call, vendor: str) -> None:
    assert await asked(connect, vendor, 429, {"Retry-After": "7"}) == 7.0
    assert await asked(connect, vendor, 503, {"retry-after": "3"}) == 3.0


@every_vendor
async def test_a_date(connect: Call, vendor: str) -> None:
    until = formatdate(time.time() + 90, usegmt=True)
    pause = await asked(connect, vendor, 429, {"Retry-After": until})
    assert pause is not None
    assert 80 < pause <= 90


@every_vendor
async def test_a_date_that_has_passed_and_nonsense_make_no_pause(connect: Call, vendor: str) -> None:
    for value in (formatdate(time.time() - 90, usegmt=True), "soon", "-5", ""):
        assert not await asked(connect, vendor, 503, {"Retry-After": value})


@every_vendor
async def test_without_the_header_nothing_is_asked(connect: Call, vendor: str) -> None:
    assert await asked(connect, vendor, 429, {}) is None
