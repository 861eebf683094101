"""Call settings in the words of the model library."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .computer import OPTION
from .protocol import CallSettings, ModelCall

if TYPE_CHECKING:
    from pydantic_ai.models import Model as LibraryModel
    from pydantic_ai.native_tools import WebSearchTool

Option = tuple[str, Callable[[Any], Any]]
"""The library's setting, and how the option's value becomes its value."""


def same(value: Any) -> Any:
    """The value as it is."""
    return value


def common_settings(settings: CallSettings) -> dict[str, Any]:
    """What every vendor has a word for."""
    given = {
        "max_tokens": settings.max_output_tokens,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "top_k": settings.top_k,
        "presence_penalty": settings.presence_penalty,
        "frequency_penalty": settings.frequency_penalty,
    }
    return {name: value for name, value in given.items() if value is not None}


def effort_settings(settings: CallSettings) -> dict[str, Any]:
    """The reasoning effort in the library's words, which it translates for each model."""
    effort = settings.reasoning_effort
    return {} if effort is None else {"thinking": False if effort == "none" else effort}


def options_of(call: ModelCall, keys: Sequence[str]) -> Mapping[str, Any]:
    """The call's `provider_options` under the first of *keys* that there is; empty when there is none."""
    given = call.settings.provider_options
    return next((given[key] for key in keys if given.get(key)), dict[str, Any]())


WEB_SEARCH = {
    "web_search": bool,
    "web_search_enabled": bool,
    "search_context_size": str,
    "allowed_domains": list,
    "blocked_domains": list,
}
"""Options of the search that the vendor itself runs, and their types. Either flag switches it on."""

READ_ELSEWHERE = {*WEB_SEARCH, "send_reasoning", OPTION}
"""Options that are no setting of the library."""


def web_search_tool(options: Mapping[str, Any], model: LibraryModel) -> WebSearchTool | None:
    """The vendor's own web search, if it is switched on.

    Raises:
        ValueError: an option has the wrong type, both lists of domains are given, or *model* has no search.
    """
    from pydantic_ai.native_tools import WebSearchTool

    given = {name: options[name] for name in WEB_SEARCH if options.get(name) is not None}
    for name, value in given.items():
        if not isinstance(value, WEB_SEARCH[name]):
            raise ValueError(f"Provider option {name} must be {WEB_SEARCH[name].__name__}.")
    is_on = given.pop("web_search", False) | given.pop("web_search_enabled", False)
    if given.get("allowed_domains") and given.get("blocked_domains"):
        raise ValueError("Provider options allowed_domains and blocked_domains exclude each other.")
    if is_on and WebSearchTool not in model.profile.get("supported_native_tools", ()):
        raise ValueError(
            f"The provider runs no web search for {model.model_name}. Take web_search out of the options."
        )
    return WebSearchTool(**given) if is_on else None


def option_settings(
    options: Mapping[str, Any], known: Mapping[str, Option], *, elsewhere: Sequence[str] = ()
) -> dict[str, Any]:
    """What `provider_options` ask for. Options that are `None`, or read *elsewhere*, are left out.

    Raises:
        ValueError: an option is unknown; the text lists those that exist.
    """
    names = {*known, *READ_ELSEWHERE, *elsewhere}
    if unknown := sorted(set(options) - names):
        raise ValueError(
            f"Unknown provider option {', '.join(unknown)}. Known are: {', '.join(sorted(names))}."
        )
    settings: dict[str, Any] = {}
    for name, value in options.items():
        if value is not None and name in known:
            setting, convert = known[name]
            settings[setting] = convert(value)
    return settings
