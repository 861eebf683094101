"""What is known of vendors without being configured."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from .endpoint import ANTHROPIC_URL, GOOGLE_URL, OPENAI_URL, OPENROUTER_URL, Kind

OLLAMA_URL = "http://127.0.0.1:11434/v1"
OLLAMA_PORT = 11434
AZURE_PATH = "/openai/v1"
"""Where Azure serves OpenAI's API without dated versions."""


def as_it_is(url: str) -> str:
    """The address unchanged."""
    return url


def no_url(environ: Mapping[str, str]) -> None:
    """Nothing in *environ* tells an address."""


def azure_url(url: str) -> str:
    """The address of the API, for a resource's address as the portal shows it."""
    return url if urlsplit(url).path.strip("/") else url.rstrip("/") + AZURE_PATH


def ollama_url(host: str) -> str:
    """The address of the API for a value of OLLAMA_HOST, which may lack scheme and port.

    >>> ollama_url("0.0.0.0")
    'http://127.0.0.1:11434/v1'
    """
    url = host if "://" in host else f"http://{host}"
    parts = urlsplit(url)
    if parts.path.strip("/"):
        return url
    # What a server listens on is no address to call.
    name = {"0.0.0.0": "127.0.0.1", "::": "::1", None: "127.0.0.1"}.get(parts.hostname, parts.hostname)
    default = {"http": OLLAMA_PORT if "://" not in host else 80, "https": 443}.get(parts.scheme)
    name = f"[{name}]" if name and ":" in name else name
    return f"{parts.scheme}://{name}:{parts.port or default}/v1"


def bedrock_url(environ: Mapping[str, str]) -> str | None:
    """Amazon's address in the region that the environment names."""
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    domain = "amazonaws.com.cn" if (region or "").startswith("cn-") else "amazonaws.com"
    return f"https://bedrock-runtime.{region}.{domain}" if region else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A vendor that a key is enough for, or a kind of server that only needs its address."""

    kind: Kind
    label: str
    key_variables: tuple[str, ...] = ()
    """The first that is set counts."""
    url_variable: str
    base_url: str | None = None
    """`None`: everyone has an address of their own."""
    find_url: Callable[[Mapping[str, str]], str | None] = no_url
    """The address that follows from other variables of the environment."""
    normal_url: Callable[[str], str] = as_it_is
    """The API's address, for what people enter."""
    models: tuple[str, ...] = ()
    """Offered when nobody chose models; the first is the default."""
    small_model: str | None = None
    """Cheap and quick, for titles; called at the vendor's own address only."""
    prefixes: tuple[str, ...] = ()
    """How names of its models begin."""
    address_hint: str = "Enter one in the provider settings, such as http://127.0.0.1:8000/v1."
    is_local: bool = False
    """A server of the user's own machine, offered when it answers."""
    needs_key: bool = False
    """Even at an address of one's own."""


PRESETS: dict[str, Preset] = {
    "anthropic": Preset(
        kind=Kind.ANTHROPIC,
        label="Anthropic",
        base_url=ANTHROPIC_URL,
        key_variables=("ANTHROPIC_API_KEY",),
        url_variable="ANTHROPIC_BASE_URL",
        models=("claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-5-5"),
        small_model="claude-haiku-5-5",
        prefixes=("claude-",),
    ),
    "openai": Preset(
        kind=Kind.OPENAI,
        label="OpenAI",
        base_url=OPENAI_URL,
        key_variables=("OPENAI_API_KEY",),
        url_variable="OPENAI_BASE_URL",
        models=("gpt-6.1-terra", "gpt-6.1-sol", "gpt-6-luna"),
        small_model="gpt-6-luna",
        prefixes=("gpt-", "chatgpt-"),
    ),
    "google": Preset(
        kind=Kind.GOOGLE,
        label="Google",
        base_url=GOOGLE_URL,
        key_variables=("GOOGLE_API_KEY", "GEMINI_API_KEY"),
        url_variable="GOOGLE_GEMINI_BASE_URL",
        models=("gemini-3.8-flash", "gemini-3.1-pro-preview", "gemini-3.5-flash-lite"),
        small_model="gemini-3.5-flash-lite",
        prefixes=("gemini-",),
    ),
    "openrouter": Preset(
        kind=Kind.OPENROUTER,
        label="OpenRouter",
        base_url=OPENROUTER_URL,
        key_variables=("OPENROUTER_API_KEY",),
        url_variable="OPENROUTER_BASE_URL",
        models=("anthropic/claude-sonnet-5.5", "openai/gpt-6.1-terra", "google/gemini-3.8-flash"),
        small_model="google/gemini-3.8-flash",
    ),
    "azure": Preset(
        kind=Kind.AZURE,
        label="Azure OpenAI",
        key_variables=("AZURE_OPENAI_API_KEY",),
        url_variable="AZURE_OPENAI_ENDPOINT",
        normal_url=azure_url,
        address_hint="Enter the resource's, such as https://my-resource.openai.azure.com.",
        needs_key=True,
    ),
    "bedrock": Preset(
        kind=Kind.BEDROCK,
        label="AWS Bedrock",
        key_variables=("AWS_BEARER_TOKEN_BEDROCK",),
        url_variable="AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
        find_url=bedrock_url,
        address_hint="Set AWS_REGION in the server's environment, or enter an address such as "
        "https://bedrock-runtime.us-east-1.amazonaws.com.",
        models=("global.anthropic.claude-sonnet-5-5", "global.anthropic.claude-haiku-5-5"),
        small_model="global.anthropic.claude-haiku-5-5",
    ),
    "ollama": Preset(
        kind=Kind.OPENAI_COMPAT,
        label="Ollama",
        base_url=OLLAMA_URL,
        key_variables=("OLLAMA_API_KEY",),
        url_variable="OLLAMA_HOST",
        normal_url=ollama_url,
        is_local=True,
    ),
    "vllm": Preset(
        kind=Kind.OPENAI_COMPAT,
        label="vLLM",
        key_variables=("VLLM_API_KEY",),
        url_variable="VLLM_BASE_URL",
    ),
    "litellm": Preset(
        kind=Kind.OPENAI_COMPAT,
        label="LiteLLM",
        key_variables=("LITELLM_PROXY_API_KEY",),
        url_variable="LITELLM_PROXY_API_BASE",
        address_hint="Enter the proxy's in the provider settings, such as http://127.0.0.1:4000/v1.",
    ),
}
"""In the order in which a default is looked for."""

MODEL_VARIABLES = tuple(
    name
    for preset in PRESETS.values()
    if not preset.is_local
    for name in (*preset.key_variables, preset.url_variable)
)
"""Variables that choose a provider, or give its key."""

COMPATIBLE_LABEL = "OpenAI Compatible"
DEMO = "demo"

EXTRAS = {Kind.GOOGLE: ("google", "google.genai"), Kind.BEDROCK: ("bedrock", "boto3")}
"""The extra of ours, and the module it brings, of kinds whose code is large and not always installed."""


def missing_extra(kind: Kind) -> str | None:
    """The name of the extra that *kind* needs and that is not installed. Imports nothing large."""
    extra, module = EXTRAS.get(kind, (None, ""))
    if extra is None:
        return None
    try:
        return None if importlib.util.find_spec(module) else extra
    except ModuleNotFoundError:  # the parent package is missing
        return extra


def label_of(provider: str, display_name: str | None = None) -> str:
    """How messages name a provider."""
    named = display_name and display_name != provider
    if preset := PRESETS.get(provider):
        return str(display_name) if named and provider in OWN_SERVERS else preset.label
    return str(display_name) if named else COMPATIBLE_LABEL if provider == Kind.OPENAI_COMPAT else provider


OWN_SERVERS = {name for name, preset in PRESETS.items() if preset.kind is Kind.OPENAI_COMPAT}
"""Of these people run several, and give them names."""
