"""docs/models.md: what it tells a new user to type is typed here, against fakes of the vendors."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from servers import ROOT, Dirs, JupyterServer

from jupyter_chatd.providers.endpoint import Kind
from jupyter_chatd.providers.presets import PRESETS
from jupyter_chatd.providers.vendor import MODULES
from jupyter_chatd.providers.vendor_settings import READ_ELSEWHERE

TEXT = (ROOT / "docs" / "models.md").read_text()
KEY = "your-key"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def sections(text: str, marks: str) -> dict[str, str]:
    """The parts of a document under headings of that level, by heading."""
    pieces = re.split(rf"^{marks} (.+)$", text, flags=re.MULTILINE)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def blocks(text: str) -> list[str]:
    """The commands of a part of the document, but for those that install something."""
    return [code for _, code in FENCE.findall(text) if not code.startswith("pip install")]


CHAPTERS = sections(TEXT, "##")
PROVIDERS = sections(CHAPTERS["Connect a provider"], "###")


@dataclass(frozen=True, kw_only=True)
class Stand:
    """The fake that stands in for a provider, and how a command of the document comes to it."""

    module: str
    path: str = ""
    """Of its API, behind the fake's address."""
    variable: str | None = None
    """Takes the address of a vendor whose own is not in the document."""
    documented: str | None = None
    """The address that is."""
    key: str | None = KEY
    """What the fake wants to see."""
    models: tuple[str, ...] = ()
    called: str
    """The path that the model is called at."""
    settings: dict[str, str] = field(default_factory=dict[str, str])


COMPLETIONS = "/v1/chat/completions"
STANDS: dict[str, list[Stand]] = {
    "Anthropic": [Stand(module="anthropic_server", variable="ANTHROPIC_BASE_URL", called="/v1/messages")],
    "OpenAI": [Stand(module="responses_server", path="/v1", variable="OPENAI_BASE_URL", called=COMPLETIONS)],
    "Google": [
        Stand(
            module="google_server",
            variable="GOOGLE_GEMINI_BASE_URL",
            called="/v1beta/models/gemini-3.8-flash:streamGenerateContent",
        )
    ],
    "AWS Bedrock": [
        Stand(
            module="bedrock_server",
            variable="AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
            called="/model/global.anthropic.claude-sonnet-5-5/invoke-with-response-stream",
        ),
        Stand(
            module="bedrock_server",
            variable="AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
            key=None,  # the request is signed
            called="/model/us.amazon.nova-pro-v1%3A0/converse-stream",
        ),
    ],
    "Azure OpenAI": [
        Stand(
            module="azure_server",
            documented="https://my-resource.openai.azure.com",
            called="/openai/v1/responses",
        )
    ],
    "OpenRouter": [
        Stand(
            module="openrouter_server",
            path="/api/v1",
            variable="OPENROUTER_BASE_URL",
            called="/api/v1/chat/completions",
        )
    ],
    "Ollama": [
        Stand(module="openai_server", variable="OLLAMA_HOST", key=None, called=COMPLETIONS),
        Stand(
            module="openai_server",
            documented="gpu-box:11434",
            key=None,
            models=("qwen3",),
            called=COMPLETIONS,
        ),
    ],
    "vLLM": [Stand(module="openai_server", documented="http://127.0.0.1:8000", key=None, called=COMPLETIONS)],
    "LiteLLM": [Stand(module="openai_server", documented="http://127.0.0.1:4000", called=COMPLETIONS)],
    "Any other server": [
        Stand(
            module="openai_server",
            documented="http://127.0.0.1:8000",
            key="anything",
            models=("theirs",),
            called=COMPLETIONS,
        ),
        Stand(module="anthropic_server", documented="http://127.0.0.1:8001", called="/v1/messages"),
    ],
}
CASES = [(name, number) for name, stands in STANDS.items() for number in range(len(stands))]


@dataclass
class Vendor:
    """A fake that runs as a process of its own."""

    origin: str
    log: Path

    @property
    def requests(self) -> list[Any]:
        """What it was asked, paths and bodies."""
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []

    @property
    def called(self) -> set[str]:
        """The paths of requests for an answer, and for the chat's title."""
        return {request["path"] for request in self.requests if request["body"]}


@contextmanager
def vendor(
    folder: Path, module: str, *, key: str | None = KEY, models: tuple[str, ...] = ()
) -> Iterator[Vendor]:
    log = folder / f"{module}.jsonl"
    command = [sys.executable, "-m", f"tests.fakes.{module}", "--log", str(log)]
    command += ["--api-key", key] if key else []
    command += [word for model in models for word in ("--model", model)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Vendor(f"http://127.0.0.1:{process.stdout.readline().strip()}", log)
        finally:
            process.terminate()


Type = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def type_in(dirs: Dirs, tmp_path: Path) -> Type:
    """Give a block of the document to a shell of a user who has installed the package."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "jupyter-chatd"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m jupyter_chatd.cli "$@"\n')
    program.chmod(0o755)

    def run(block: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        env = {**dirs.environ(), **(environ or {})}
        env["PATH"] = f"{folder}{os.pathsep}{env['PATH']}"
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=dirs.work,
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.mark.slow
@pytest.mark.parametrize(("name", "number"), CASES)
def test_a_provider_is_connected_as_the_document_says(
    type_in: Type, tmp_path: Path, name: str, number: int
) -> None:
    stand, block = STANDS[name][number], blocks(PROVIDERS[name])[number]
    with vendor(tmp_path, stand.module, key=stand.key, models=stand.models) as fake:
        if stand.documented:
            assert stand.documented in block
            block = block.replace(stand.documented, fake.origin)
        environ = {stand.variable: fake.origin + stand.path} if stand.variable else {}
        done = type_in(block, environ)

        assert (done.stdout, done.returncode) == ("hello\n", 0), done.stderr
        assert fake.called == {stand.called}
        assert KEY not in done.stdout + done.stderr


def test_every_block_of_every_provider_is_tried() -> None:
    assert {name: len(blocks(text)) for name, text in PROVIDERS.items()} == {
        name: len(stands) for name, stands in STANDS.items()
    }
    assert len(FENCE.findall(CHAPTERS["In a config file"])) == 1
    elsewhere = [name for name in CHAPTERS if name not in TRIED and FENCE.search(CHAPTERS[name])]
    assert elsewhere == [], "these chapters hold commands that nothing tries"


TRIED = ("Connect a provider", "In a config file", "Over REST", "Model configs")


def test_what_is_to_be_installed_exists() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    wanted = re.findall(r'^pip install "jupyter_chatd\[(\w+)\]"$', TEXT, re.MULTILINE)

    assert wanted == ["google", "bedrock"]
    assert set(wanted) <= set(extras)


@pytest.mark.slow
def test_the_config_file_of_the_document_works(type_in: Type, dirs: Dirs, tmp_path: Path) -> None:
    ((language, block),) = FENCE.findall(CHAPTERS["In a config file"])
    with vendor(tmp_path, "openai_server", key=None, models=("qwen3-coder",)) as fake:
        config = dirs.config / "jupyter_server_config.py"
        config.write_text(f"c = get_config()\n{block.replace('http://127.0.0.1:8000', fake.origin)}")
        done = type_in('jupyter chatd run "say hello"')

        assert language == "python"
        assert (done.stdout, done.returncode) == ("hello\n", 0), done.stderr
        assert fake.called == {COMPLETIONS}


@pytest.mark.slow
def test_the_requests_of_the_document_work(
    type_in: Type, make_server: Callable[..., JupyterServer], tmp_path: Path
) -> None:
    server = make_server()
    environ = {"TOKEN": server.token, "URL": server.url.rstrip("/")}
    (over_rest,), (options,) = blocks(CHAPTERS["Over REST"]), blocks(CHAPTERS["Model configs"])
    with vendor(tmp_path, "responses_server") as fake:
        for block in (over_rest.replace("https://models.example.org", fake.origin), options):
            done = type_in(block.replace("curl ", "curl --silent --show-error --fail-with-body "), environ)
            assert done.returncode == 0, done.stdout + done.stderr
            assert KEY not in done.stdout
        assert json.loads(done.stdout)["options"]["cost"]["output_price_per_million_tokens"] == 15
        for model in (None, "gateway:gpt-5.4"):
            answer_of(server, "say hello", model=model)

        plain, through_responses = [
            request for request in fake.requests if (request["body"] or {}).get("tools")
        ]
    assert (plain["path"], plain["body"]["model"]) == (COMPLETIONS, "qwen3-coder")
    assert through_responses["path"] == "/v1/responses"
    assert through_responses["body"]["text"] == {"verbosity": "low"}
    assert through_responses["body"]["reasoning"]["effort"] == "high"
    assert "web_search" in str(through_responses["body"]["tools"])


def answer_of(server: JupyterServer, text: str, *, model: str | None) -> None:
    """Ask in a new chat, and wait until it has answered well."""
    body: dict[str, Any] = {"content": [{"type": "text", "text": text}]}
    with httpx.Client(headers=server.headers, timeout=60) as client:
        chat = client.post(server.chats_url, json={**body, **({"model": model} if model else {})}).json()
        url = f"{server.chats_url}/{chat['id']}"
        while (chat := client.get(url).raise_for_status().json())["status"] not in ("waiting", "error"):
            time.sleep(0.05)
    assert chat["last_error"] is None


# Tables.


def rows(chapter: str) -> list[list[str]]:
    """The cells of the chapter's table, without its head."""
    lines = [line for line in CHAPTERS[chapter].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_variables_are_those_that_are_read() -> None:
    assert rows("Where a key comes from") == [
        [f"`{name}`", ", ".join(f"`{key}`" for key in preset.key_variables), f"`{preset.url_variable}`"]
        for name, preset in PRESETS.items()
    ]


def test_the_options_are_those_that_exist() -> None:
    import importlib

    told = {name.strip("`"): set(re.findall(r"`(\w+)`", options)) for name, options in rows("Model configs")}
    kinds = {"anthropic": Kind.ANTHROPIC, "openai": Kind.OPENAI, "google": Kind.GOOGLE}
    kinds |= {"openrouter": Kind.OPENROUTER, "bedrock": Kind.BEDROCK}
    modules = {
        name: importlib.import_module(f"jupyter_chatd.providers.{MODULES[kind]}")
        for name, kind in kinds.items()
    }

    assert told == {name: {*module.OPTIONS, *API[name]} for name, module in modules.items()}
    assert all(
        f"`{name}`" in CHAPTERS["Model configs"] for name in READ_ELSEWHERE if name != "web_search_enabled"
    )


API = {"openai": ["api"], "anthropic": [], "google": [], "openrouter": [], "bedrock": []}
"""Which providers have a choice of APIs."""
