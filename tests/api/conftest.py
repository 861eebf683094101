"""What the tests of the routes share: a whole Jupyter server in this process, on temporary folders.

A test changes the server that it gets by overriding `settings` (traits of the extension), `server_settings`
(traits of Jupyter's server) or `is_started`, mostly with `parametrize`. Fixtures are synchronous: the server
runs in the loop of the test.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

import pytest
from fakes.anthropic_server import FakeAnthropic
from fakes.openai_server import FakeOpenAI
from fakes.vendor import FakeVendor
from pytest_jupyter.jupyter_server import *  # noqa: F403  # pyright: ignore[reportWildcardImportFromLibrary]
from servers import NO_OLLAMA
from traitlets.config import Config

from jupyter_chatd.extension import JupyterChatd
from jupyter_chatd.providers.presets import MODEL_VARIABLES

from .client import BASE, Api

OWN_VARIABLES = ("ANTHROPIC_", "AWS_", "OPENAI_", "JUPYTER_CHATD_")
KEY = "a-key-of-the-tests-4711"

Serve: TypeAlias = Callable[..., AbstractAsyncContextManager[FakeVendor]]
"""Starts a fake vendor, given its answers and other arguments, and points the environment to it."""


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, address or switch of whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith(OWN_VARIABLES) or name in MODEL_VARIABLES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("OLLAMA_HOST", NO_OLLAMA)


@pytest.fixture
def settings() -> dict[str, Any]:
    """`c.JupyterChatd` of the server."""
    return {}


@pytest.fixture
def server_settings() -> dict[str, Any]:
    """`c.ServerApp` of the server."""
    return {}


@pytest.fixture
def is_started() -> bool:
    """Whether extensions have had their start hook when the test begins."""
    return True


@pytest.fixture
def jp_server_config(settings: dict[str, Any], server_settings: dict[str, Any]) -> Config:
    server = {"jpserver_extensions": {"jupyter_chatd": True}, **server_settings}
    # An undumpable process of the tests could not look at itself. Titles would take answers from the scripts.
    return Config(
        {"ServerApp": server, "JupyterChatd": {"undumpable": False, "generate_titles": False, **settings}}
    )


@pytest.fixture
def jp_serverapp(
    jp_configurable_serverapp: Any,
    jp_server_config: Config,
    jp_argv: list[str],
    jp_asyncio_loop: asyncio.AbstractEventLoop,
    is_started: bool,
) -> Any:
    """The server; pytest-jupyter's own does not call the start hooks."""
    app = jp_configurable_serverapp(config=jp_server_config, argv=jp_argv)
    if is_started:
        jp_asyncio_loop.run_until_complete(app.extension_manager.start_all_extensions())
    return app


@pytest.fixture
def chatd(jp_serverapp: Any) -> JupyterChatd:
    """The extension inside the server."""
    return jp_serverapp.extension_manager.extension_points["jupyter_chatd"].app


@pytest.fixture
def api(
    jp_fetch: Any, jp_ws_fetch: Any, http_server_client: Any, jp_auth_header: dict[str, str], jp_base_url: str
) -> Api:
    """The routes, for whoever has the token."""
    return Api(jp_fetch, jp_ws_fetch, http_server_client.get_url(jp_base_url + BASE), jp_auth_header)


@pytest.fixture
def openai(monkeypatch: pytest.MonkeyPatch) -> Serve:
    """A fake OpenAI; `openai:fake-model` is its model."""

    @asynccontextmanager
    async def serve(answers: Any, **options: Any) -> AsyncIterator[FakeVendor]:
        async with FakeOpenAI(answers, **options) as vendor:
            monkeypatch.setenv("OPENAI_BASE_URL", vendor.base_url)
            monkeypatch.setenv("OPENAI_API_KEY", KEY)
            yield vendor

    return serve


@pytest.fixture
def anthropic(monkeypatch: pytest.MonkeyPatch) -> Serve:
    """A fake Anthropic; `anthropic:fake-model` is its model."""

    @asynccontextmanager
    async def serve(answers: Any, **options: Any) -> AsyncIterator[FakeVendor]:
        async with FakeAnthropic(answers, **options) as vendor:
            monkeypatch.setenv("ANTHROPIC_BASE_URL", vendor.base_url)
            monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
            yield vendor

    return serve
