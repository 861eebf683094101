"""Parents and children in a running agent: the rows of spec/origin.md, L2, L6 and S1 to S6."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from world import OWNER, PATIENCE, FunctionTool, World, said

from jupyter_chatd.desktop.launchers.fake import FakeLauncher
from jupyter_chatd.desktop.manager import DesktopManager
from jupyter_chatd.loop.service import NewChat
from jupyter_chatd.messages import (
    ChatStatus,
    Message,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    TurnOptions,
)
from jupyter_chatd.providers.protocol import ModelCall
from jupyter_chatd.providers.scripted import Answer, ScriptedModel, call, say, wait
from jupyter_chatd.store import families
from jupyter_chatd.store.conversation import BusyBehavior
from jupyter_chatd.tools.protocol import ToolContext

from .conftest import Start
from .test_interrupt import until_told

pytestmark = pytest.mark.anyio

Plays = Callable[[ModelCall, int], Answer]


class Play(ScriptedModel):
    """A model that answers by what the chat was asked first, and by how often it has answered."""

    def __init__(self, **roles: Plays) -> None:
        super().__init__(self._answer)
        self._roles = roles

    def _answer(self, asked: ModelCall) -> Answer:
        first = next(message for message in asked.messages if message.role is Role.USER)
        role = text_of(first).split()[0]
        steps = sum(message.role is Role.ASSISTANT for message in asked.messages)
        return self._roles[role](asked, steps)


def text_of(message: Any) -> str:
    return " ".join(part.text for part in message.parts if isinstance(part, TextPart))


def results(asked: ModelCall, name: str) -> list[Any]:
    """What calls of the tool gave, oldest first."""
    return [
        part.result
        for message in asked.messages
        for part in message.parts
        if isinstance(part, ToolResultPart) and part.tool_name == name
    ]


def spawning(*prompts: str, kind: str = "general") -> Plays:
    """Spawn one child for each prompt, wait for all, and say what they reported."""

    def play(asked: ModelCall, steps: int) -> Answer:
        if steps == 0:
            return [call("spawn_agent", {"type": kind, "prompt": prompt}) for prompt in prompts]
        if steps == 1:
            return [call("wait_agent", {"chat_id": one["chat_id"]}) for one in results(asked, "spawn_agent")]
        return [say(" | ".join(str(one.get("report", one)) for one in results(asked, "wait_agent")))]

    return play


def answering(text: str = "Done.", *, after: float | asyncio.Event | None = None) -> Plays:
    """Say something, perhaps after a while."""
    pause = [] if after is None else [wait(after)]
    return lambda _asked, _steps: [*pause, say(text)]


async def settled(world: World, chat_id: str) -> list[Message]:
    """Wait until the chat rests, and return its rows."""
    async with asyncio.timeout(PATIENCE):
        while (await world.chat(chat_id)).status not in (ChatStatus.WAITING, ChatStatus.ERROR):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return await world.rows(chat_id)


async def children_of(world: World, chat_id: str) -> Any:
    return await world.runtime.store.read(lambda conn: families.children(conn, chat_id))


def tools_of(asked: ModelCall) -> set[str]:
    return {tool.name for tool in asked.tools}


def outputs(rows: list[Message]) -> list[Any]:
    return [part for row in rows for part in row.parts if isinstance(part, ToolResultPart)]


SUBAGENT_TOOLS = {"spawn_agent", "wait_agent", "message_agent", "close_agent", "list_agents"}


async def test_s1_l2_a_parent_collects_the_reports_of_its_children(start: Start) -> None:
    model = Play(
        parent=spawning("one A", "two B"),
        one=answering("Report one."),
        two=answering("Report two.", after=0.1),
    )
    world = await start(model)
    parent = await world.create("parent of two")
    rows = await settled(world, parent)
    assert text_of(rows[-1]) == "Report one. | Report two."
    spawned = [part.result for part in outputs(rows) if part.tool_name == "spawn_agent"]
    assert [(one["status"], one["type"], one["title"]) for one in spawned] == [
        ("pending", "general", "one A"),
        ("pending", "general", "two B"),
    ]
    assert [child.id for child in await children_of(world, parent)] == [one["chat_id"] for one in spawned]


async def test_s4_children_are_not_offered_the_tools_for_subagents(start: Start) -> None:
    model = Play(parent=spawning("one A"), one=answering())
    world = await start(model)
    await settled(world, await world.create("parent"))
    offered = {text_of(asked.messages[-1])[:3]: tools_of(asked) for asked in model.calls}
    assert tools_of(model.calls[0]) >= SUBAGENT_TOOLS
    assert not SUBAGENT_TOOLS & offered["one"]
    assert "execute" in offered["one"]


async def test_s4_a_child_that_calls_them_anyway_is_refused(start: Start) -> None:
    def stubborn(asked: ModelCall, steps: int) -> Answer:
        if steps == 0:
            return [call("spawn_agent", {"type": "general", "prompt": "one more"})]
        return [say(str(results(asked, "spawn_agent")[0]))]

    world = await start(Play(parent=spawning("one A"), one=stubborn))
    parent = await world.create("parent")
    rows = await settled(world, parent)
    assert "There is no tool named 'spawn_agent' in this chat." in text_of(rows[-1])
    (child,) = await children_of(world, parent)
    assert await children_of(world, child.id) == ()


async def test_s2_an_explore_child_only_looks(start: Start) -> None:
    def writer(asked: ModelCall, steps: int) -> Answer:
        return [call("write_file", {"path": "/tmp/x", "content": "x"})] if steps == 0 else [say("No.")]

    model = Play(parent=spawning("one A", kind="explore"), one=writer)
    world = await start(model)
    await settled(world, await world.create("parent"))
    asked = next(asked for asked in model.calls if text_of(asked.messages[-1]).startswith("one"))
    assert tools_of(asked) == {"read_file", "execute", "process_output"}


async def test_s3_errors_name_what_would_work(start: Start) -> None:
    tries: list[dict[str, Any]] = [
        {"type": "worker", "prompt": "x"},
        {"type": "computer_use", "prompt": "x"},
        {"type": "general", "prompt": "  "},
        {"prompt": "x"},
    ]

    def play(_asked: ModelCall, steps: int) -> Answer:
        return [call("spawn_agent", args) for args in tries] if steps == 0 else [say("So be it.")]

    world = await start(Play(parent=play))
    rows = await settled(world, await world.create("parent"))
    errors = [part.result["error"] for part in outputs(rows)]
    assert errors[0].endswith("Available now: general, explore.")
    assert "no virtual desktop is set up" in errors[1]
    assert "prompt is empty" in errors[2]
    assert "type: required, and missing" in errors[3]
    assert text_of(rows[-1]) == "So be it."


async def test_s3_errors_of_a_known_chat_carry_its_type(start: Start) -> None:
    def play(asked: ModelCall, steps: int) -> Answer:
        if steps == 0:
            return [call("spawn_agent", {"type": "explore", "prompt": "one A"})]
        if steps == 1:
            child = results(asked, "spawn_agent")[0]["chat_id"]
            return [
                call("wait_agent", {"chat_id": child, "timeout_seconds": 1}),
                call("message_agent", {"chat_id": child, "message": " "}),
                call("wait_agent", {"chat_id": "nonsense"}),
                call("close_agent", {"chat_id": child}),
            ]
        return [say("Done.")]

    world = await start(Play(parent=play, one=answering(after=60.0)))
    rows = await settled(world, await world.create("parent"))
    wait_result, message_result, unknown_result, close_result = outputs(rows)[1:]
    assert [part.is_error for part in outputs(rows)[1:]] == [True, True, True, False] or (
        wait_result.is_error is False  # closed first: it has ended
    )
    assert message_result.result == {
        "error": "The message is empty: say what the subagent is to do.",
        "type": "explore",
    }
    assert "type" not in unknown_result.result
    assert (close_result.result["terminated"], close_result.result["type"]) == (True, "explore")


async def test_s5_the_text_of_spawn_agent_follows_what_is_available(start: Start, tmp_path: Path) -> None:
    model = Play(parent=answering())
    world = await start(model, desktops=DesktopManager(FakeLauncher(tmp_path)))
    await settled(world, await world.create("parent"))
    text = next(tool.description for tool in model.calls[0].tools if tool.name == "spawn_agent")
    assert "- computer_use: " in text
    assert "- general: " in text
    assert "must not touch the same files" in text
    assert "only to read files" in text
    assert "plan mode" not in text


async def test_a_child_that_fails_is_an_error_for_its_parent(start: Start) -> None:
    def broken(_asked: ModelCall, _steps: int) -> Answer:
        raise LookupError("no script")

    world = await start(Play(parent=spawning("one A"), one=broken))
    rows = await settled(world, await world.create("parent"))
    part = outputs(rows)[1]
    assert part.is_error
    assert part.result["type"] == "general"
    assert "error status" in part.result["error"]


async def test_l2_one_call_waits_for_several(start: Start) -> None:
    def broken(_asked: ModelCall, _steps: int) -> Answer:
        raise LookupError("no script")

    def play(asked: ModelCall, steps: int) -> Answer:
        if steps == 0:
            return [
                call("spawn_agent", {"type": "general", "prompt": prompt}) for prompt in ("one", "two", "bad")
            ]
        ids = [one["chat_id"] for one in results(asked, "spawn_agent")]
        waits = (
            {"chat_ids": ids[:2], "until": "any"},
            {"chat_ids": ids, "timeout_seconds": 20},
            {"chat_ids": ids, "chat_id": ids[0]},
            {"until": "any"},
            {"chat_ids": []},
        )
        return [call("wait_agent", args) for args in waits] if steps == 1 else [say("Done.")]

    roles = {"one": answering("1"), "two": answering("2", after=0.5), "bad": broken}
    world = await start(Play(parent=play, **roles))
    first, all_, *wrong = outputs(await settled(world, await world.create("parent")))[3:]
    assert ([one["report"] for one in first.result["agents"]], first.is_error) == (["1"], False)
    assert [one["title"] for one in first.result["not_ended"]] == ["two"]
    one, two, bad = all_.result["agents"]
    assert (one["report"], two["report"], all_.result["not_ended"], all_.is_error) == ("1", "2", [], False)
    assert ("report" in bad, bad["status"], "error status" in bad["error"]) == (False, "error", True)
    errors = [part.result["error"] for part in wrong]
    assert all(part.is_error for part in wrong)
    assert errors[:2] == ["Give chat_id for one subagent, or chat_ids for several."] * 2
    assert errors[2].startswith("There is no id in the list")


async def test_l2_a_call_that_waits_in_vain_for_some_has_the_reports_of_the_others(start: Start) -> None:
    def play(asked: ModelCall, steps: int) -> Answer:
        if steps == 0:
            return [call("spawn_agent", {"type": "general", "prompt": prompt}) for prompt in ("one", "two")]
        ids = [one["chat_id"] for one in results(asked, "spawn_agent")]
        if steps == 1:
            return [call("wait_agent", {"chat_ids": ids, "timeout_seconds": 1})]
        if steps == 2:
            return [call("close_agent", {"chat_id": ids[1]})]
        return [say("Done.")]

    world = await start(Play(parent=play, one=answering("1"), two=answering(after=60.0)))
    waited = outputs(await settled(world, await world.create("parent")))[2]
    assert waited.is_error
    assert "After 1 s 1 of them have not ended" in waited.result["error"]
    assert [one["report"] for one in waited.result["agents"]] == ["1"]
    assert [(one["title"], one["status"]) for one in waited.result["not_ended"]] == [("two", "running")]


# Stopping


async def test_stopping_the_root_stops_its_children_and_keeps_what_they_said(start: Start) -> None:
    def talking(_asked: ModelCall, _steps: int) -> Answer:
        return [say("Half of it."), wait(10 * PATIENCE)]

    world = await start(Play(parent=spawning("one A", "one B", "one C"), one=talking))
    parent = await world.create("parent")
    async with asyncio.timeout(PATIENCE):
        while len(children := await children_of(world, parent)) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    for child in children:
        await until_told(world, child.id, "Half of it.")
    await world.interrupt(parent)
    await settled(world, parent)
    kept = [await settled(world, child.id) for child in children]
    assert [text_of(rows[-1]) for rows in kept] == ["Half of it."] * 3


# Speed


async def test_children_work_side_by_side(start: Start) -> None:
    """Of 20 children none ends before all are at work."""
    begun, all_began = 0, asyncio.Event()

    async def meet(_args: Mapping[str, Any], _context: ToolContext) -> str:
        nonlocal begun
        begun += 1
        if begun == 20:
            all_began.set()
        await all_began.wait()
        return "met"

    def busy(_asked: ModelCall, steps: int) -> Answer:
        return [call("meet")] if steps == 0 else [say("Met.")]

    world = await start(Play(parent=spawning(*["one A"] * 20), one=busy), tools=[FunctionTool("meet", meet)])
    rows = await settled(world, await world.create("parent"))
    assert text_of(rows[-1]) == " | ".join(["Met."] * 20)


async def test_waiting_parents_never_starve_their_children(start: Start) -> None:
    """Two model calls at once, four parents that wait."""
    model = Play(parent=spawning("one A", "one B"), one=answering("Done."))
    world = await start(model, max_model_calls=2)
    parents = [await world.create("parent") for _ in range(4)]
    for parent in parents:
        assert text_of((await settled(world, parent))[-1]) == "Done. | Done."


# Plan mode (S6)


async def create_planning(world: World) -> str:
    chat = await world.runtime.service.create(
        NewChat(
            owner_id=OWNER, parts=said("parent"), model="scripted:model", created_by=OWNER, plan_mode="plan"
        )
    )
    return chat.id


def files_in(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]


async def test_s6_a_plan_is_written_proposed_and_nothing_else_is_changed(start: Start) -> None:
    def planner(asked: ModelCall, steps: int) -> Answer:
        match steps:
            case 0:
                return [call("write_file", {"path": f"{world.work}/code.py", "content": "x"})]
            case 1:
                return [call("write_file", {"path": plan_of(asked), "content": "# Plan\n"})]
            case _:
                return [call("propose_plan")]

    def plan_of(asked: ModelCall) -> str:
        system = " ".join(text_of(message) for message in asked.messages if message.role is Role.SYSTEM)
        found = re.search(r"The plan file is (\S+\.md)", system)
        assert found is not None
        return found[1]

    world = await start(Play(parent=planner))
    chat_id = await create_planning(world)
    rows = await settled(world, chat_id)
    assert files_in(world.work) == [f".agents/plans/{chat_id}.md"]
    last = outputs(rows)[-1]
    assert (last.tool_name, last.result["kind"]) == ("propose_plan", "plan")
    assert rows[-1].role is Role.TOOL  # the proposal ended the turn
    assert len(world.model.calls) == 3


async def test_s6_in_plan_mode_the_tools_are_an_allow_list(start: Start) -> None:
    model = Play(parent=spawning("one A", kind="general"), one=answering())
    world = await start(model)
    await settled(world, await create_planning(world))
    parent = tools_of(model.calls[0])
    child = next(tools_of(c) for c in model.calls if text_of(c.messages[-1]).startswith("one"))
    assert {"propose_plan", "ask_user_question", "spawn_agent", "wait_agent", "list_agents"} <= parent
    assert not {"message_agent", "close_agent", "process_list", "process_signal"} & parent
    assert child == {"read_file", "execute", "process_output"}
    assert not any(asked.may_search for asked in model.calls)
    text = next(tool.description for tool in model.calls[0].tools if tool.name == "spawn_agent")
    assert "plan mode" in text
    assert "computer_use" not in text


@pytest.mark.parametrize("of_turn", [False, True], ids=["chat plans", "message plans"])
async def test_s6_a_child_at_work_changes_nothing_while_its_parent_plans(start: Start, of_turn: bool) -> None:
    """It was made before. When its parent plans no more it has all its tools again, in the same turn."""
    gates = {step: asyncio.Event() for step in (1, 3)}
    asked_for: dict[int, ModelCall] = {}

    def working(asked: ModelCall, steps: int) -> Answer:
        asked_for[steps] = asked
        pause = [wait(gates[steps])] if steps in gates else []
        if steps == 4:
            return [say("Done.")]
        return [*pause, call("write_file", {"path": f"{world.work}/{steps}", "content": "x"})]

    def parent(_asked: ModelCall, steps: int) -> Answer:
        return [call("spawn_agent", {"type": "general", "prompt": "one"})] if steps == 0 else [say("Ok.")]

    async def tell(text: str, plan_mode: str | None) -> None:
        options = TurnOptions(plan_mode=plan_mode if of_turn else None)
        await service.update(chat_id, {} if of_turn else {"plan_mode": plan_mode})
        await service.send(chat_id, said(text), created_by=OWNER, busy=BusyBehavior.QUEUE, options=options)
        await settled(world, chat_id)

    async def until_step(step: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while step not in asked_for:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)

    world = await start(Play(parent=parent, one=working))
    service = world.runtime.service
    chat_id = await world.create("parent")
    await settled(world, chat_id)
    await until_step(1)
    await tell("Plan it first.", "plan")
    gates[1].set()
    await until_step(3)
    await tell("Go on.", None)
    gates[3].set()
    (child,) = await children_of(world, chat_id)
    rows = await settled(world, child.id)
    assert sorted(files_in(world.work)) == ["0", "3"]
    assert [part.is_error for part in outputs(rows)] == [False, True, True, False]
    assert tools_of(asked_for[2]) == {"read_file", "execute", "process_output"}
    assert "is in plan mode" in " ".join(map(text_of, asked_for[2].messages))
    assert tools_of(asked_for[4]) == tools_of(asked_for[0])


async def test_questions_wait_for_the_user_and_the_turn_goes_on(start: Start) -> None:
    questions = {
        "questions": [
            {
                "header": "Format",
                "question": "Which?",
                "options": [{"label": "A", "description": "a"}, {"label": "B", "description": "b"}],
            }
        ]
    }

    def asking(asked: ModelCall, steps: int) -> Answer:
        if steps == 0:
            return [call("ask_user_question", questions)]
        return [say(str(results(asked, "ask_user_question")[0]))]

    world = await start(Play(parent=asking))
    chat_id = await create_planning(world)
    async with asyncio.timeout(PATIENCE):
        while (await world.chat(chat_id)).status is not ChatStatus.REQUIRES_ACTION:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await world.send(chat_id, "B, please")
    rows = await settled(world, chat_id)
    assert "B, please" in text_of(rows[-1])


async def test_handing_over_to_the_user_is_done_alone(start: Start) -> None:
    def both(_asked: ModelCall, steps: int) -> Answer:
        return (
            [call("propose_plan"), call("read_file", {"path": "/etc/hostname"})]
            if steps == 0
            else [say("Ok.")]
        )

    world = await start(Play(parent=both))
    rows = await settled(world, await create_planning(world))
    assert all("must be called alone" in part.result["error"] for part in outputs(rows))
    assert len(outputs(rows)) == 2


# Crashes


async def test_a_restart_makes_no_second_child_and_waits_on(start: Start, tmp_path: Path) -> None:
    gate = asyncio.Event()
    model = Play(parent=spawning("one A"), one=answering("Late report.", after=gate))
    world = await start(model)
    parent = await world.create("parent")
    async with asyncio.timeout(PATIENCE):
        while len(await children_of(world, parent)) < 1 or len(model.calls) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    await world.stop()
    gate.set()
    again = await start(model, folder=tmp_path)
    rows = await settled(again, parent)
    assert text_of(rows[-1]) == "Late report."
    assert len(await children_of(again, parent)) == 1
    assert [isinstance(part, ToolCallPart) for row in rows for part in row.parts].count(True) == 2
