"""Endpoints that are set up over REST drive a chat through real tools, on a whole server."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from servers import ROOT, JupyterServer

KEY = "a-key-that-was-entered"


@contextmanager
def vendor(module: str) -> Iterator[str]:
    """Run a fake vendor that wants the key; gives its origin."""
    command = [sys.executable, "-m", f"tests.fakes.{module}", "--api-key", KEY]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()


@pytest.mark.parametrize(
    "provider, module, path, model",
    [
        ("my-endpoint", "openai_server", "/v1", "any-model"),
        ("openai", "openai_server", "/v1", "any-model"),
        ("anthropic", "anthropic_server", "", "any-model"),
        ("google", "google_server", "", "gemini-any"),
        ("azure", "azure_server", "", "any-deployment"),
        ("openrouter", "openrouter_server", "/api/v1", "any/model"),
        ("bedrock", "bedrock_server", "", "us.amazon.nova-pro-v1:0"),
    ],
)
def test_a_provider_and_a_model_config_are_enough(
    shared_server: JupyterServer, provider: str, module: str, path: str, model: str
) -> None:
    base = shared_server.chats_url
    with httpx.Client(headers=shared_server.headers, timeout=20) as client, vendor(module) as origin:
        entered = {"provider": provider, "base_url": origin + path, "api_key": KEY}
        made = client.post(f"{base}/providers", json=entered).raise_for_status()
        assert (made.json()["has_api_key"], KEY in made.text) == (True, False)
        config = {"provider": provider, "model": model, "context_limit": 100_000}
        config_id = client.post(f"{base}/model-configs", json=config).raise_for_status().json()["id"]
        text = f"append {provider} to endpoints.txt 2 times"
        body = {"content": [{"type": "text", "text": text}], "model_config_id": config_id}
        chat = client.post(base, json=body).raise_for_status().json()
        assert last_answer(client, f"{base}/{chat['id']}") == "Appended 2 lines."
        client.delete(f"{base}/model-configs/{config_id}").raise_for_status()
        client.delete(f"{base}/providers/{made.json()['id']}").raise_for_status()
    lines = (shared_server.dirs.work / "endpoints.txt").read_text().splitlines()
    assert sorted(line for line in lines if line.startswith(f"{provider} ")) == [
        f"{provider} 1",
        f"{provider} 2",
    ]


def last_answer(client: httpx.Client, chat_url: str) -> str:
    """Wait until the chat rests, and return the text of its newest message."""
    give_up_at = time.monotonic() + 60
    while (chat := client.get(chat_url).json())["status"] not in ("waiting", "error"):
        assert time.monotonic() < give_up_at
        time.sleep(0.05)
    assert chat["last_error"] is None
    newest: dict[str, Any] = client.get(f"{chat_url}/messages", params={"limit": 1}).json()["messages"][0]
    return str(newest["content"][0]["text"])
