"""Each vendor's own computer tool, from its wire to a fake desktop and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fakes.anthropic_server import FakeAnthropic
from fakes.azure_server import FakeAzure
from fakes.google_server import FakeGoogle
from fakes.openai_server import FakeOpenAI
from fakes.responses_server import FakeResponses
from fakes.steps import Answer, call, say
from fakes.vendor import FakeVendor
from loop.test_asking import decide, pending
from loop.test_families import Play, settled, spawning, text_of
from providers.asking import endpoint
from world import World

from jupyter_chatd.desktop.launchers.fake import FakeLauncher
from jupyter_chatd.desktop.manager import DesktopManager
from jupyter_chatd.providers.bridge import BridgeModel
from jupyter_chatd.providers.computer import GOOGLE_TOOLS, OPENAI_TOOLS, NativeTool, find_native_tool
from jupyter_chatd.providers.endpoint import Kind
from jupyter_chatd.subagents.catalog import Catalog, SubagentType

from .test_subagent import first_child

pytestmark = pytest.mark.anyio

EYES = Catalog(models={SubagentType.COMPUTER_USE: "vendor:eyes"})
TEXT = "echo héllo\n"
CHECK = {"id": "sc_1", "code": "sensitive_domain", "message": "A bank."}


@dataclass(frozen=True, kw_only=True)
class Wire:
    """How one vendor speaks of one desktop."""

    fake: type[FakeVendor]
    kind: Kind
    model: str
    click: Mapping[str, Any]
    write: Mapping[str, Any]
    names: tuple[str, str] = ("computer", "computer")
    entry: Mapping[str, Any]
    """What the request must tell of the tool."""
    header: tuple[str, str] | None = None
    replayed: Callable[[Any], list[Any]]
    """Finds the calls in a request, in the words in which they came."""
    expected: Sequence[Any] = field(default=())

    def answers(self) -> list[Answer]:
        return [
            [call(self.names[0], dict(self.click))],
            [call(self.names[1], dict(self.write))],
            [say("Typed.")],
        ]


def claude_calls(body: Any) -> list[Any]:
    blocks = [block for message in body["messages"] for block in message["content"]]
    return [(b["name"], b["input"], b.get("toolset_name")) for b in blocks if b["type"] == "tool_use"]


def openai_calls(body: Any) -> list[Any]:
    return [item["actions"] for item in body["input"] if item.get("type") == "computer_call"]


def preview_calls(body: Any) -> list[Any]:
    return [item["action"] for item in body["input"] if item.get("type") == "computer_call"]


def gemini_calls(body: Any) -> list[Any]:
    parts = [
        part["functionCall"]
        for content in body["contents"]
        for part in content["parts"]
        if "functionCall" in part
    ]
    return [(part["name"], part["args"]) for part in parts]


def function_calls(body: Any) -> list[Any]:
    calls = [one["function"] for m in body["messages"] for one in m.get("tool_calls") or ()]
    return [(one["name"], json.loads(one["arguments"])) for one in calls]


CLICK, WRITE = {"action": "left_click", "coordinate": [640, 400]}, {"action": "type", "text": TEXT}
SCREEN = {"display_width_px": 1280, "display_height_px": 800, "name": "computer"}
OPENAI_CLICK = {"type": "click", "x": 640, "y": 400, "button": "left"}
OPENAI_WRITE = {"type": "type", "text": TEXT}
NEUTRAL_CLICK, NEUTRAL_WRITE = {"action": "click", "at": [640, 400]}, {"action": "type", "text": TEXT}
WIRES = {
    "computer_20250124": Wire(
        fake=FakeAnthropic,
        kind=Kind.ANTHROPIC,
        model="claude-haiku-4-5",
        click=CLICK,
        write=WRITE,
        entry={"type": "computer_20250124", **SCREEN},
        header=("anthropic-beta", "computer-use-2025-01-24"),
        replayed=claude_calls,
        expected=[("computer", CLICK, None), ("computer", WRITE, None)],
    ),
    "computer_20251124": Wire(
        fake=FakeAnthropic,
        kind=Kind.ANTHROPIC,
        model="claude-opus-4-6",
        click=CLICK,
        write=WRITE,
        entry={"type": "computer_20251124", "enable_zoom": True, **SCREEN},
        header=("anthropic-beta", "computer-use-2025-11-24"),
        replayed=claude_calls,
        expected=[("computer", CLICK, None), ("computer", WRITE, None)],
    ),
    "computer_toolset_20260801": Wire(
        fake=FakeAnthropic,
        kind=Kind.ANTHROPIC,
        model="claude-opus-5-5",
        names=("left_click", "type"),
        click={"coordinate": [640, 400]},
        write={"text": TEXT},
        entry={"type": "computer_toolset_20260801"},
        replayed=claude_calls,
        expected=[
            ("left_click", {"coordinate": [640, 400]}, "computer"),
            ("type", {"text": TEXT}, "computer"),
        ],
    ),
    "openai": Wire(
        fake=FakeResponses,
        kind=Kind.OPENAI,
        model="gpt-6.1-terra",
        click={"actions": [OPENAI_CLICK], "pending_safety_checks": []},
        write={"actions": [OPENAI_WRITE, {"type": "screenshot"}], "pending_safety_checks": []},
        entry={"type": "computer"},
        replayed=openai_calls,
        expected=[[OPENAI_CLICK], [OPENAI_WRITE, {"type": "screenshot"}]],
    ),
    "azure": Wire(
        fake=FakeAzure,
        kind=Kind.AZURE,
        model="gpt-5.4",
        click={"actions": [OPENAI_CLICK], "pending_safety_checks": []},
        write={"actions": [OPENAI_WRITE, {"type": "screenshot"}], "pending_safety_checks": []},
        entry={"type": "computer"},
        replayed=openai_calls,
        expected=[[OPENAI_CLICK], [OPENAI_WRITE, {"type": "screenshot"}]],
    ),
    "azure preview": Wire(
        fake=FakeAzure,
        kind=Kind.AZURE,
        model="computer-use-preview",
        click={"actions": None, "action": OPENAI_CLICK, "pending_safety_checks": []},
        write={"actions": None, "action": OPENAI_WRITE, "pending_safety_checks": []},
        entry={
            "type": "computer_use_preview",
            "environment": "linux",
            "display_width": 1280,
            "display_height": 800,
        },
        replayed=preview_calls,
        expected=[OPENAI_CLICK, OPENAI_WRITE],
    ),
    "gemini": Wire(
        fake=FakeGoogle,
        kind=Kind.GOOGLE,
        model="gemini-3.8-flash",
        names=("click", "type"),
        click={"x": 500, "y": 500, "intent": "Give the window the focus."},
        write={"text": TEXT, "press_enter": False},
        entry={"computerUse": {"environment": "ENVIRONMENT_DESKTOP"}},
        replayed=gemini_calls,
        expected=[
            ("click", {"x": 500, "y": 500, "intent": "Give the window the focus."}),
            ("type", {"text": TEXT, "press_enter": False}),
        ],
    ),
    "gemini preview": Wire(
        fake=FakeGoogle,
        kind=Kind.GOOGLE,
        model="gemini-2.5-computer-use-preview-10-2025",
        names=("click_at", "type_text_at"),
        click={"x": 500, "y": 500},
        write={"x": 500, "y": 500, "text": TEXT, "press_enter": False, "clear_before_typing": False},
        entry={
            "computerUse": {
                "environment": "ENVIRONMENT_BROWSER",
                "excluded_predefined_functions": ["open_web_browser", "search", "navigate"],
            }
        },
        replayed=gemini_calls,
        expected=[
            ("click_at", {"x": 500, "y": 500}),
            (
                "type_text_at",
                {"x": 500, "y": 500, "text": TEXT, "press_enter": False, "clear_before_typing": False},
            ),
        ],
    ),
    "any other": Wire(
        fake=FakeOpenAI,
        kind=Kind.OPENAI_COMPAT,
        model="some-model",
        click=NEUTRAL_CLICK,
        write=NEUTRAL_WRITE,
        entry={"type": "function"},
        replayed=function_calls,
        expected=[("computer", NEUTRAL_CLICK), ("computer", NEUTRAL_WRITE)],
    ),
}


@pytest.fixture(params=WIRES)
def wire(request: pytest.FixtureRequest) -> Wire:
    return WIRES[request.param]


def without_marks(tool: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in tool.items() if name != "cache_control"}


async def test_d2_a_vendors_model_does_a_small_task(
    wire: Wire,
    tmp_path: Path,
    desktops: DesktopManager,
    launcher: FakeLauncher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A click and some text arrive; the tool is told as the vendor wants it; calls go back word for word."""
    async with wire.fake(wire.answers()) as vendor:
        if wire.kind is Kind.OPENAI:  # its computer tool is told at its own address only
            monkeypatch.setattr("jupyter_chatd.providers.endpoint.OPENAI_URL", vendor.base_url)
        bridge = BridgeModel(endpoint(wire.kind, vendor.base_url), wire.model)
        parent = Play(begin=spawning("write a greeting", kind="computer_use"))
        async with World(tmp_path, parent, desktops=desktops, subagents=EYES) as world:
            world.models.others["vendor:eyes"] = bridge
            rows = await settled(world, await world.create("begin"))
        await bridge.aclose()
    assert text_of(rows[-1]) == "Typed."
    canvas = launcher.launched[0].server.canvas
    assert canvas.text == TEXT
    assert (canvas.pointer.x, canvas.pointer.y) == (640, 400)
    last = vendor.generations[-1]
    told = [without_marks(tool) for tool in last.json["tools"]]
    if wire.entry == {"type": "function"}:
        assert "computer" in [tool["function"]["name"] for tool in told]
    else:
        assert wire.entry in told
        assert not [tool for tool in told if tool.get("description", "").startswith("See and use")]
    if wire.header:
        assert wire.header[1] in last.headers[wire.header[0]]
    assert wire.replayed(last.json) == list(wire.expected)


@pytest.mark.parametrize(
    "tools, model, options, told",
    [
        (GOOGLE_TOOLS, "gemini-3.5-flash", {}, "ENVIRONMENT_DESKTOP"),
        (GOOGLE_TOOLS, "gemini-3-flash-preview", {}, "ENVIRONMENT_BROWSER"),
        (GOOGLE_TOOLS, "gemini-2.5-computer-use-preview-10-2025", {}, "ENVIRONMENT_BROWSER"),
        (GOOGLE_TOOLS, "gemini-3.5-flash-lite", {}, None),
        (GOOGLE_TOOLS, "gemini-2.5-pro", {}, None),
        (GOOGLE_TOOLS, "gemini-4-flash", {"computer_tool": "function"}, None),
        (GOOGLE_TOOLS, "some-alias", {"computer_tool": "computer_use"}, "ENVIRONMENT_DESKTOP"),
        (GOOGLE_TOOLS, "gemini-3-flash-preview", {"computer_tool": "computer_use"}, "ENVIRONMENT_BROWSER"),
        (OPENAI_TOOLS, "computer-use-preview", {}, "linux"),
    ],
)
def test_which_model_is_told_of_which_environment(
    tools: Sequence[NativeTool], model: str, options: Mapping[str, Any], told: str | None
) -> None:
    native = find_native_tool(tools, model=model, options=options)
    assert (native.fields["environment"] if native else None) == told


def test_a_tool_that_there_is_not() -> None:
    with pytest.raises(ValueError, match=r"computer_tool must be one of function, computer_use\."):
        find_native_tool(GOOGLE_TOOLS, model="gemini-3.5-flash", options={"computer_tool": "computer"})


async def test_a_safety_check_that_was_allowed_is_acknowledged(
    tmp_path: Path, desktops: DesktopManager, launcher: FakeLauncher
) -> None:
    risky = {"actions": [OPENAI_WRITE], "pending_safety_checks": [CHECK]}
    async with FakeAzure([[call("computer", risky)], [say("Typed.")]]) as vendor:
        bridge = BridgeModel(endpoint(Kind.AZURE, vendor.base_url), "gpt-5.4")
        parent = Play(begin=spawning("write a greeting", kind="computer_use"))
        async with World(tmp_path, parent, desktops=desktops, subagents=EYES) as world:
            world.models.others["vendor:eyes"] = bridge
            chat_id = await world.create("begin")
            child = await first_child(world, chat_id)
            ((key, _),) = await pending(world, child)
            assert not launcher.launched[0].server.canvas.text
            await decide(world, child, key, allow=True)
            rows = await settled(world, chat_id)
        await bridge.aclose()
    assert text_of(rows[-1]) == "Typed."
    (output,) = (i for i in vendor.generations[-1].json["input"] if i.get("type") == "computer_call_output")
    assert output["acknowledged_safety_checks"] == [CHECK]
    assert output["output"]["detail"] == "original"
