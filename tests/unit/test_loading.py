"""The collector rests while modules are loaded, and works again afterwards."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from jupyter_chatd.loading import collector_at_rest


@pytest.fixture(autouse=True)
def collecting() -> Iterator[None]:
    yield
    gc.enable()


def test_it_rests_meanwhile_and_works_again() -> None:
    with collector_at_rest():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_works_again_when_loading_fails() -> None:
    with pytest.raises(ImportError), collector_at_rest():
        raise ImportError("no such module")
    assert gc.isenabled()


def test_one_that_was_off_stays_off() -> None:
    gc.disable()
    with collector_at_rest():
        pass
    assert not gc.isenabled()
