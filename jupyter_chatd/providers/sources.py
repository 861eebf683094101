"""Where addresses and keys come from: the environment, the server's configuration, what people set up.

A key is only ever sent to the address that it was given for. So an address that someone entered in the
settings gets the key from the settings, never one that the server's environment holds for another address.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from ..errors import ModelError
from ..model_settings import ProviderConfig
from .credentials import Credentials, CredentialsError
from .endpoint import Endpoint, Kind, check_api_key, check_base_url
from .errors import config_error, missing_key
from .presets import DEMO, PRESETS, label_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderEntry:
    """A provider of the server's configuration (the trait `providers`)."""

    provider: str
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    models: tuple[str, ...] = ()


def provider_entries(values: Sequence[Mapping[str, Any]]) -> dict[str, ProviderEntry]:
    """Read the trait: dicts with `provider`, `base_url`, `api_key` and `models`.

    Raises:
        ValueError: an entry has no `provider`, an unknown field, or a field of a wrong type; keys are not
        repeated.
    """
    entries = [_entry(value, number) for number, value in enumerate(values)]
    return {entry.provider: entry for entry in entries}


def _entry(value: Mapping[str, Any], number: int) -> ProviderEntry:
    wanted = {"provider": str, "base_url": str, "api_key": str, "models": (list, tuple)}
    if unknown := sorted(set(value) - set(wanted)):
        raise ValueError(
            f"providers[{number}] has unknown fields {', '.join(unknown)}; known: {', '.join(wanted)}."
        )
    for name, kind in wanted.items():
        if name in value and not isinstance(value[name], kind):
            raise ValueError(f"providers[{number}].{name} has the wrong type, {type(value[name]).__name__}.")
    if not value.get("provider"):
        raise ValueError(f"providers[{number}] needs a provider, such as openai or a name of your own.")
    if value["provider"] == DEMO:
        raise ValueError(f"providers[{number}] cannot be {DEMO}, which is built in. Choose another name.")
    models = tuple(str(model) for model in cast("Sequence[Any]", value.get("models") or ()))
    return ProviderEntry(
        provider=value["provider"],
        base_url=value.get("base_url") or None,
        api_key=value.get("api_key") or None,
        models=models,
    )


class Sources:
    """Finds the endpoint of a provider. Holds no state of its own; reads the key file at every call."""

    def __init__(
        self, *, environ: Mapping[str, str], entries: Mapping[str, ProviderEntry], credentials: Credentials
    ) -> None:
        self._environ = environ
        self._entries = entries
        self._credentials = credentials

    def endpoint(self, provider: str, row: ProviderConfig | None) -> Endpoint:
        """The endpoint of *provider*, with its key. *row* is what people set up for it, if they did.

        Raises:
            ModelError: it is switched off, has no address, or needs a key and has none; says what to do.
        """
        if row is not None and not row.enabled:
            raise config_error(f"The provider {provider} is switched off in the settings.", provider=provider)
        try:
            endpoint = self._endpoint(provider, row)
        except (ValueError, CredentialsError) as problem:
            raise config_error(f"{label_of(provider)}: {problem}", provider=provider) from None
        if endpoint.api_key is None and endpoint.is_official:
            raise missing_key(endpoint)
        return endpoint

    def is_in_environment(self, provider: str) -> bool:
        """Whether the environment names a key or an address for *provider*."""
        preset = PRESETS.get(provider)
        return preset is not None and bool(
            self._variable(preset.key_variable) or self._variable(preset.url_variable)
        )

    def _endpoint(self, provider: str, row: ProviderConfig | None) -> Endpoint:
        entry = self._entries.get(provider) or ProviderEntry(provider=provider)
        preset = PRESETS.get(provider)
        own_url = self._variable(preset.url_variable) if preset else None
        server_url = entry.base_url or own_url or (preset.base_url if preset else None)
        chosen_url = check_base_url(row.base_url) if row and row.base_url else None
        url = chosen_url or server_url
        if url is None:
            raise ValueError(
                "it has no base URL. Enter one in the provider settings, such as http://127.0.0.1:8000/v1."
            )
        base_url = check_base_url(url)
        is_foreign = chosen_url is not None and base_url != (
            check_base_url(server_url) if server_url else None
        )
        return Endpoint(
            provider=provider,
            kind=preset.kind if preset else Kind.OPENAI_COMPAT,
            base_url=base_url,
            label=label_of(provider, row.display_name if row else None),
            api_key=self._key(provider, entry, chosen_url, is_foreign=is_foreign),
            key_source=self._key_source(provider, is_foreign=is_foreign),
            from_environment=not is_foreign and entry.base_url is None,
        )

    def _key(
        self, provider: str, entry: ProviderEntry, chosen_url: str | None, *, is_foreign: bool
    ) -> str | None:
        """The first key of: configuration with an address, environment, configuration, key file."""
        found: str | None = None
        if not is_foreign:
            own = self._variable(PRESETS[provider].key_variable) if provider in PRESETS else None
            found = (entry.api_key if entry.base_url else None) or own or entry.api_key
        found = found or self._credentials.find(provider, base_url=chosen_url)
        return check_api_key(found) if found else None

    def _key_source(self, provider: str, *, is_foreign: bool) -> str:
        settings = "the provider settings"
        if provider not in PRESETS or is_foreign:
            return settings
        return f"{PRESETS[provider].key_variable} in the server's environment, or {settings}"

    def _variable(self, name: str) -> str | None:
        return self._environ.get(name, "").strip() or None


def why_unavailable(error: ModelError) -> str:
    """The machine word for why a provider cannot be used: `missing_api_key` or `misconfigured`."""
    return "missing_api_key" if error.error.kind == "auth" else "misconfigured"
