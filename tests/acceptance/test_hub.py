"""The agent on a real JupyterHub, set up as `etc/jupyterhub` and docs/jupyterhub.md say."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from desktop.stages import needs_xvnc
from fakes.openai_server import FakeOpenAI
from fakes.responder import respond
from fakes.threaded import in_thread
from fakes.vendor import FakeVendor
from playwright.sync_api import expect
from servers import ROOT, free_port

from . import foreign_viewer
from .browser import started_browser
from .chats import eventually
from .desktop_view import MIDDLE, PATIENCE, View
from .hub import Hub, UserServer, why_no_hub

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(why_no_hub() is not None, reason=str(why_no_hub())),
]

SAMPLE = ROOT / "etc" / "jupyterhub"
GUIDE = (ROOT / "docs" / "jupyterhub.md").read_text()
KEY = "sk-of-the-vendor-0815-very-secret"
MODEL = "openai:fake-model"
WISHES = """\
c.JupyterChatd.enabled = True
c.JupyterChatd.policy = {"shell": "on", "mcp": "user", "subagents": "off"}
c.JupyterChatd.allowed = {"models": ["*:fake-model", "other:*"]}
"""
"""A user's own configuration: what is stricter holds, the rest does not."""
GROUPS = {"ada": ("staff",), "bob": ("staff",), "sam": ("students",), "eve": ()}


def sample(hub_url: str, changes: Mapping[str, str]) -> str:
    """The sample configuration for a hub at that address, with these texts of it changed."""
    text = (SAMPLE / "jupyterhub_config.py").read_text()
    changed = {
        "http://127.0.0.1:8000/": hub_url,
        "http://127.0.0.1:10101": f"http://127.0.0.1:{free_port()}",
        "Path(__file__)": f"Path({str(SAMPLE / 'jupyterhub_config.py')!r})",
        **changes,
    }
    for before, after in changed.items():
        assert before in text, f"the sample does not hold {before!r}"
        text = text.replace(before, after)
    return text


class SampleHub(Hub):
    """A hub with the sample configuration, and a vendor behind its gateway."""

    def __init__(
        self, folder: Path, vendor: FakeVendor, changes: Mapping[str, str] | None = None, *, more: str = ""
    ) -> None:
        env = {"GATEWAY_KEY": KEY, "GATEWAY_VENDOR": vendor.base_url}
        super().__init__(folder, config=lambda url: sample(url, changes or {}) + more, env=env)


@pytest.fixture(scope="module")
def vendor() -> Iterator[FakeVendor]:
    with in_thread(FakeOpenAI(respond)) as vendor:
        yield vendor


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, vendor: FakeVendor) -> Iterator[SampleHub]:
    with SampleHub(tmp_path_factory.mktemp("hub"), vendor) as hub:
        for user, groups in GROUPS.items():
            hub.add_user(user, groups=groups)
        yield hub


@pytest.fixture(scope="module")
def ada(hub: Hub) -> UserServer:
    return hub.start_server("ada")


@pytest.fixture(scope="module")
def sam(hub: Hub) -> UserServer:
    hub.home("sam").joinpath(".jupyter").mkdir(parents=True)
    hub.home("sam").joinpath(".jupyter", "jupyter_server_config.py").write_text(WISHES)
    return hub.start_server("sam")


# The guide


def test_the_snippets_of_the_guide_are_the_sample_that_is_tested_here() -> None:
    files = [path.read_text() for path in SAMPLE.iterdir() if path.is_file()]
    snippets = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    assert len(snippets) >= 4
    assert [snippet for snippet in snippets if not any(snippet in text for text in files)] == []


# Who gets it


def test_who_is_in_a_group_has_the_agent(ada: UserServer) -> None:
    assert page_config(ada)["jupyterChatdEnabled"] == "true"
    with ada.chats() as chats:
        chat_id = chats.begin("say hello")
        chats.settle(chat_id)
        assert chats.texts(chat_id) == ["say hello", "hello"]
        assert chats.get(chat_id).json()["owner_id"] == "ada"


def test_who_is_in_none_has_no_route_nothing_to_see_and_nothing_that_runs(hub: Hub) -> None:
    eve = hub.start_server("eve")
    assert eve.get("api/status").status_code == 200
    for path in ("", "/policy", "/models", "/watch", "/openapi.yaml", "/0/stream"):
        assert eve.get(f"api/experimental/chats{path}").status_code == 404
    assert page_config(eve)["jupyterChatdEnabled"] == "false"
    assert not list(eve.home.rglob("jupyter_chatd*"))
    assert not list(eve.home.rglob("chats.db"))
    process = server_process(eve)
    assert Path(f"/proc/{process}/task/{process}/children").read_text() == ""


def test_a_group_has_its_own_terms_which_no_setting_of_the_user_undoes(sam: UserServer) -> None:
    told = sam.get("api/experimental/chats/policy").json()
    assert {name for name, state in told["capabilities"].items() if not state["enabled"]} == {
        "shell",
        "mcp",
        "providers",
        "subagents",
    }
    assert told["allowed"]["models"] == [["*:fake-model", "other:*"], ["openai:*", "demo:*"]]
    with sam.chats(model=MODEL) as chats:
        chat_id = chats.begin('call execute with {"command": "touch made"}')
        chats.settle(chat_id)
        assert "There is no tool" in str(chats.results(chat_id))
    assert not list(sam.home.rglob("made"))


def page_config(server: UserServer) -> dict[str, Any]:
    """What the page of JupyterLab tells the front end."""
    page = server.get("lab")
    assert page.status_code == 200
    (config,) = re.findall(
        r'id="jupyter-config-data" type="application/json">(.*?)</script>', page.text, re.DOTALL
    )
    return json.loads(config)


# One user and another


def test_one_user_cannot_reach_what_another_has(ada: UserServer, hub: Hub) -> None:
    with ada.chats() as chats:
        chat_id = chats.begin("say a secret")
        chats.settle(chat_id)
        bob = hub.start_server("bob")
        foreign = ada.seen_by(bob)
        base = "api/experimental/chats"
        for path in (base, f"{base}/{chat_id}", f"{base}/{chat_id}/messages", f"{base}/{chat_id}/stream"):
            assert foreign.get(path).status_code == 403
        for path in (f"{base}/workspaces", f"{base}/files/{chat_id}", "api/contents", "files/x"):
            assert foreign.get(path).status_code == 403
        sent = httpx.post(f"{foreign.chats_url}/{chat_id}/messages", headers=foreign.headers, json={})
        assert sent.status_code == 403
        with bob.chats() as own:
            assert own.list() == []
            assert own.get(chat_id).status_code == 404
        assert len(chats.rows(chat_id)) == 2


# The gateway


def test_a_server_calls_models_without_ever_having_the_key(
    ada: UserServer, hub: Hub, vendor: FakeVendor
) -> None:
    with ada.chats(model=MODEL) as chats:
        chat_id = chats.begin('call execute with {"command": "env; cat /proc/self/environ"}')
        chats.settle(chat_id)
        assert chats.texts(chat_id)[-1]
        assert {vendor.key_of(request) for request in vendor.generations} == {KEY}
        (result,) = chats.results(chat_id)
        assert KEY not in json.dumps(result)
    process = server_process(ada)
    assert b"OPENAI_BASE_URL" in environment(process)
    assert KEY.encode() not in environment(process)
    assert files_with(KEY, ada.home) == []


def test_the_gateway_streams(ada: UserServer, vendor: FakeVendor) -> None:
    """Parts come while the vendor goes on: the turn is stopped in the middle of an answer without end."""
    with ada.chats(model=MODEL) as chats:
        chat_id = chats.begin("hang")
        eventually(lambda: chats.status(chat_id) == "running")
        chats.hear(chat_id, "message_part")
        chats.interrupt(chat_id)
        assert chats.settle(chat_id)["status"] == "waiting"


def test_the_gateway_knows_only_users_of_the_hub(hub: Hub, vendor: FakeVendor) -> None:
    asked = len(vendor.generations)
    url = f"{hub.url}services/gateway/v1/chat/completions"
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Bearer {KEY}"}):
        reply = httpx.post(url, headers=headers, json={"model": "m", "messages": []})
        assert (reply.status_code, KEY in reply.text) == (401, False)
    assert len(vendor.generations) == asked


def server_process(server: UserServer) -> int:
    """The process of a user's server, as its runtime folder names it."""
    files = server.home.glob(".local/share/jupyter/runtime/jpserver-*.json")
    records = [json.loads(file.read_text()) for file in files]
    (process,) = [record["pid"] for record in records if server.url.endswith(record["base_url"])]
    return process


def environment(process: int) -> bytes:
    return Path(f"/proc/{process}/environ").read_bytes()


def files_with(text: str, folder: Path) -> list[Path]:
    found = [Path(root, name) for root, _, names in os.walk(folder) for name in names]
    assert found
    return [path for path in found if path.is_file() and text.encode() in path.read_bytes()]


# The desktop


@needs_xvnc
def test_d1_the_desktop_is_seen_and_used_in_a_browser_and_by_a_client_of_somebody_else(
    ada: UserServer, tmp_path: Path
) -> None:
    with ada.chats() as chats:
        chat_id = chats.begin("say hello", title="Errands")
        chats.settle(chat_id)
    expect.set_options(timeout=PATIENCE)
    with started_browser() as browser:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(f"{ada.url}lab?reset")
        page.locator("#username_input").fill("ada")
        page.locator("#password_input").fill("any")
        page.locator("#login_submit").click()
        page.locator('[data-id="jupyter-chatd-panel"]').click()
        panel = page.locator("#jupyter-chatd-panel")
        panel.get_by_role("button", name="Errands").click()
        panel.get_by_role("button", name="Open the desktop").click()
        view = View(page.locator("#jp-main-dock-panel"))
        view.button("Start the desktop").click()
        view.until_it_shows_something()
        view.take()
        view.canvas.click()
        actions = {"actions": [{"action": "cursor"}]}
        url = f"{ada.chats_url}/{chat_id}/desktop"
        reply = httpx.post(f"{url}/action", headers=ada.headers, json=actions, timeout=60).json()
        x, y = reply["results"][0]["cursor"]
        assert abs(x - MIDDLE[0]) <= 2
        assert abs(y - MIDDLE[1]) <= 2
        view.give_back()
    screen = tmp_path / "screen.png"
    asyncio.run(foreign_viewer.use(url, ada.headers, "move", "300", "200", picture=screen))
    assert screen.read_bytes().startswith(b"\x89PNG")
    reply = httpx.post(f"{url}/action", headers=ada.headers, json=actions, timeout=60).json()
    assert reply["results"] == [{"cursor": [300, 200]}]
    httpx.post(f"{url}/stop", headers=ada.headers, json={}, timeout=60).raise_for_status()
