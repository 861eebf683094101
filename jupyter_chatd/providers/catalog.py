"""Which models there are, and the one that a name means."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ..capabilities import AllowList, Capabilities, Capability
from ..errors import ModelError
from ..model_settings import CompactionChoice, ModelConfig, ProviderConfig, StoredModels
from .bridge import BridgeModel
from .configured import ConfiguredModel
from .credentials import Credentials
from .demo import DemoModel
from .endpoint import Endpoint
from .errors import config_error
from .model_lists import ModelLists
from .presets import DEMO, PRESETS, label_of
from .prices import prices_of
from .protocol import Model
from .settings import call_settings, compaction_choice
from .sources import Sources, provider_entries, why_unavailable

DEMO_REF = "demo:demo"
MAX_MODELS = 200  # that one endpoint offers
ABSENCE_LIFETIME = 30.0  # seconds after which it is asked again whether a local server runs


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedModel:
    """One model that can be chosen."""

    id: str
    """A model config's id, else `provider:model`."""
    provider: str
    model: str
    display_name: str

    @property
    def ref(self) -> str:
        """`provider:model`."""
        return f"{self.provider}:{self.model}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedProvider:
    """One provider and what it offers."""

    provider: str
    display_name: str
    available: bool
    has_api_key: bool = False
    unavailable_reason: str | None = None
    """`disabled`, `missing_api_key`, `misconfigured`, or `not_running` for a local server."""
    unavailable_detail: str | None = None
    """The same as a sentence that says what to do."""
    models: tuple[ListedModel, ...] = ()


_DEMO = ListedProvider(
    provider=DEMO,
    display_name="Demo",
    available=True,
    models=(ListedModel(id=DEMO_REF, provider=DEMO, model=DEMO, display_name="Demo"),),
)


class ModelCatalog:
    """Finds models by name. Lives as long as the server.

    Everything that people may change is read again at every call, so there is nothing to invalidate: a
    connection whose endpoint has changed is replaced at the next use, and closes when its last stream has
    ended.

    Args:
        environ: The server's environment: `ANTHROPIC_API_KEY`, `OPENAI_BASE_URL` and the like.
        providers: The trait of that name.
        stored: Reads what the store holds.
        credentials: The key file.
        default_model: The trait of that name; empty leaves the choice to `default_ref`.
        capabilities: Returns what the agent may do now: which models, and whether providers that people set
            up count.

    Raises:
        ValueError: *providers* is malformed; says where.
    """

    def __init__(
        self,
        *,
        environ: Mapping[str, str],
        providers: Sequence[Mapping[str, Any]] = (),
        stored: Callable[[], Awaitable[StoredModels]],
        credentials: Credentials,
        default_model: str = "",
        capabilities: Callable[[], Capabilities] = Capabilities,
    ) -> None:
        self.credentials = credentials
        self._entries = provider_entries(providers)
        self._capabilities = capabilities
        self._sources = Sources(
            environ=environ,
            entries=self._entries,
            credentials=credentials,
            takes_entered_keys=lambda: capabilities().has(Capability.PROVIDERS),
        )
        self._read_stored = stored
        self._default_model = default_model
        self._demo = DemoModel()
        self._models: dict[tuple[str, str], tuple[Endpoint, BridgeModel]] = {}
        self._lists = ModelLists()

    async def resolve(self, model: str, model_config_id: str | None = None) -> Model:
        """The model of that name, ready to be called, with the settings of its model config if it has one.

        A config that was deleted or switched off counts as absent: the name alone decides.

        Raises:
            ModelError: there is no such model, or its provider cannot be used; says what to do.
        """
        stored = await self._stored()
        ref, config = await self._find(model, model_config_id, stored)
        self.require_allowed(ref)
        provider, _, name = ref.partition(":")
        found = self._demo if provider == DEMO else await self._connect(provider, name, stored)
        return _configure(found, config) if config else found

    async def compaction(self, model: str, model_config_id: str | None = None) -> CompactionChoice:
        """What the model config that `resolve` would take says about compaction; nothing without one."""
        try:
            _, config = await self._find(model, model_config_id, await self._stored())
        except ModelError:  # `resolve` will tell
            config = None
        return compaction_choice(config) if config else CompactionChoice()

    async def title_models(
        self, model: str, model_config_id: str | None = None
    ) -> tuple[tuple[str, str | None], ...]:
        """Models that may write a title for a chat with *model*, the first one first, each with its config.

        Only of the same provider: a conversation goes to nobody whom the user did not choose for it. None
        for the demo model.
        """
        stored = await self._stored()
        ref, config = await self._find(model, model_config_id, stored)
        provider, _, name = ref.partition(":")
        if provider == DEMO:
            return ()
        own = (ref, config.id if config else None)
        small = PRESETS[provider].small_model if provider in PRESETS else None
        if small is None or small == name or not self._is_allowed(f"{provider}:{small}"):
            return (own,)
        endpoint = await asyncio.to_thread(self._sources.endpoint, provider, _row(stored, provider))
        return ((f"{provider}:{small}", None), own) if endpoint.is_official else (own,)

    async def _find(
        self, model: str, model_config_id: str | None, stored: StoredModels
    ) -> tuple[str, ModelConfig | None]:
        """`provider:model` and the config that belongs to it."""
        config = find_config(stored, model_config_id)
        if config is not None:
            return config.ref, config
        ref = await self.canonical_ref(model, stored=stored)
        return ref, next((known for known in stored.models if known.enabled and known.ref == ref), None)

    async def canonical_ref(self, model: str, *, stored: StoredModels | None = None) -> str:
        """`provider:model` for a full name, or for the bare name of a known model.

        Order: a full name whose provider is known; a model that someone configured; how vendors' names begin.

        Raises:
            ModelError: nothing of that is so; lists the providers.
        """
        stored = stored or await self._stored()
        name = model.strip()
        provider, colon, rest = name.partition(":")
        if colon and rest and provider in self._provider_names(stored):
            return f"{provider}:{rest}"
        if name == DEMO:
            return DEMO_REF
        configured = [known.ref for known in self._configured_models(stored) if known.model == name]
        by_prefix = [f"{key}:{name}" for key, preset in PRESETS.items() if name.startswith(preset.prefixes)]
        if found := configured or by_prefix:
            return found[0]
        providers = ", ".join(self._provider_names(stored))
        raise config_error(
            f"The model {name[:100]!r} is not known. Write provider:model; providers are {providers}."
        )

    async def default_ref(self) -> str:
        """The model of a chat that names none.

        In order: the trait; the default model config; the first provider of the environment; the first other
        provider that can be used and offers a model; the demo model.
        """
        stored = await self._stored()
        if self._default_model:
            return await self.canonical_ref(self._default_model, stored=stored)
        if (config := find_default(stored)) is not None and self._is_allowed(config.ref):
            return config.ref
        for provider in self._by_preference(stored):
            if (ref := await self._first_model(provider, stored)) is not None:
                return ref
        return DEMO_REF

    async def default_config_id(self) -> str | None:
        """The id of the default model config, when that is where the default comes from."""
        config = None if self._default_model else find_default(await self._stored())
        return config.id if config and self._is_allowed(config.ref) else None

    async def listing(self) -> tuple[ListedProvider, ...]:
        """All providers that are configured or known, and their models.

        Endpoints for which nobody configured models are asked for theirs.
        """
        stored = await self._stored()
        names = [name for name in self._provider_names(stored) if name != DEMO]
        listed = await asyncio.gather(*(self._list(name, stored) for name in names))
        return (*listed, _DEMO) if self._is_allowed(DEMO_REF) else tuple(listed)

    async def has_api_key(self, provider: str) -> bool:
        """Whether there is a key for *provider*, wherever it comes from, switched on or not."""
        row = _row(await self._stored(), provider)
        row = replace(row, enabled=True) if row else None
        try:
            return (await asyncio.to_thread(self._sources.endpoint, provider, row)).api_key is not None
        except ModelError:
            return False

    def require_allowed(self, ref: str) -> None:
        """Make sure that the policy of this server allows a model.

        Raises:
            ModelError: it does not.
        """
        if not self._is_allowed(ref):
            raise config_error(
                f"The model {ref[:100]} is not among those that whoever runs this server allows. Choose "
                "another one for this chat."
            )

    def _is_allowed(self, ref: str) -> bool:
        return self._capabilities().policy.allows_model(ref)

    async def _stored(self) -> StoredModels:
        """What people set up, as far as it counts."""
        stored = await self._read_stored()
        return stored if self._capabilities().has(Capability.PROVIDERS) else replace(stored, providers=())

    async def aclose(self) -> None:
        """Release all connections. May be called twice."""
        await self._lists.aclose()
        models, self._models = self._models, {}
        for _, model in models.values():
            await model.aclose()

    # Connections.

    async def _connect(self, provider: str, name: str, stored: StoredModels) -> Model:
        endpoint = await asyncio.to_thread(self._sources.endpoint, provider, _row(stored, provider))
        self._lists.ask_soon(endpoint)
        known = self._models.get((provider, name))
        if known is not None and known[0] == endpoint:
            return known[1]
        model = BridgeModel(endpoint, name, listed_limit=partial(self._lists.find_limit, endpoint, name))
        self._models[provider, name] = (endpoint, model)
        if known is not None:
            await known[1].aclose()
        return model

    # What is offered.

    def _provider_names(self, stored: StoredModels) -> list[str]:
        rows = [row.provider for row in stored.providers]
        names = dict.fromkeys([*PRESETS, *self._entries, *rows, DEMO])
        policy = self._capabilities().policy
        return [name for name in names if policy.allows(AllowList.PROVIDERS, name)]

    def _by_preference(self, stored: StoredModels) -> list[str]:
        """Providers in the order in which a default is looked for."""
        names = [name for name in self._provider_names(stored) if name != DEMO]
        return sorted(names, key=lambda name: not self._sources.is_in_environment(name))

    def _configured_models(self, stored: StoredModels) -> Iterator[ListedModel]:
        """Models that someone named: in model configs, then in the server's configuration."""
        for config in stored.models:
            if config.enabled and self._is_allowed(config.ref):
                yield _listed(config.provider, config.model, config.display_name, config_id=config.id)
        for entry in self._entries.values():
            yield from (
                _listed(entry.provider, model)
                for model in entry.models
                if self._is_allowed(f"{entry.provider}:{model}")
            )

    async def _first_model(self, provider: str, stored: StoredModels) -> str | None:
        """The model of *provider* to take when nobody chose; `None` when the provider cannot be used."""
        listed = await self._list(provider, stored)
        if not listed.available:
            return None
        if listed.models:
            return listed.models[0].ref
        # An address without a list of models: the vendor's usual name, which many gateways accept.
        usual = PRESETS[provider].models if provider in PRESETS else ()
        return next(filter(self._is_allowed, (f"{provider}:{name}" for name in usual)), None)

    async def _list(self, provider: str, stored: StoredModels) -> ListedProvider:
        row = _row(stored, provider)
        label = label_of(provider, row.display_name if row else None)
        try:
            endpoint = await asyncio.to_thread(self._sources.endpoint, provider, row)
        except ModelError as error:
            reason = "disabled" if row and not row.enabled else why_unavailable(error)
            return ListedProvider(
                provider=provider,
                display_name=label,
                available=False,
                unavailable_reason=reason,
                unavailable_detail=error.error.message,
            )
        chosen = tuple(known for known in self._configured_models(stored) if known.provider == provider)
        models = chosen or await self._offered(endpoint)
        return ListedProvider(
            provider=provider,
            display_name=label,
            available=models is not None,
            has_api_key=endpoint.api_key is not None,
            unavailable_reason="not_running" if models is None else None,
            unavailable_detail=f"{endpoint.subject} does not answer. Start it." if models is None else None,
            models=models or (),
        )

    async def _offered(self, endpoint: Endpoint) -> tuple[ListedModel, ...] | None:
        """Models that nobody named: the vendor's usual ones at its own address, what any other one lists.

        `None` when it is a server of this machine's own that does not run.
        """
        preset = PRESETS.get(endpoint.provider)
        if endpoint.is_official and preset:
            names = preset.models
        else:
            is_local = preset is not None and preset.is_local
            found = await self._lists.find(endpoint, silence=ABSENCE_LIFETIME if is_local else 0.0)
            if found is None and is_local:
                return None
            names = tuple(found or ())[:MAX_MODELS]
        listed = (_listed(endpoint.provider, name) for name in names)
        return tuple(model for model in listed if self._is_allowed(model.ref))


def find_config(stored: StoredModels, config_id: str | None) -> ModelConfig | None:
    """The model config of that id, unless it is switched off."""
    return next((config for config in stored.models if config.id == config_id and config.enabled), None)


def find_default(stored: StoredModels) -> ModelConfig | None:
    """The default model config, unless it or its provider is switched off."""
    off = {row.provider for row in stored.providers if not row.enabled}
    return next((c for c in stored.models if c.is_default and c.enabled and c.provider not in off), None)


def _row(stored: StoredModels, provider: str) -> ProviderConfig | None:
    return next((row for row in stored.providers if row.provider == provider), None)


def _listed(
    provider: str, model: str, display_name: str | None = None, *, config_id: str | None = None
) -> ListedModel:
    return ListedModel(
        id=config_id or f"{provider}:{model}",
        provider=provider,
        model=model,
        display_name=display_name or model,
    )


def _configure(model: Model, config: ModelConfig) -> Model:
    try:
        settings, prices = call_settings(config.options), prices_of(config.options)
    except ValueError as problem:
        raise config_error(
            f"{problem} Correct the model config {config.display_name or config.model}."
        ) from None
    return ConfiguredModel(model, settings=settings, context_limit=config.context_limit, prices=prices)
