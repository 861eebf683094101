"""Functions of this process as tools: what the model sees, and what it gets."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from jupyter_chatd.client.functions import RESULT_BYTES, FunctionTool, Output, function_tools


async def at_once(call: Callable[[], Any]) -> Any:
    return call()


async def outcome(function: Callable[..., Any], args: object) -> Output:
    return await FunctionTool(function).call(args, at_once)


def forecast(
    city: str,
    days: int = 3,
    *,
    unit: Literal["C", "F"] = "C",
    note: Annotated[str | None, Field(description="Anything else.")] = None,
) -> str:
    """Return the forecast for a city.

    It is made up.

    Args:
        city: Its English name,
            without the country.
        days (int): How many.

    Returns:
        Text: one line.
    """
    return f"{city} {days} {unit} {note}"


def test_the_model_sees_signature_and_docstring() -> None:
    declared = FunctionTool(forecast).declaration
    assert declared.name == "forecast"
    assert declared.description == "Return the forecast for a city.\n\nIt is made up."
    assert declared.input_schema == {
        "type": "object",
        "additionalProperties": False,
        "required": ["city"],
        "properties": {
            "city": {"type": "string", "description": "Its English name, without the country."},
            "days": {"type": "integer", "default": 3, "description": "How many."},
            "unit": {"enum": ["C", "F"], "type": "string", "default": "C"},
            "note": {
                "anyOf": [{"type": "string"}, {"type": "null"}],
                "default": None,
                "description": "Anything else.",
            },
        },
    }


def test_a_function_without_parameters_takes_an_empty_object() -> None:
    def now() -> None: ...

    assert FunctionTool(now).declaration.input_schema == {
        "type": "object",
        "additionalProperties": False,
        "properties": {},
    }


@pytest.mark.anyio
async def test_arguments_arrive_as_the_signature_says() -> None:
    assert await outcome(forecast, {"city": "Oslo", "unit": "F"}) == Output(result="Oslo 3 F None")


@pytest.mark.anyio
@pytest.mark.parametrize(
    "args, problem",
    [
        (None, "city: "),
        ({"city": 5}, "city: Input should be a valid string"),
        ({"city": "Oslo", "weeks": 1}, "weeks: Unexpected keyword argument"),
        ({"city": "Oslo", "unit": "K"}, "unit: Input should be 'C' or 'F'"),
    ],
)
async def test_arguments_that_do_not_fit_are_explained(args: object, problem: str) -> None:
    found = await outcome(forecast, args)
    assert found.is_error
    assert problem in found.result["error"]


@pytest.mark.anyio
async def test_what_a_function_raises_is_told() -> None:
    def broken() -> None:
        raise LookupError("nothing there")

    assert await outcome(broken, {}) == Output(result={"error": "LookupError: nothing there"}, is_error=True)


@pytest.mark.anyio
async def test_async_functions_are_awaited() -> None:
    async def double(number: int) -> int:
        return 2 * number

    async def never(_call: Callable[[], Any]) -> Any:
        raise AssertionError

    assert await FunctionTool(double).call({"number": 4}, never) == Output(result=8)


class Thing:
    def __str__(self) -> str:
        return "a thing"

    def measure(self, times: int) -> int:
        return times


@pytest.mark.anyio
@pytest.mark.parametrize(
    "value, result",
    [
        ({"a": (1, 2)}, {"a": [1, 2]}),
        (Thing(), "a thing"),
        (float("nan"), None),
        ("half \ud83d", "half \ufffd"),
        (None, None),
    ],
)
async def test_values_become_json(value: object, result: object) -> None:
    def give() -> object:
        return value

    assert await outcome(give, {}) == Output(result=result)


@pytest.mark.anyio
async def test_a_result_may_not_be_endless() -> None:
    def flood() -> str:
        return "x" * RESULT_BYTES

    found = await outcome(flood, {})
    assert found.is_error
    assert "Ask for less" in found.result["error"]


@pytest.mark.anyio
async def test_methods_are_functions_too() -> None:
    assert await outcome(Thing().measure, {"times": 2}) == Output(result=2)


def starred(*words: str) -> None: ...


def positional(word: str, /) -> None: ...


def keywords(**words: str) -> None: ...


def untellable(where: Thing) -> None: ...


@pytest.mark.parametrize(
    "function", [starred, positional, keywords, untellable, lambda: None, functools.partial(forecast, "Oslo")]
)
def test_functions_that_no_model_can_call_are_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(TypeError):
        FunctionTool(function)


def test_names_must_differ() -> None:
    with pytest.raises(TypeError, match="forecast comes twice"):
        function_tools([forecast, forecast])
