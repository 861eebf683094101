"""Models, providers, model configs: what can be chosen, setting it up, and keys that only go in."""

from __future__ import annotations

import logging
import stat
from pathlib import Path
from typing import Any

import pytest
from fakes.openai_server import FakeOpenAI
from fakes.responder import respond
from fakes.steps import say

from .client import Api, Json
from .conftest import KEY, Serve

SECRET = "sk-very-secret-0123456789abcdef"
CONFIG = {"provider": "mine", "model": "qwen", "context_limit": 1000}


def named(listing: list[Json], name: str) -> Json:
    return next(item for item in listing if item["provider"] == name)


async def stored(api: Api) -> list[str]:
    """The providers that somebody set up."""
    return [row["provider"] for row in await api.get("/providers") if row["source"] == "database"]


# What can be chosen


async def test_a_fresh_server_offers_the_demo_model_and_says_what_is_missing(api: Api) -> None:
    models = await api.get("/models")
    assert models["default_model"] == "demo:demo"
    demo = {"id": "demo:demo", "provider": "demo", "model": "demo", "display_name": "Demo"}
    assert named(models["providers"], "demo") == {
        "provider": "demo",
        "display_name": "Demo",
        "available": True,
        "models": [demo],
    }
    for name in ("anthropic", "openai"):
        provider = named(models["providers"], name)
        assert (provider["available"], provider["unavailable_reason"]) == (False, "missing_api_key")
        assert provider["unavailable_detail"].startswith("There is no API key for ")


async def test_an_endpoint_in_the_environment_is_found_and_becomes_the_default(
    api: Api, openai: Serve
) -> None:
    async with openai(respond, models=["small", "large"], api_key=KEY):
        models = await api.get("/models")
        assert models["default_model"] == "openai:small"
        found = named(models["providers"], "openai")["models"]
        assert [model["model"] for model in found] == ["small", "large"]
        chat = await api.finished("hi there")
    assert (chat["model"], chat["status"]) == ("openai:small", "waiting")


async def test_an_anthropic_endpoint_in_the_environment_works(api: Api, anthropic: Serve) -> None:
    async with anthropic(respond, models=["fake-model"], api_key=KEY):
        chat = await api.finished("hi there", model="anthropic:fake-model")
    assert (chat["status"], chat["last_error"]) == ("waiting", None)
    assert (await api.messages(chat["id"]))[-1]["content"] == [{"type": "text", "text": "You said: hi there"}]


@pytest.mark.parametrize("settings", [{"default_model": "demo"}])
async def test_the_setting_decides_over_what_is_found(api: Api, openai: Serve) -> None:
    async with openai(respond):
        assert (await api.get("/models"))["default_model"] == "demo:demo"


# Providers


async def test_a_provider_is_set_up_changed_and_removed(api: Api) -> None:
    body = {
        "provider": "mine",
        "display_name": "Ours",
        "base_url": "http://127.0.0.1:1/v1",
        "api_key": SECRET,
    }
    made = await api.post("/providers", body, status=201)
    assert made == {
        "id": made["id"],
        "provider": "mine",
        "display_name": "Ours",
        "base_url": "http://127.0.0.1:1/v1",
        "enabled": True,
        "has_api_key": True,
        "source": "database",
    }
    assert named(await api.get("/providers"), "mine") == made
    changed = await api.patch(f"/providers/{made['id']}", {"enabled": False, "display_name": "Off"})
    assert changed == {**made, "enabled": False, "display_name": "Off"}
    assert named((await api.get("/models"))["providers"], "mine")["unavailable_reason"] == "disabled"
    await api.delete(f"/providers/{made['id']}")
    assert await stored(api) == []
    await api.delete(f"/providers/{made['id']}", status=404)
    await api.patch(f"/providers/{made['id']}", {}, status=404)


async def test_providers_of_the_environment_are_listed_with_their_source(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET)
    listing = await api.get("/providers")
    found = {row["provider"]: (row["source"], row["has_api_key"]) for row in listing}
    assert found["anthropic"] == ("env_preset", True)
    assert found["openai"] == ("supported", False)


async def test_a_provider_exists_once(api: Api) -> None:
    body = {"provider": "mine", "base_url": "http://127.0.0.1:1/v1", "api_key": SECRET}
    await api.post("/providers", body, status=201)
    problem = await api.post("/providers", {**body, "api_key": "another-key"}, status=409)
    assert (problem["state"], problem["transition"]) == ("exists", "create")
    assert "Change that one instead" in problem["message"]


BAD_PROVIDERS: list[tuple[str, Any, str]] = [
    ("provider", "demo", "demo is built in"),
    ("provider", "Has Space", "provider:"),
    ("base_url", "ftp://host", "base_url: Expected an address like https://host/v1"),
    ("base_url", "https://me:secret@host", "base_url:"),
    ("api_key", "two words", "api_key: Expected printable ASCII"),
    ("api_key", "schlüssel", "api_key: Expected printable ASCII"),
    ("display_name", "", "display_name: Expected 1 to 200 characters"),
    ("enabled", "yes", "enabled:"),
]


async def test_a_malformed_provider_is_refused(api: Api) -> None:
    body = {"provider": "mine", "base_url": "http://127.0.0.1:1/v1"}
    for field, value, told in BAD_PROVIDERS:
        problem = await api.post("/providers", {**body, field: value}, status=400)
        assert told in problem["detail"]
    assert await stored(api) == []


async def test_a_new_address_clears_the_key_unless_one_comes_along(api: Api) -> None:
    body = {"provider": "mine", "base_url": "http://127.0.0.1:1/v1", "api_key": SECRET}
    path = f"/providers/{(await api.post('/providers', body, status=201))['id']}"

    async def has_key(change: Json) -> bool:
        return (await api.patch(path, change))["has_api_key"]

    assert await has_key({"display_name": "Ours"})
    assert not await has_key({"base_url": "http://127.0.0.1:2/v1"})
    assert not await has_key({"base_url": "http://127.0.0.1:1/v1"})
    assert await has_key({"base_url": "http://127.0.0.1:3/v1", "api_key": SECRET})
    assert not await has_key({"api_key": ""})


async def test_a_key_file_that_others_may_read_changes_no_provider(api: Api, jp_data_dir: Path) -> None:
    file = jp_data_dir / "jupyter_chatd" / "keys.json"
    body = {"provider": "mine", "base_url": "http://127.0.0.1:1/v1", "api_key": SECRET}
    file.write_text("{}")
    file.chmod(0o644)
    problem = await api.post("/providers", body, status=400)
    assert "may be read by others" in problem["detail"]
    assert await stored(api) == []
    file.chmod(0o600)
    made = await api.post("/providers", body, status=201)
    file.chmod(0o644)
    path = f"/providers/{made['id']}"
    await api.patch(path, {"base_url": "http://127.0.0.1:2/v1", "enabled": False}, status=400)
    assert (await api.call("DELETE", path)).status == 400
    file.chmod(0o600)
    assert named(await api.get("/providers"), "mine") == made


# Keys


async def test_a_key_goes_to_its_endpoint_and_nowhere_else(
    api: Api, jp_data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    replies: list[str] = []
    async with FakeOpenAI(respond, models=["m"], api_key=SECRET) as vendor:
        body = {"provider": "mine", "base_url": vendor.base_url, "api_key": SECRET}
        replies.append((await api.call("POST", "/providers", body)).text)
        chat = await api.finished('call execute with {"command": "env"}', model="mine:m")
        assert chat["status"] == "waiting"
        replies += [(await api.call("GET", path)).text for path in ("/providers", "/models")]
        replies.append((await api.call("GET", f"/{chat['id']}/messages")).text)
    assert {vendor.key_of(request) for request in vendor.requests} == {SECRET}
    assert "PATH=" in replies[-1]
    assert SECRET not in "".join(replies)
    assert SECRET not in caplog.text
    assert files_with(SECRET, jp_data_dir) == ["keys.json"]
    keys = jp_data_dir / "jupyter_chatd" / "keys.json"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    assert stat.S_IMODE(keys.parent.stat().st_mode) == 0o700


def files_with(text: str, folder: Path) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if text.encode() in path.read_bytes()]


async def test_a_refused_key_is_not_repeated(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    async with FakeOpenAI(respond, models=["m"], api_key="another") as vendor:
        body = {"provider": "mine", "base_url": vendor.base_url, "api_key": SECRET}
        path = f"/providers/{(await api.post('/providers', body, status=201))['id']}"
        chat = await api.finished("hi", model="mine:m")
        assert (chat["status"], chat["last_error"]["kind"]) == ("error", "auth")
        assert SECRET not in str(chat) + caplog.text
        await api.patch(path, {"api_key": "another"})
        await api.send(chat["id"], "hi again")
        assert (await api.settle(chat["id"]))["status"] == "waiting"


# Model configs


async def test_a_model_config_is_set_up_changed_and_removed(api: Api) -> None:
    made = await api.post("/model-configs", CONFIG, status=201)
    assert made == {
        "id": made["id"],
        **CONFIG,
        "display_name": "qwen",
        "enabled": True,
        "is_default": False,
        "compression_threshold": 70,
        "options": {},
    }
    options = {"temperature": 0.5, "provider_options": {"openai": {"store": False}}}
    changed = await api.patch(f"/model-configs/{made['id']}", {"options": options, "context_limit": 5})
    assert changed == {**made, "options": options, "context_limit": 5}
    assert await api.get("/model-configs") == [changed]
    await api.patch(f"/model-configs/{made['id']}", {"options": {}})
    assert await api.get("/model-configs") == [{**changed, "options": {}}]
    await api.delete(f"/model-configs/{made['id']}")
    assert await api.get("/model-configs") == []
    for method, body in (("DELETE", None), ("PATCH", {})):
        assert (await api.call(method, f"/model-configs/{made['id']}", body)).status == 404


async def test_there_is_one_default(api: Api) -> None:
    one = await api.post("/model-configs", {**CONFIG, "is_default": True}, status=201)
    two = await api.post("/model-configs", {**CONFIG, "model": "other", "is_default": True}, status=201)
    assert [row["is_default"] for row in await api.get("/model-configs")] == [False, True]
    await api.patch(f"/model-configs/{one['id']}", {"is_default": True})
    assert [row["is_default"] for row in await api.get("/model-configs")] == [True, False]
    await api.delete(f"/model-configs/{one['id']}")
    assert [row["is_default"] for row in await api.get("/model-configs")] == [False]
    assert two["is_default"]


async def test_a_chat_runs_with_the_settings_of_its_model_config(api: Api) -> None:
    async with FakeOpenAI([[say("one")], [say("two")]], models=["qwen"]) as vendor:
        await api.post("/providers", {"provider": "mine", "base_url": vendor.base_url}, status=201)
        options = {"temperature": 0.25, "max_output_tokens": 77}
        config = await api.post(
            "/model-configs", {**CONFIG, "is_default": True, "options": options}, status=201
        )
        chat = await api.finished("hi")
        assert (chat["model"], chat["last_model_config_id"]) == ("mine:qwen", config["id"])
        body = vendor.generations[0].json
        limit = body.get("max_completion_tokens", body.get("max_tokens"))
        assert (body["temperature"], limit) == (0.25, 77)
        (answer,) = [row for row in await api.messages(chat["id"]) if row["role"] == "assistant"]
        assert answer["usage"]["context_limit"] == 1000
        # A chat whose config is gone goes on with the model of the same name.
        await api.delete(f"/model-configs/{config['id']}")
        await api.send(chat["id"], "hi again")
        assert (await api.settle(chat["id"]))["status"] == "waiting"
        assert "temperature" not in vendor.generations[1].json


async def test_a_config_that_is_switched_off_cannot_be_chosen(api: Api) -> None:
    config = await api.post("/model-configs", {**CONFIG, "enabled": False}, status=201)
    content = [{"type": "text", "text": "hi"}]
    problem = await api.post("", {"content": content, "model_config_id": config["id"]}, status=400)
    assert problem["message"] == "Unknown model config."
    assert "does not exist or is switched off" in problem["detail"]


BAD_CONFIGS: list[tuple[str, Any]] = [
    ("context_limit", 0),
    ("context_limit", None),
    ("context_limit", 10**30),
    ("compression_threshold", 101),
    ("compression_threshold", -1),
    ("options", {"temperature": "hot"}),
    ("options", {"unknown": 1}),
    ("options", {"cost": {"input_price_per_million_tokens": -1}}),
    ("is_default", 1),
]


async def test_a_malformed_config_names_the_field(api: Api) -> None:
    for field, value in BAD_CONFIGS:
        problem = await api.post("/model-configs", {**CONFIG, field: value}, status=400)
        assert problem["validations"][0]["field"].startswith(field)
    assert await api.get("/model-configs") == []
