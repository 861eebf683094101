"""Functions of this process as tools of the agent.

The schema that the model sees comes from the signature, the descriptions from the docstring:

    def forecast(city: str, days: int = 3) -> dict:
        "Return the forecast for a city."

Arguments are described by a section `Args:` of the docstring, or by `Annotated[str, Field(description=…)]`.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from pydantic import PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from .. import wire
from ..messages import ClientTool

RESULT_BYTES = 1024 * 1024  # longest result as JSON; a model could not read more anyway

RunSync: TypeAlias = Callable[[Callable[[], Any]], Awaitable[Any]]
"""Runs a function that is not async somewhere outside the event loop."""

_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ARGS = re.compile(r"^\s*(?:Args|Arguments|Parameters):\s*$")
_SECTION = re.compile(r"^\s*(?:Args|Arguments|Parameters|Returns?|Yields?|Raises|Examples?|Notes?):\s*$")
_ARGUMENT = re.compile(r"^(?P<indent>\s+)(?P<name>\w+)\s*(?:\([^)]*\))?:\s+(?P<text>.*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What a call gives the model."""

    result: Any
    is_error: bool = False


class FunctionTool:
    """One function as a tool.

    Raises:
        TypeError: its signature cannot be described to a model; the text says what to change.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.name = _name(function)
        self._function = function
        self._arguments = _adapter(function, self.name)
        self.declaration = ClientTool(
            name=self.name,
            description=_description(function),
            input_schema=_schema(self._arguments, function),
        )

    async def call(self, args: object, run_sync: RunSync) -> Output:
        """Run the function; what it raises becomes an error for the model.

        *run_sync* runs it when it is not async; an async one runs in the current loop. Cancellation and
        KeyboardInterrupt pass through.
        """
        try:
            positional, named = self._arguments.validate_python({} if args is None else args)
        except ValidationError as error:
            return _failed(_problems(error))
        call = functools.partial(self._function, *positional, **named)
        try:
            value = await call() if inspect.iscoroutinefunction(self._function) else await run_sync(call)
        except Exception as error:  # noqa: BLE001 - the model is told, as it is what called
            return _failed(f"{type(error).__name__}: {error}")
        return _output(value)


def function_tools(functions: Iterable[Callable[..., Any]]) -> Mapping[str, FunctionTool]:
    """Return functions as tools by their names.

    Raises:
        TypeError: see `FunctionTool`; or two have the same name.
    """
    tools: dict[str, FunctionTool] = {}
    for function in functions:
        tool = FunctionTool(function)
        if tool.name in tools:
            raise TypeError(f"Expected functions with different names; {tool.name} comes twice.")
        tools[tool.name] = tool
    return tools


def _name(function: Callable[..., Any]) -> str:
    name = getattr(function, "__name__", "")
    if not callable(function) or not _TOOL_NAME.fullmatch(name):
        raise TypeError(
            f"Expected a function with a name of 1 to 64 letters, digits, _ or -, came {name or function!r}. "
            "Give a lambda or an object a name by wrapping it in a def."
        )
    return name


def _adapter(function: Callable[..., Any], name: str) -> TypeAdapter[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Return what turns a call's arguments into those of the function.

    pydantic reads a function's signature; a stand-in that only returns its arguments keeps an error that the
    function raises apart from arguments that do not fit.
    """
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(
                f"{name} has the parameter {parameter}: a model names every argument, so expected parameters "
                "without *, ** and /. Wrap it in a function that lists them."
            )

    @functools.wraps(function)
    def arguments(*args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return args, kwargs

    try:
        return TypeAdapter(cast(Any, arguments))  # a function is not a type, but pydantic takes it
    except (PydanticUserError, NameError) as error:
        raise TypeError(
            f"A type in the signature of {name} cannot be described to a model: {error}"
        ) from error


def _schema(adapter: TypeAdapter[Any], function: Callable[..., Any]) -> Mapping[str, Any]:
    schema = adapter.json_schema()
    described = _argument_texts(inspect.getdoc(function) or "")
    properties = cast("dict[str, dict[str, Any]]", schema.get("properties", {}))
    for name, field in properties.items():
        field.pop("title", None)
        if name in described:
            field.setdefault("description", described[name])
    return {**schema, "type": "object", "properties": properties}


def _description(function: Callable[..., Any]) -> str:
    """The docstring up to its sections."""
    kept: list[str] = []
    for line in (inspect.getdoc(function) or "").splitlines():
        if _SECTION.match(line):
            break
        kept.append(line)
    return "\n".join(kept).strip()


def _argument_texts(doc: str) -> Mapping[str, str]:
    """Read the section `Args:` of a docstring: what it says of each argument."""
    texts: dict[str, str] = {}
    is_inside, indent, name = False, "", ""
    for line in doc.splitlines():
        if _SECTION.match(line):
            is_inside = _ARGS.match(line) is not None
        elif (
            is_inside and (found := _ARGUMENT.match(line)) and found["indent"] == (indent or found["indent"])
        ):
            indent, name = found["indent"], found["name"]
            texts[name] = found["text"].strip()
        elif is_inside and name and line.strip():
            texts[name] += f" {line.strip()}"
    return texts


def _problems(error: ValidationError) -> str:
    lines = [
        f"{'.'.join(map(str, problem['loc'])) or 'arguments'}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_input=False)
    ]
    return f"The arguments do not fit: {'; '.join(lines)}."


def _output(value: object) -> Output:
    """Return a function's value as JSON; what has no JSON form is told by its `str`."""
    result = wire.clean_json(to_jsonable_python(value, fallback=str, inf_nan_mode="null"))
    size = len(wire.dump_json(result))
    if size > RESULT_BYTES:
        return _failed(
            f"The result has {size} bytes as JSON, which is more than {RESULT_BYTES}. Ask for less."
        )
    return Output(result=result)


def _failed(text: str) -> Output:
    return Output(result={"error": wire.clean_text(text)}, is_error=True)
