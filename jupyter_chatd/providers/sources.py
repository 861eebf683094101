"""Where addresses and keys come from: the environment, the server's configuration, what people set up.

A key is only ever sent to the address that it was given for. So an address that someone entered in the
settings gets the key from the settings, never one that the server's environment holds for another address.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from ..errors import ModelError
from ..model_settings import ProviderConfig
from ..private_file import PrivateFileError
from .credentials import Credentials
from .endpoint import BEDROCK_HOST, Endpoint, Kind, check_api_key, check_base_url
from .errors import config_error, missing_key
from .presets import DEMO, PRESETS, Preset, label_of, missing_extra

IDENTITY_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
"""Any of these says that the machine has credentials of Amazon's cloud."""


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
    """Finds the endpoint of a provider. Holds no state of its own; reads the key file at every call.

    Args:
        takes_entered_keys: Whether keys of the key file may be used now.
    """

    def __init__(
        self,
        *,
        environ: Mapping[str, str],
        entries: Mapping[str, ProviderEntry],
        credentials: Credentials,
        takes_entered_keys: Callable[[], bool] = lambda: True,
    ) -> None:
        self._takes_entered_keys = takes_entered_keys
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
        except (ValueError, PrivateFileError) as problem:
            raise config_error(f"{label_of(provider)}: {problem}", provider=provider) from None
        if endpoint.api_key is None and self._needs_key(endpoint):
            raise missing_key(endpoint)
        if extra := missing_extra(endpoint.kind):
            raise config_error(
                f"{endpoint.label} needs code that is not installed. Install it, and restart the server: "
                f'pip install "jupyter_chatd[{extra}]"',
                provider=provider,
            )
        return endpoint

    def _needs_key(self, endpoint: Endpoint) -> bool:
        preset = PRESETS.get(endpoint.provider)
        if endpoint.may_use_cloud_identity:
            return False
        return endpoint.is_official or (preset is not None and preset.needs_key)

    def is_in_environment(self, provider: str) -> bool:
        """Whether the environment names a key or an address for *provider*."""
        preset = PRESETS.get(provider)
        if preset is None:
            return False
        named = any(self._variable(name) for name in (*preset.key_variables, preset.url_variable))
        return named or (preset.kind is Kind.BEDROCK and self._has_cloud_identity())

    def _endpoint(self, provider: str, row: ProviderConfig | None) -> Endpoint:
        entry = self._entries.get(provider) or ProviderEntry(provider=provider)
        preset = PRESETS.get(provider)
        server_url = self._server_url(entry, preset)
        chosen_url = _address(row.base_url, preset) if row and row.base_url else None
        base_url = chosen_url or server_url
        if base_url is None:
            raise ValueError(f"it has no base URL. {preset.address_hint if preset else Preset.address_hint}")
        is_foreign = chosen_url is not None and not _is_same_service(chosen_url, server_url, preset)
        is_set_up = row is not None or provider in self._entries
        return Endpoint(
            provider=provider,
            kind=preset.kind if preset else Kind.OPENAI_COMPAT,
            base_url=base_url,
            label=label_of(provider, row.display_name if row else None),
            api_key=self._key(provider, entry, row, is_foreign=is_foreign),
            key_source=self._key_source(provider, is_foreign=is_foreign),
            may_use_cloud_identity=preset is not None
            and preset.kind is Kind.BEDROCK
            and not is_foreign
            and (is_set_up or self._has_cloud_identity()),
            from_environment=not is_foreign and entry.base_url is None,
        )

    def _server_url(self, entry: ProviderEntry, preset: Preset | None) -> str | None:
        """The address of the server's configuration or environment, or the vendor's own."""
        own = (self._variable(preset.url_variable) or preset.find_url(self._environ)) if preset else None
        url = entry.base_url or own or (preset.base_url if preset else None)
        return _address(url, preset) if url else None

    def _key(
        self, provider: str, entry: ProviderEntry, row: ProviderConfig | None, *, is_foreign: bool
    ) -> str | None:
        """The first key of: configuration with an address, environment, configuration, key file."""
        found: str | None = None
        if not is_foreign:
            preset = PRESETS.get(provider)
            own = [self._variable(name) for name in preset.key_variables] if preset else []
            found = (entry.api_key if entry.base_url else None) or next(filter(None, own), None)
            found = found or entry.api_key
        if not self._takes_entered_keys():
            return check_api_key(found) if found else None
        # As it was entered: what the key was stored with.
        entered = check_base_url(row.base_url) if row and row.base_url else None
        found = found or self._credentials.find(provider, base_url=entered)
        return check_api_key(found) if found else None

    def _key_source(self, provider: str, *, is_foreign: bool) -> str:
        settings = "the provider settings"
        preset = PRESETS.get(provider)
        if preset is None or is_foreign or not preset.key_variables:
            return settings
        return f"{preset.key_variables[0]} in the server's environment, or {settings}"

    def _has_cloud_identity(self) -> bool:
        """Whether there seem to be cloud credentials; only using them would tell for sure, and takes time."""
        if any(self._variable(name) for name in IDENTITY_VARIABLES):
            return True
        home = self._variable("HOME")
        own = Path(home, ".aws", "credentials") if home else None
        named = self._variable("AWS_SHARED_CREDENTIALS_FILE")
        file = Path(named) if named else own
        return file is not None and file.is_file()

    def _variable(self, name: str) -> str | None:
        return self._environ.get(name, "").strip() or None


def _address(url: str, preset: Preset | None) -> str:
    """The address to call for what someone entered; see `check_base_url` for what it raises."""
    checked = url if preset is not None and preset.is_local else check_base_url(url)
    return check_base_url(preset.normal_url(checked)) if preset else checked


def _is_same_service(chosen: str, server: str | None, preset: Preset | None) -> bool:
    """Whether a key of the server's may go to the address that someone chose.

    Amazon's hosts differ by region and are all Amazon's: choosing one of them gives a key to nobody else.
    """
    if chosen == server:
        return True
    hosts = [str(urlsplit(url).hostname) for url in (chosen, server or chosen)]
    are_amazons = chosen.startswith("https://") and all(map(BEDROCK_HOST.fullmatch, hosts))
    return preset is not None and preset.kind is Kind.BEDROCK and are_amazons


def why_unavailable(error: ModelError) -> str:
    """The machine word for why a provider cannot be used: `missing_api_key` or `misconfigured`."""
    return "missing_api_key" if error.error.kind == "auth" else "misconfigured"
