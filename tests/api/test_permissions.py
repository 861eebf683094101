"""Who may use which route: nobody without a token, and whom the authorizer allows that very action."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import uuid
import warnings
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.utils import JupyterServerAuthWarning

from jupyter_chatd.api.base import BASE as BASE_PATTERN
from jupyter_chatd.api.base import UnknownRouteHandler, methods_of
from jupyter_chatd.api.routes import ROUTES

from .client import BASE, Api, Reply, text_part
from .users import RecordingAuthorizer

UNKNOWN = str(uuid.UUID(int=0))
CHAT = "/{chat_id}"

PERMISSIONS: dict[tuple[str, str], tuple[str, str]] = {
    ("GET", ""): ("read", "chats"),
    ("POST", ""): ("write", "chats"),
    ("GET", "/openapi.yaml"): ("read", "chats"),
    ("GET", "/watch"): ("read", "chats"),
    ("GET", "/models"): ("read", "chats"),
    ("POST", "/files"): ("write", "chats"),
    ("GET", "/files/{file_id}"): ("read", "chats"),
    ("GET", "/search"): ("read", "chats"),
    ("GET", "/cost/{user}/summary"): ("read", "chats"),
    ("GET", "/policy"): ("read", "chats"),
    ("PATCH", "/policy"): ("write", "settings"),
    ("GET", "/providers"): ("read", "chats"),
    ("POST", "/providers"): ("write", "settings"),
    ("PATCH", "/providers/{config_id}"): ("write", "settings"),
    ("DELETE", "/providers/{config_id}"): ("write", "settings"),
    ("GET", "/config/system-prompt"): ("read", "chats"),
    ("PUT", "/config/system-prompt"): ("write", "settings"),
    ("GET", "/config/user-prompt"): ("read", "chats"),
    ("PUT", "/config/user-prompt"): ("write", "chats"),
    ("GET", "/model-configs"): ("read", "chats"),
    ("POST", "/model-configs"): ("write", "settings"),
    ("PATCH", "/model-configs/{config_id}"): ("write", "settings"),
    ("DELETE", "/model-configs/{config_id}"): ("write", "settings"),
    ("GET", "/mcp/servers"): ("read", "chats"),
    ("POST", "/mcp/servers"): ("write", "settings"),
    ("PATCH", "/mcp/servers/{config_id}"): ("write", "settings"),
    ("DELETE", "/mcp/servers/{config_id}"): ("write", "settings"),
    ("POST", "/mcp/servers/{config_id}/test"): ("write", "settings"),
    ("GET", "/mcp/project"): ("read", "chats"),
    ("POST", "/mcp/project"): ("execute", "approvals"),
    ("GET", "/workspaces"): ("read", "chats"),
    ("POST", "/workspaces"): ("execute", "workspaces"),
    ("GET", "/workspaces/templates"): ("read", "chats"),
    ("GET", "/workspaces/{workspace_id}"): ("read", "chats"),
    ("DELETE", "/workspaces/{workspace_id}"): ("execute", "workspaces"),
    ("GET", "/workspaces/{workspace_id}/builds"): ("read", "chats"),
    ("POST", "/workspaces/{workspace_id}/builds"): ("execute", "workspaces"),
    ("GET", "/workspaces/{workspace_id}/builds/{build_id}/log"): ("read", "chats"),
    ("GET", "/agent/hello"): ("execute", "workspaces"),
    ("POST", "/agent/follow_process"): ("execute", "workspaces"),
    ("POST", "/agent/follow_code"): ("execute", "workspaces"),
    ("GET", "/agent/desktops/{desktop_id}"): ("execute", "workspaces"),
    ("POST", "/agent/{operation}"): ("execute", "workspaces"),
    ("GET", CHAT): ("read", "chats"),
    ("PATCH", CHAT): ("write", "chats"),
    ("POST", CHAT + "/interrupt"): ("execute", "chats"),
    ("POST", CHAT + "/compact"): ("write", "chats"),
    ("POST", CHAT + "/clear"): ("write", "chats"),
    ("POST", CHAT + "/title/regenerate"): ("write", "chats"),
    ("GET", CHAT + "/files"): ("read", "chats"),
    ("GET", CHAT + "/children"): ("read", "chats"),
    ("GET", CHAT + "/usage"): ("read", "chats"),
    ("GET", CHAT + "/messages"): ("read", "chats"),
    ("POST", CHAT + "/messages"): ("write", "chats"),
    ("PATCH", CHAT + "/messages/{message_id}"): ("write", "chats"),
    ("DELETE", CHAT + "/queue/{queued_id}"): ("write", "chats"),
    ("POST", CHAT + "/queue/{queued_id}/promote"): ("write", "chats"),
    ("POST", CHAT + "/tool-results"): ("write", "tool_results"),
    ("GET", CHAT + "/approvals"): ("read", "chats"),
    ("POST", CHAT + "/approvals"): ("execute", "approvals"),
    ("GET", CHAT + "/stream"): ("read", "chats"),
    ("GET", CHAT + "/desktop"): ("read", "desktops"),
    ("GET", CHAT + "/desktop/screenshot"): ("read", "desktops"),
    ("POST", CHAT + "/desktop/action"): ("execute", "desktops"),
    ("POST", CHAT + "/desktop/start"): ("execute", "desktops"),
    ("POST", CHAT + "/desktop/stop"): ("execute", "desktops"),
    ("POST", CHAT + "/desktop/take"): ("execute", "desktops"),
    ("POST", CHAT + "/desktop/release"): ("execute", "desktops"),
    ("GET", CHAT + "/desktop/recording"): ("read", "desktops"),
    ("POST", CHAT + "/desktop/recording/start"): ("execute", "desktops"),
    ("POST", CHAT + "/desktop/recording/stop"): ("execute", "desktops"),
}
"""What the authorizer is asked for each method of each route."""

SOCKETS = ("/watch", CHAT + "/stream")

NEED_A_DESKTOP = {CHAT + "/desktop/screenshot": 409, "/agent/desktops/{desktop_id}": 400}
"""Their status without one."""

Route = tuple[str, str]


def template_of(pattern: str) -> str:
    """Return `…/(?P<chat_id>[^/]+)/stream` as `/{chat_id}/stream`."""
    path = pattern.removeprefix(BASE_PATTERN)
    while "(?P<" in path:
        before, _, rest = path.partition("(?P<")
        name, _, after = rest.partition(">[^/]+)")
        path = f"{before}{{{name}}}{after}"
    return path.replace(r"\.", ".")


def routes() -> list[Route]:
    """Every method of every route."""
    return [
        (method, template_of(pattern))
        for pattern, handler in ROUTES
        if handler is not UnknownRouteHandler
        for method in methods_of(handler)
    ]


def path_of(template: str) -> str:
    """A path for which there is no chat, no config, no message."""
    return template.format_map(defaultdict(lambda: UNKNOWN, message_id="1", queued_id="1"))


async def ask(api: Api, route: Route) -> Reply:
    """Send a request that gets past the authorizer and fails soon after it."""
    method, template = route
    return await api.call(method, path_of(template), {} if method in ("POST", "PATCH") else None)


@pytest.fixture
def authorizer() -> Iterator[type[RecordingAuthorizer]]:
    yield RecordingAuthorizer
    RecordingAuthorizer.asked.clear()
    RecordingAuthorizer.denied.clear()


@pytest.fixture
def server_settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {"authorizer_class": RecordingAuthorizer} if "authorizer" in request.fixturenames else {}


def test_the_table_lists_every_method_of_every_route_once() -> None:
    assert sorted(routes()) == sorted(PERMISSIONS)


def test_no_method_is_inherited_with_its_permission() -> None:
    for _, handler in ROUTES:
        for method in methods_of(handler):
            assert method.lower() in vars(handler), f"{handler.__name__}.{method.lower()} is inherited"


async def test_every_route_refuses_a_caller_without_a_token(api: Api) -> None:
    stranger = api.with_headers(Authorization="")
    for route in [*routes(), ("GET", "/no/such/route"), ("GET", CHAT + "/interrupt")]:
        reply = await ask(stranger, route)
        assert (route, reply.status) == (route, 403)
        assert reply.json["message"]


async def test_every_socket_refuses_a_caller_without_a_token(api: Api) -> None:
    stranger = api.with_headers(Authorization="")
    for template in SOCKETS:
        assert (await stranger.refused(path_of(template))).status == 403


async def test_a_wrong_token_opens_nothing(api: Api) -> None:
    stranger = api.with_headers(Authorization="token wrong")
    assert [(await ask(stranger, route)).status for route in routes()] == [403] * len(routes())


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_authorizer_is_asked_for_one_action_and_resource_per_route(
    api: Api, authorizer: type[RecordingAuthorizer], seed: int
) -> None:
    """In any order: `authorized` keeps what it was first asked for in a closure."""
    everything = list(PERMISSIONS.items())
    random.Random(seed).shuffle(everything)
    for route, permission in everything:
        authorizer.asked.clear()
        await ask(api, route)
        assert (route, authorizer.asked) == (route, [permission])


async def test_sockets_ask_the_authorizer_too(api: Api, authorizer: type[RecordingAuthorizer]) -> None:
    chat_id = await api.create_id()
    for path in ("/watch", f"/{chat_id}/stream"):
        authorizer.asked.clear()
        async with api.socket(path):
            pass
        assert authorizer.asked == [("read", "chats")]


async def test_what_the_authorizer_denies_is_refused_and_changes_nothing(
    api: Api, authorizer: type[RecordingAuthorizer], jp_data_dir: Path
) -> None:
    authorizer.denied.update(PERMISSIONS.values())
    for route in PERMISSIONS:
        reply = await ask(api, route)
        assert (route, reply.status) == (route, 403)
        action, resource = PERMISSIONS[route]
        assert reply.json == {"message": f"User is not authorized to {action} on resource: {resource}."}
    for template in SOCKETS:
        assert (await api.refused(path_of(template))).status == 403
    assert changes(jp_data_dir) == 0


async def test_who_may_not_approve_cannot_make_a_chat_ask_no_more(
    api: Api, authorizer: type[RecordingAuthorizer]
) -> None:
    chat_id = await api.create_id(approval_mode="ask")
    authorizer.denied.add(("execute", "approvals"))
    await api.patch(f"/{chat_id}", {"approval_mode": "auto", "title": "changed"}, status=403)
    assert (await api.get(f"/{chat_id}"))["title"] == "say hello"
    await api.patch(f"/{chat_id}", {"approval_mode": "ask"}, status=204)
    authorizer.denied.clear()
    await api.patch(f"/{chat_id}", {"approval_mode": "auto"}, status=204)
    authorizer.denied.add(("execute", "approvals"))
    await api.patch(f"/{chat_id}", {"approval_mode": "auto"}, status=204)


async def test_who_may_not_approve_makes_no_chat_that_does_not_ask(
    api: Api, authorizer: type[RecordingAuthorizer], jp_data_dir: Path
) -> None:
    authorizer.denied.add(("execute", "approvals"))
    greeting = {"content": [text_part("say hello")]}
    refused = await api.post("", {**greeting, "approval_mode": "auto"}, status=403)
    assert refused["message"] == "User is not authorized to execute on resource: approvals."
    assert changes(jp_data_dir) == 0
    for client_type in (None, "api", "ui"):
        chat = await api.post("", {**greeting, "client_type": client_type}, status=201)
        assert (client_type, chat["approval_mode"]) == (client_type, "ask")


async def test_a_kernel_may_answer_its_tools_and_never_approve(
    api: Api, authorizer: type[RecordingAuthorizer]
) -> None:
    authorizer.denied.add(("execute", "approvals"))
    assert (await ask(api, ("POST", CHAT + "/approvals"))).status == 403
    assert (await ask(api, ("POST", CHAT + "/tool-results"))).status == 400


# Cross-site requests


async def cookies_of(api: Api) -> dict[str, str]:
    """Log in as a browser does, and return the headers of its further requests."""
    token = api.headers["Authorization"].removeprefix("token ")
    reply = await api._fetch("api/me", params={"token": token}, headers={"Authorization": ""})
    page = await api._fetch("login", headers={"Authorization": ""})
    pairs = [
        cookie.partition(";")[0] for one in (reply, page) for cookie in one.headers.get_list("Set-Cookie")
    ]
    jar = dict(pair.split("=", 1) for pair in pairs)
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in jar.items()), "_xsrf": jar["_xsrf"]}


async def test_a_browser_needs_the_xsrf_header_to_change_anything(api: Api) -> None:
    headers = await cookies_of(api)
    browser = api.with_headers(Authorization="", Cookie=headers["Cookie"])
    assert await browser.get() == []
    for route in PERMISSIONS:
        if route[0] != "GET":
            assert (route, (await ask(browser, route)).status) == (route, 403)
    allowed = browser.with_headers(X_XSRFToken=headers["_xsrf"])
    assert (await allowed.create())["title"] == "say hello"


async def test_a_page_of_another_site_cannot_read_with_a_browsers_cookie(api: Api) -> None:
    chat_id = await api.create_id()
    cookie = (await cookies_of(api))["Cookie"]
    page = api.with_headers(Authorization="", Cookie=cookie, Origin="https://elsewhere.example")
    assert (await page.call("GET")).status == 404
    assert (await page.call("GET", f"/{chat_id}/stream")).status == 403
    assert (await page.refused(f"/{chat_id}/stream")).status == 403
    assert (await page.refused("/watch")).status == 403


def changes(data_dir: Path) -> int:
    """The number of the newest change in the database."""
    with sqlite3.connect(data_dir / "jupyter_chatd" / "chats.db") as conn:
        (newest,) = conn.execute("SELECT value FROM counters WHERE name = 'change'").fetchone()
    conn.close()
    return newest


async def test_get_never_changes_state(api: Api, jp_data_dir: Path) -> None:
    chat = await api.finished()
    await api.post("/model-configs", {"provider": "mine", "model": "m", "context_limit": 1}, status=201)
    text = api.with_headers(Content_Type="text/plain")
    file_id = (await text.call("POST", "/files", raw=b"hello")).json["id"]
    template = (await api.get("/workspaces/templates"))[0]["id"]
    workspace = await api.post("/workspaces", {"template_id": template}, status=201)
    build = workspace["latest_build"]["id"]
    await api.call("GET", f"/workspaces/{workspace['id']}/builds/{build}/log")  # until it has ended
    ids = {
        "chat_id": chat["id"],
        "file_id": file_id,
        "user": "me",
        "workspace_id": workspace["id"],
        "build_id": build,
        "desktop_id": "none",
    }
    before = changes(jp_data_dir), await api.get(f"/{chat['id']}")
    for method, template in PERMISSIONS:
        if method == "GET" and template not in SOCKETS:
            path = template.format_map(ids)
            query = [("q", "hello")] if path == "/search" else []
            status = NEED_A_DESKTOP.get(template, 200)
            assert (await api.call("GET", path, params=query)).status == status
    for path in ("/watch", f"/{chat['id']}/stream"):
        async with api.socket(path):
            pass
    await asyncio.sleep(0.05)
    assert (changes(jp_data_dir), await api.get(f"/{chat['id']}")) == before
    await api.delete(f"/workspaces/{workspace['id']}")


# Jupyter's own checks


def test_all_routes_are_below_the_one_that_loads_them() -> None:
    assert [pattern for pattern, _ in ROUTES if not pattern.startswith(BASE_PATTERN)] == []


def test_jupyter_finds_no_route_that_lets_strangers_in(
    jp_configurable_serverapp: Any, jp_server_config: Any
) -> None:
    jp_server_config.ServerApp.allow_unauthenticated_access = False
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        app = jp_configurable_serverapp(config=jp_server_config)
        app.web_app.add_handlers(".*$", list(ROUTES))  # which does not happen in a server: they come late
    told = [str(warning.message) for warning in caught if warning.category is JupyterServerAuthWarning]
    assert not [text for text in told if BASE in text]


@pytest.mark.parametrize("server_settings", [{"allow_unauthenticated_access": False}])
async def test_a_server_that_lets_nobody_in_serves_who_has_a_token(api: Api) -> None:
    chat_id = await api.create_id()
    async with api.follow(chat_id) as stream:
        await stream.status("waiting")
    async with api.follow_events(chat_id) as stream:
        await stream.status("waiting")
    stranger = api.with_headers(Authorization="")
    assert [(await ask(stranger, route)).status for route in routes()] == [403] * len(routes())
    assert (await stranger.refused("/watch")).status == 403


async def test_a_browser_may_ask_whether_it_may_ask(api: Api) -> None:
    reply = await api.with_headers(Authorization="").call("OPTIONS")
    assert (reply.status, reply.text) == (200, "")
    assert "authorization" in reply.headers["Access-Control-Allow-Headers"]
