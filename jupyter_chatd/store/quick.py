"""Frozen dataclasses, made in a third of the time: a transition makes several, some with dozens of fields.

A frozen class sets each field by a call of `object.__setattr__`; an open one just stores it.
"""

from __future__ import annotations

from dataclasses import MISSING, Field, field, fields, make_dataclass
from typing import Any, TypeVar, cast

T = TypeVar("T")


def quick(cls: type[T]) -> type[T]:
    """Return what makes values of *cls* as *cls* itself does, arguments, defaults and all.

    It is an open class with the same slots, whose objects become frozen ones as soon as they are filled. It
    takes the fields by place too.

    Args:
        cls: A dataclass with slots, without `__post_init__`; fields that have no default come first.

    Raises:
        TypeError: *cls* is no such class.
    """
    if hasattr(cls, "__post_init__") or not hasattr(cls, "__slots__"):
        raise TypeError(f"expected a dataclass with slots and without __post_init__, got {cls.__qualname__}")

    def freeze(made: Any) -> None:
        made.__class__ = cls

    # No reason to compare or show what never leaves the constructor.
    twin = make_dataclass(
        f"Open{cls.__name__}",
        [(one.name, Any, _default(one)) for one in fields(cast(Any, cls))],
        namespace={"__post_init__": freeze},
        slots=True,
        eq=False,
        repr=False,
    )
    return cast(type[T], twin)


def _default(one: Field[Any]) -> Any:
    if one.default is not MISSING:
        return field(default=one.default)
    return field() if one.default_factory is MISSING else field(default_factory=one.default_factory)
