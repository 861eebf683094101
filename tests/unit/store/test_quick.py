"""Frozen values that are made quickly are what their classes make."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass, field

import pytest

from jupyter_chatd.store.quick import quick


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    name: str
    weight: float = 1.5
    tags: list[str] = field(default_factory=list[str])


def test_it_is_a_value_of_the_class() -> None:
    leaf = quick(Leaf)(name="oak")
    assert type(leaf) is Leaf
    assert leaf == Leaf(name="oak", weight=1.5, tags=[])
    assert repr(leaf) == repr(Leaf(name="oak"))


def test_each_has_defaults_of_its_own() -> None:
    make = quick(Leaf)
    assert make(name="oak").tags is not make(name="elm").tags


def test_it_is_frozen() -> None:
    leaf = quick(Leaf)(name="oak")
    with pytest.raises(FrozenInstanceError):
        leaf.name = "elm"  # pyright: ignore[reportAttributeAccessIssue]


def test_a_field_without_default_is_needed() -> None:
    with pytest.raises(TypeError, match="name"):
        quick(Leaf)(weight=2.0)  # pyright: ignore[reportCallIssue]


def test_a_class_that_checks_its_fields_is_refused() -> None:
    @dataclass(frozen=True, slots=True)
    class Checked:
        name: str

        def __post_init__(self) -> None:
            assert self.name

    with pytest.raises(TypeError, match="Checked"):
        quick(Checked)


def test_a_class_without_slots_is_refused() -> None:
    @dataclass(frozen=True)
    class Loose:
        name: str

    with pytest.raises(TypeError, match="Loose"):
        quick(Loose)
