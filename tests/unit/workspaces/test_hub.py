"""The kind `hub` against a hub that is slow, refuses, loses servers, or is not there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from world import OWNER, World, script

from jupyter_chatd.errors import ChatdError
from jupyter_chatd.workspace.agent.remote import AgentLostError, AgentUnreachableError
from jupyter_chatd.workspace.protocol import WorkspaceError, WorkspaceUnavailableError
from jupyter_chatd.workspaces import hub as hub_module
from jupyter_chatd.workspaces import hub_api
from jupyter_chatd.workspaces.hub import AgentAbsentError, HubProvisioner, explain
from jupyter_chatd.workspaces.hub_api import SCOPES, HubUnavailableError, account_of
from jupyter_chatd.workspaces.lookup import NoAgentError
from jupyter_chatd.workspaces.provisioner import ProvisionError
from jupyter_chatd.workspaces.templates import TemplateCatalog, parse_template
from jupyter_chatd.workspaces.values import AgentAddress, BuildStatus, Transition, Workspace

from .fake_hub import ALL, TOKEN, FakeHub, fake_hub

pytestmark = pytest.mark.anyio

GPU = parse_template({"name": "gpu", "origin": "hub", "options": {"profile": "gpu"}})
PLACE = Workspace(
    id="w",
    owner_id="ada",
    name="second",
    kind="hub",
    template_id=GPU.id,
    parameters={},
    directory=None,
    created_at=0.0,
)
START, STOP = ("POST", "second"), ("DELETE", "second")


@pytest.fixture
async def hub(anyio_backend: str) -> AsyncIterator[FakeHub]:
    async with fake_hub() as hub:
        yield hub


@pytest.fixture
def provisioner(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> HubProvisioner:
    monkeypatch.setattr(hub_module, "LOOKS", 0.01)
    return HubProvisioner(hub.account)


async def start(provisioner: HubProvisioner) -> tuple[AgentAddress, list[str]]:
    """Start the workspace; gives its agent's address and what the build said."""
    said: list[str] = []
    (address,) = await provisioner.start(PLACE, GPU, (), said.append)
    return address, said


async def stop(provisioner: HubProvisioner) -> None:
    await provisioner.stop(PLACE, (), lambda _line: None)


async def why_no_start(provisioner: HubProvisioner) -> str:
    with pytest.raises(ProvisionError) as caught:
        await start(provisioner)
    return str(caught.value)


# Starting


async def test_a_quick_start_is_over_with_the_answer(hub: FakeHub, provisioner: HubProvisioner) -> None:
    address, said = await start(provisioner)
    assert hub.asked == [("POST", "second", {"profile": "gpu"})]
    assert said == ["Starting the server second", "It runs"]
    agent = await provisioner.connect(address)
    assert (await agent.hello()).protocol_version == 1
    await agent.aclose()
    assert TOKEN not in repr(address) + repr(hub.account)


async def test_a_slow_start_tells_its_progress(hub: FakeHub, provisioner: HubProvisioner) -> None:
    hub.starts = [(202, "")]
    hub.events = [{"progress": 0, "message": "Server requested"}, {"progress": 50, "message": "Spawning"}]
    _, said = await start(provisioner)
    assert said[1:-1] == ["Server requested", "Spawning", "Server ready"]


async def test_progress_that_breaks_off_is_no_failure(hub: FakeHub, provisioner: HubProvisioner) -> None:
    hub.starts = [(202, "")]
    hub.events, hub.breaks_off = [{"message": "Spawning"}], True
    _, said = await start(provisioner)
    assert said[1:-1] == ["Spawning"]


async def test_a_server_that_runs_already_is_used_as_it_is(hub: FakeHub, provisioner: HubProvisioner) -> None:
    hub.put("second", "ready")
    _, said = await start(provisioner)
    assert "It runs already" in said
    assert hub.actions() == []


async def test_a_server_that_ran_before_is_not_stopped_when_it_cannot_be_used(
    hub: FakeHub, provisioner: HubProvisioner
) -> None:
    hub.put("second", "ready")
    hub.agent_status = 404
    assert "has no agent" in await why_no_start(provisioner)
    assert hub.actions() == []


async def test_a_start_waits_for_the_end_of_a_stop(hub: FakeHub, provisioner: HubProvisioner) -> None:
    hub.put("second", "stop")
    hub.starts = [(400, "ada:second is pending stop")]
    asyncio.get_running_loop().call_later(0.05, hub.put, "second", "stopped")
    await start(provisioner)
    assert hub.actions() == [START, START]


@pytest.mark.parametrize(
    "refusal, told",
    [
        (
            (400, "User ada already has the maximum of 2 named servers."),
            "maximum of 2 named servers. Stopped",
        ),
        ((400, "Named servers are not enabled."), "Named servers are not enabled."),
        ((403, "Action is not authorized"), "lacks the scopes servers!user."),
        ((429, "100 pending spawns"), "too busy to start a server now: 100 pending spawns Try again later"),
        ((404, ""), "The hub could not start the server."),
    ],
)
async def test_a_refusal_is_told_plainly(
    hub: FakeHub, provisioner: HubProvisioner, refusal: tuple[int, str], told: str
) -> None:
    hub.starts = [refusal]
    assert told in await why_no_start(provisioner)


async def test_the_reason_of_a_spawn_that_fails_at_once_is_in_its_progress(
    hub: FakeHub, provisioner: HubProvisioner
) -> None:
    hub.starts = [(500, "Internal Server Error")]
    hub.events = [{"failed": True, "message": "Spawn failed: no machine is free"}]
    assert "Spawn failed: no machine is free" in await why_no_start(provisioner)


async def test_a_slow_spawn_that_fails_says_why_and_nothing_runs(
    hub: FakeHub, provisioner: HubProvisioner
) -> None:
    hub.starts = [(202, "")]
    hub.events = [{"message": "Pulling"}, {"failed": True, "message": "Spawn failed: no such image"}]
    assert "Spawn failed: no such image" in await why_no_start(provisioner)
    assert hub.actions()[-1] == STOP


async def test_a_server_that_vanishes_while_it_starts(hub: FakeHub, provisioner: HubProvisioner) -> None:
    hub.starts = [(202, "")]
    hub.events = [{"message": "Spawning", "gone": True}]
    assert "could not start the server second" in await why_no_start(provisioner)


async def test_a_start_that_is_given_up_is_stopped(hub: FakeHub, provisioner: HubProvisioner) -> None:
    hub.starts = [(202, "")]
    starting = asyncio.create_task(start(provisioner))
    while not hub.servers.get("second"):  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.01)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert hub.actions() == [START, STOP]
    assert not hub.servers["second"]["pending"]


@pytest.mark.parametrize("status, told", [(404, "has no agent"), (403, "access:servers!user")])
async def test_a_server_whose_agent_cannot_be_used_is_stopped_again(
    hub: FakeHub, provisioner: HubProvisioner, status: int, told: str
) -> None:
    hub.agent_status = status
    assert told in await why_no_start(provisioner)
    assert hub.actions() == [START, STOP]


async def test_an_agent_that_does_not_answer_yet_is_waited_for_and_no_failure(
    hub: FakeHub, provisioner: HubProvisioner, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.agent_status = 503
    starting = asyncio.create_task(start(provisioner))
    done, _ = await asyncio.wait([starting], timeout=0.2)
    assert not done
    hub.agent_status = 200
    await starting
    hub.agent_status = 503
    monkeypatch.setattr(hub_module, "AGENT_LIMIT", 0.05)
    address, _ = await start(provisioner)
    agent = await provisioner.connect(address)
    with pytest.raises(AgentLostError):
        await agent.hello()
    await agent.aclose()


# Stopping


@pytest.mark.parametrize("status", [204, 202])
async def test_a_stop_ends_when_the_server_has(
    hub: FakeHub, provisioner: HubProvisioner, status: int
) -> None:
    address, _ = await start(provisioner)
    hub.stop_status = status
    assert not await provisioner.is_gone(address)
    await stop(provisioner)
    assert await provisioner.is_gone(address)


async def test_what_is_stopped_or_gone_stays_so(hub: FakeHub, provisioner: HubProvisioner) -> None:
    hub.put("second", "stopped")
    await stop(provisioner)
    del hub.servers["second"]
    await stop(provisioner)


@pytest.mark.parametrize("status, told", [(403, "delete:servers!user"), (500, "no second")])
async def test_a_stop_that_is_refused_says_why(
    hub: FakeHub, provisioner: HubProvisioner, status: int, told: str
) -> None:
    await start(provisioner)
    hub.stop_status = status
    with pytest.raises(ProvisionError, match=told):
        await stop(provisioner)


async def test_a_deleted_workspace_leaves_its_server_unless_the_files_are_to_go(
    hub: FakeHub, provisioner: HubProvisioner
) -> None:
    hub.put("second", "stopped")
    await provisioner.forget(PLACE, remove_files=False)
    assert "second" in hub.servers
    await provisioner.forget(PLACE, remove_files=True)
    assert hub.asked == [("DELETE", "second", {"remove": True})]
    assert "second" not in hub.servers
    await provisioner.forget(PLACE, remove_files=True)


# Looking


async def test_what_is_gone_and_what_is_not(hub: FakeHub, provisioner: HubProvisioner) -> None:
    address, _ = await start(provisioner)
    for state, is_gone in (("ready", False), ("spawn", False), ("stop", False), ("stopped", True)):
        hub.put("second", state)
        assert await provisioner.is_gone(address) is is_gone
    del hub.servers["second"]
    assert await provisioner.is_gone(address)


async def test_a_name_that_is_taken_on_the_hub(hub: FakeHub, provisioner: HubProvisioner) -> None:
    hub.put("second", "stopped")
    with pytest.raises(ProvisionError, match="called second on the hub already"):
        await provisioner.place("ada", "second")
    assert await provisioner.place("ada", "third") is None


@pytest.mark.parametrize("lost", range(1, 5))
async def test_every_scope_that_is_missing_is_named(
    hub: FakeHub, provisioner: HubProvisioner, lost: int
) -> None:
    hub.scopes = [f"{scope}!user=ada" for number, scope in enumerate(ALL) if number != lost]
    hub.scopes += ["access:servers!server=ada/", "read:servers!user=bob"]
    reason = await provisioner.why_not()
    assert reason is not None
    assert [scope for scope in SCOPES if f" {scope}" in reason] == [SCOPES[lost - 1]]


@pytest.mark.parametrize("filter_", ["", "!user", "!user=ada", "!group=staff"])
async def test_scopes_count_however_they_are_granted(
    hub: FakeHub, provisioner: HubProvisioner, filter_: str
) -> None:
    hub.scopes = [scope + filter_ for scope in ALL]
    assert await provisioner.why_not() is None


async def test_servers_that_nobody_can_reach_are_not_offered(hub: FakeHub) -> None:
    hub.is_public = False
    hub.put("", "ready")
    hub.put("second", "ready")
    assert "hub_proxy" in str(await HubProvisioner(hub.account).why_not())
    assert "hub_proxy" in await why_no_start(HubProvisioner(hub.account))
    told = HubProvisioner(hub.account, proxy=hub.url)
    assert await told.why_not() is None
    address, _ = await start(told)
    with pytest.raises(WorkspaceUnavailableError, match="hub_proxy"):
        await HubProvisioner(hub.account).connect(address)


# A hub that is not there


async def test_a_hub_that_is_silent_or_down_is_told_and_nothing_is_taken_for_gone(
    hub: FakeHub, provisioner: HubProvisioner
) -> None:
    address, _ = await start(provisioner)
    hub.is_silent = True
    await cannot(HubProvisioner(hub.account, answer_limit_s=0.2), address, "does not answer in time")
    await cannot(HubProvisioner(account_elsewhere(hub)), address, "cannot be reached")


async def test_a_hub_that_is_restarted_while_a_server_starts_is_waited_for(
    hub: FakeHub, provisioner: HubProvisioner, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.starts = [(202, "")]
    away = HubProvisioner(hub.account, answer_limit_s=0.1)
    starting = asyncio.create_task(start(away))
    while not hub.servers.get("second"):  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0)
    hub.is_silent = True
    await asyncio.sleep(0.3)
    hub.is_silent = False
    hub.events = [{"message": "Spawning"}]
    hub.never.set()
    assert "Spawning" in (await starting)[1]

    monkeypatch.setattr(hub_module, "PATIENCE", 0.1)
    hub.is_silent = True
    hub.never.clear()
    with pytest.raises(HubUnavailableError):
        await stop(away)


def account_elsewhere(hub: FakeHub) -> hub_api.HubAccount:
    return hub_api.HubAccount(api_url="http://127.0.0.1:9/hub/api", user="ada", token=TOKEN)


async def cannot(provisioner: HubProvisioner, address: AgentAddress, told: str) -> None:
    assert told in str(await provisioner.why_not())
    for attempt in (provisioner.place("ada", "third"), stop(provisioner)):
        with pytest.raises(HubUnavailableError, match=told):
            await attempt
    assert not await provisioner.is_gone(address)


async def test_a_hub_that_talks_nonsense(hub: FakeHub, provisioner: HubProvisioner) -> None:
    hub.garbage = True
    assert "makes no sense" in str(await provisioner.why_not())
    with pytest.raises(ProvisionError, match="makes no sense"):
        await provisioner.place("ada", "third")


# As the workspace of a chat


async def test_w1_a_server_that_went_away_behind_our_back_is_a_stopped_workspace(
    hub: FakeHub, provisioner: HubProvisioner, tmp_path: Path
) -> None:
    options = {"provisioners": {"hub": provisioner}, "templates": TemplateCatalog(kinds=("hub",))}
    async with World(tmp_path, script(), **options) as world:
        manager, lookup = world.runtime.workspaces, world.runtime.lookup
        (template,) = await manager.offered()
        workspace, build = await manager.create(OWNER, template_id=template.id, name="second")
        assert (await manager.wait(build.id)).status is BuildStatus.SUCCEEDED
        first = await lookup.connect(workspace.id)

        # Nothing is left to tidy up, and somebody may be starting it again.
        hub.asked.clear()
        del hub.servers["second"]
        with pytest.raises(NoAgentError, match="is stopped"):
            await lookup.connect(workspace.id, stale=first)
        assert hub.actions() == []
        started = await manager.wait((await manager.build(workspace, Transition.START)).id)
        assert started.status is BuildStatus.SUCCEEDED
        assert (await (await lookup.connect(workspace.id)).hello()).protocol_version == 1

    async with World(tmp_path, script(), provisioners={}) as world:
        with pytest.raises(NoAgentError, match="kind hub are not available on this server"):
            await world.runtime.lookup.connect(workspace.id)


# Answers in place of the agent's


@pytest.mark.parametrize(
    "status, error",
    [
        (404, AgentAbsentError),
        (424, AgentUnreachableError),
        (503, AgentLostError),
        (302, WorkspaceError),
        (403, WorkspaceError),
    ],
)
async def test_what_the_proxy_says_has_a_meaning(status: int, error: type[WorkspaceError]) -> None:
    assert type(explain(status)) is error


async def test_what_means_nothing_is_no_error_of_ours() -> None:
    assert explain(418) is None


async def test_only_a_server_that_a_hub_started_has_an_account() -> None:
    environ = {"JUPYTERHUB_API_URL": "http://h/hub/api/", "JUPYTERHUB_USER": "a", "JUPYTERHUB_API_TOKEN": "t"}
    account = account_of(environ)
    assert account is not None
    assert account.api_url == "http://h/hub/api"
    assert all(account_of({**environ, name: ""}) is None for name in environ)
    assert account_of({**environ, "JUPYTERHUB_SSL_KEYFILE": "/k"}) is None
    assert issubclass(HubUnavailableError, ChatdError)
