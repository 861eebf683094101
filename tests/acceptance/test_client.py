"""`Chat` and the clients below it, against a whole Jupyter server and the demo model."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from acceptance.cutting import CuttingProxy
from acceptance.kernels import kernel_of
from servers import Dirs, JupyterServer

from jupyter_chatd.client import (
    AsyncClient,
    CallStatus,
    Chat,
    ChatFailedError,
    ChatSession,
    ChatView,
    RefusedError,
    Server,
    UnreachableError,
    find_own_server,
)
from jupyter_chatd.client.functions import function_tools
from jupyter_chatd.client.text import last_answer
from jupyter_chatd.events import MessageEvent, MessagePartEvent
from jupyter_chatd.messages import Chat as ChatRecord
from jupyter_chatd.messages import Role, TextPart

DEMO = "demo:demo"


@pytest.fixture
def begin(shared_server: JupyterServer) -> Callable[..., Chat]:
    """Begin a chat with the demo model."""

    def begin(text: str, **options: Any) -> Chat:
        return Chat(text, model=DEMO, url=shared_server.url, token=shared_server.token, **options)

    return begin


@pytest.fixture
async def client(shared_server: JupyterServer) -> AsyncIterator[AsyncClient]:
    server = Server(url=shared_server.url, token=shared_server.token)
    async with AsyncClient(server) as client:
        yield client


# In a notebook


def test_a_kernel_finds_its_server_and_lends_the_agent_its_functions(shared_server: JupyterServer) -> None:
    with kernel_of(shared_server) as kernel:
        printed = kernel.run(
            f"""
            from jupyter_chatd import Chat
            stock = {{"apples": 3}}
            def count(fruit: str) -> int:
                "Count fruit."
                print("looking for", fruit)
                return stock[fruit]
            chat = Chat('call count with {{"fruit": "apples"}}', model="{DEMO}", tools=[count])
            print(chat.wait().tool_calls[0].result, chat.status)
            print((await Chat("say it is done", model="{DEMO}")).text)
            """.replace("\n            ", "\n")
        )
    assert printed == "looking for apples\n3 waiting\nit is done\n"


def test_a_displayed_chat_keeps_itself_up_to_date(shared_server: JupyterServer) -> None:
    with kernel_of(shared_server) as kernel:
        kernel.run("from jupyter_chatd import Chat")
        first = kernel.show(f'chat = Chat("run `sleep 1` then count to 3", model="{DEMO}"); chat')
        assert ">1 2 3</div>" not in first
        while ">1 2 3</div>" not in (update := kernel.next_update()):
            assert "working …" in update
        assert "done · demo:demo" in update


def test_interrupting_a_cell_that_waits_interrupts_the_agent(shared_server: JupyterServer) -> None:
    with kernel_of(shared_server) as kernel:
        kernel.run("from jupyter_chatd import Chat")
        kernel.run(f'chat = Chat("run `sleep 600` with timeout 700s", model="{DEMO}")')
        assert kernel.interrupt_while("chat.wait()", after_s=1) == "KeyboardInterrupt"
        assert kernel.run("print(chat.wait(30).status)") == "waiting\n"


def test_a_script_ends_without_a_word(shared_server: JupyterServer) -> None:
    script = f"""
from jupyter_chatd import Chat
chat = Chat("say hello", model="{DEMO}", url="{shared_server.url}", token="{shared_server.token}")
print(*chat.stream())
unfinished = Chat("count to 50", model="{DEMO}", url="{shared_server.url}", token="{shared_server.token}")
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("hello\n", "", 0)


def test_the_output_in_a_notebook_is_safe_to_save(
    begin: Callable[..., Chat], shared_server: JupyterServer
) -> None:
    chat = begin("run `echo '<script>alert(1)</script>'`").wait()
    bundle = chat._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}
    assert "<script" not in bundle["text/html"]
    assert "&lt;script&gt;alert(1)" in bundle["text/html"]
    assert "exit code 0" in bundle["text/html"]
    assert not any(shared_server.token in text for text in bundle.values())


# A turn


def test_the_pieces_of_a_stream_join_to_the_answer(begin: Callable[..., Chat]) -> None:
    chat = begin("count to 300")
    pieces = list(chat.stream())
    assert len(pieces) > 2
    assert "".join(pieces) == chat.text == " ".join(map(str, range(1, 301)))


def test_a_stream_that_is_opened_late_begins_at_the_beginning(begin: Callable[..., Chat]) -> None:
    chat = begin("count to 30").wait()
    assert "".join(chat.stream()) == chat.text


def test_tool_calls_tell_what_came_of_them(begin: Callable[..., Chat]) -> None:
    chat = begin("run `echo out; exit 3`").wait()
    (call,) = chat.tool_calls
    assert (call.name, call.args, call.status) == (
        "execute",
        {"command": "echo out; exit 3"},
        CallStatus.DONE,
    )
    assert (call.output, call.exit_code) == ("out\n", 3)
    assert "<td" in chat.tool_calls._repr_html_()


def test_wait_covers_what_was_queued(begin: Callable[..., Chat]) -> None:
    chat = begin("count to 150").send("say first").send("say second")
    assert [message.text for message in chat.wait().messages if message.role is Role.USER] == [
        "count to 150",
        "say first",
        "say second",
    ]
    assert chat.text == "second"
    assert chat.queue == ()


def test_an_urgent_message_stops_the_turn_and_keeps_what_was_said(begin: Callable[..., Chat]) -> None:
    chat = begin("count to 2000 then run `sleep 600` with timeout 700s")
    for _ in chat.stream():
        break
    assert chat.send("say now", busy="interrupt").wait(30).text == "now"
    assert chat.messages[1].text.startswith("1 2")


def test_the_effort_of_a_turn_reaches_the_server(begin: Callable[..., Chat]) -> None:
    chat = begin("say hello", effort="low").wait()
    assert chat.send("say more", effort="high").wait().text == "more"
    with pytest.raises(RefusedError, match="reasoning_effort"):
        chat.send("say much", effort="much")  # type: ignore[arg-type]


def test_compacting_and_clearing_return_when_it_is_done(begin: Callable[..., Chat]) -> None:
    chat = begin("say hello").wait()
    assert chat.compact().last_status == "waiting"
    assert [call.name for call in chat.tool_calls] == ["chat_summarized"]
    assert chat.tool_calls[0].result["summary"] == "The user asked:\n- say hello"
    assert [call.name for call in chat.clear().tool_calls] == ["chat_summarized", "chat_cleared"]
    with pytest.raises(RefusedError, match="while the chat is waiting"):
        chat.compact()
    chat.send("say bye").wait()
    assert len(chat.send("/compact").wait().tool_calls) == 3
    assert chat.text == "bye"


def test_interrupt_returns_when_the_agent_has_stopped(begin: Callable[..., Chat]) -> None:
    chat = begin("run `sleep 600` with timeout 700s")
    while not chat.tool_calls:
        time.sleep(0.02)
    began = time.monotonic()
    assert chat.interrupt().status == "waiting"
    assert time.monotonic() - began < 30


def test_an_edit_replaces_what_followed(begin: Callable[..., Chat]) -> None:
    chat = begin("say one").wait().send("say two").wait()
    assert chat.edit(0, "say three").wait().text == "three"
    assert [message.text for message in chat.messages] == ["say three", "three"]


def test_an_edit_tells_what_waited(begin: Callable[..., Chat]) -> None:
    chat = begin("run `sleep 600` with timeout 700s").send("say unwanted")
    assert chat.dropped == ()
    waiting = chat.queue
    assert chat.edit(0, "say three").dropped == waiting != ()
    assert chat.wait().text == "three"
    assert chat.queue == ()


def test_a_queued_message_can_be_taken_back_or_put_first(begin: Callable[..., Chat]) -> None:
    chat = begin("count to 2000").send("say unwanted").send("say wanted")
    first, second = chat.queue
    chat.unqueue(first.id).promote(second.id)
    assert chat.wait().text == "wanted"
    assert "say unwanted" not in [message.text for message in chat.messages]


def test_chats_are_found_again(begin: Callable[..., Chat], shared_server: JupyterServer) -> None:
    chat = begin("say hello", title="The one to find").wait()
    again = Chat.open(chat.id, url=shared_server.url, token=shared_server.token)
    assert (again.title, again.text, again.messages) == ("The one to find", "hello", chat.messages)
    listed = Chat.list(url=shared_server.url, token=shared_server.token)
    assert chat.id in [one.id for one in listed]
    assert "The one to find" in listed._repr_html_()


def test_usage_adds_up(begin: Callable[..., Chat]) -> None:
    chat = begin("run `true`").wait()
    spent = [message.usage.output_tokens or 0 for message in chat.messages if message.usage]
    assert len(spent) == 2
    usage = chat.usage
    assert usage.total_output_tokens == sum(spent) > 0
    assert (usage.message_count, usage.cost_usd) == (2, None)
    assert "The price of 2 of 2 calls is not known." in repr(usage)
    assert "demo:demo" in usage._repr_html_()


def test_usage_of_all_chats_by_day(begin: Callable[..., Chat], shared_server: JupyterServer) -> None:
    chat = begin("say one two three").wait()
    today = datetime.now(UTC).date()
    of_days = partial(Chat.all_usage, url=shared_server.url, token=shared_server.token)
    usage = of_days(today, today)
    assert [day.day for day in usage.by_day] == [str(today)]
    assert chat.id in [row.chat_id for row in usage.by_chat]
    assert usage.by_day[0].message_count == usage.message_count > 0
    assert of_days(today - timedelta(days=2), today - timedelta(days=1)).message_count == 0
    assert of_days().message_count >= usage.message_count


async def _answer(chat: Chat) -> tuple[str, str]:
    pieces = [piece async for piece in chat.stream()]
    return "".join(pieces), (await chat).text


def test_a_chat_can_be_awaited_and_streamed_without_blocking(begin: Callable[..., Chat]) -> None:
    assert asyncio.run(_answer(begin("count to 20"))) == (" ".join(map(str, range(1, 21))),) * 2


def test_waiting_too_long_leaves_the_agent_at_work(begin: Callable[..., Chat]) -> None:
    chat = begin("count to 2000")
    with pytest.raises(TimeoutError, match=r"within 0\.2 seconds; it goes on"):
        chat.wait(timeout=0.2)
    assert chat.status == "running"
    chat.interrupt()


# Functions of this process


def test_functions_run_in_the_thread_that_waits(begin: Callable[..., Chat]) -> None:
    seen: list[threading.Thread] = []

    def where() -> str:
        """Say where."""
        seen.append(threading.current_thread())
        return "here"

    chat = begin("call where with {}", tools=[where]).wait()
    assert chat.tool_calls[0].result == "here"
    assert seen == [threading.main_thread()]


def test_functions_run_when_nobody_waits_too(begin: Callable[..., Chat]) -> None:
    done = threading.Event()

    def ring() -> None:
        """Ring."""
        done.set()

    chat = begin("call ring with {}", tools=[ring])
    assert done.wait(10)
    assert chat.wait().tool_calls[0].status is CallStatus.DONE


def test_async_functions_and_errors_reach_the_model(begin: Callable[..., Chat]) -> None:
    async def nap(seconds: float) -> str:
        """Sleep."""
        await asyncio.sleep(seconds)
        return "rested"

    def fail() -> None:
        """Fail."""
        raise KeyError("no such thing")

    chat = begin('call nap with {"seconds": 0.01} and call fail with {}', tools=[nap, fail]).wait()
    nap_call, fail_call = chat.tool_calls
    assert nap_call.result == "rested"
    assert fail_call.result == {"error": "KeyError: 'no such thing'"}
    assert fail_call.status is CallStatus.FAILED


def test_an_interrupt_ends_an_async_function(begin: Callable[..., Chat]) -> None:
    began, cancelled = threading.Event(), threading.Event()

    async def hang() -> None:
        """Hang."""
        began.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    chat = begin("call hang with {}", tools=[hang])
    assert began.wait(10)
    assert chat.interrupt().status == "waiting"
    assert cancelled.wait(5)


def test_a_chat_can_be_given_other_functions_later(
    begin: Callable[..., Chat], shared_server: JupyterServer
) -> None:
    def double(number: int) -> int:
        """Double."""
        return 2 * number

    first = begin("say hello").wait()
    chat = Chat.open(first.id, tools=[double], url=shared_server.url, token=shared_server.token)
    assert chat.send('call double with {"number": 21}').wait().tool_calls[0].result == 42


@pytest.mark.anyio
async def test_a_call_that_another_client_took_is_left_alone(client: AsyncClient) -> None:
    runs: list[str] = []

    def make(name: str) -> Callable[[], str]:
        def take() -> str:
            """Take it."""
            runs.append(name)
            time.sleep(0.2)
            return name

        return take

    tools = [function_tools([make(name)]) for name in ("left", "right")]
    chat = await client.create("call take with {}", model=DEMO, client_tools=[tools[0]["take"].declaration])
    async with (
        ChatSession(client, chat.id, tools=tools[0]) as left,
        ChatSession(client, chat.id, tools=tools[1]) as right,
    ):
        await asyncio.gather(left.settled(), right.settled())
    assert len(runs) == 1


# Errors


def test_refusals_say_what_to_do(shared_server: JupyterServer) -> None:
    with pytest.raises(RefusedError, match="providers are") as refused:
        Chat("hello", model="nobody:nothing", url=shared_server.url, token=shared_server.token)
    assert refused.value.status == 400
    with pytest.raises(RefusedError, match="was not found") as refused:
        Chat.open("no-such-chat", url=shared_server.url, token=shared_server.token)
    assert refused.value.status == 404
    with pytest.raises(RefusedError, match="Check the token"):
        Chat.list(url=shared_server.url, token="wrong")
    with pytest.raises(RefusedError, match="has no agent"):
        Chat.list(url=f"{shared_server.url}nowhere/", token=shared_server.token)
    with pytest.raises(UnreachableError, match="does not answer"):
        Chat.list(url="http://127.0.0.1:9/", token="any")


def test_a_turn_that_fails_raises_where_it_is_waited_for(shared_server: JupyterServer) -> None:
    chat = Chat("hello", model="openai:gpt-6-luna", url=shared_server.url, token=shared_server.token)
    with pytest.raises(ChatFailedError, match="OPENAI_API_KEY") as failed:
        chat.wait()
    assert failed.value.error.kind in ("auth", "config")
    assert chat.status == "error"
    assert chat.send("say better", model=DEMO).wait().text == "better"


def test_a_server_is_known_by_its_address_alone(
    shared_server: JupyterServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(shared_server.dirs.runtime))
    found = find_own_server(f"http://localhost:{shared_server.port}/lab")
    assert found.token == shared_server.token
    assert shared_server.token not in repr(found)


# Drops and crashes


@pytest.mark.anyio
async def test_a_client_that_drops_at_random_sees_what_one_that_stayed_saw(
    client: AsyncClient, shared_server: JupyterServer
) -> None:
    chat = await client.create("run `sleep 0.5; echo hello` then count to 500", model=DEMO)
    async with CuttingProxy(shared_server.port, seed=7) as proxy:
        away = Server(url=f"http://127.0.0.1:{proxy.port}/", token=shared_server.token)
        stayed, dropped = await asyncio.gather(
            _follow_to_the_end(client.server, chat.id), _follow_to_the_end(away, chat.id)
        )
    assert proxy.cuts > 3
    assert dropped.view == stayed.view
    assert dropped.ids == stayed.ids == sorted(set(stayed.ids))
    for episode, text in dropped.live.items():
        assert stayed.live[episode].startswith(text)
    assert last_answer(stayed.view).endswith("500")


class Seen:
    """All that a follower got."""

    def __init__(self) -> None:
        self.view = ChatView(chat_id="")
        self.ids: list[int] = []
        self.live: dict[tuple[int, int, int], str] = {}


async def _follow_to_the_end(server: Server, chat_id: str) -> Seen:
    seen = Seen()
    async with AsyncClient(server) as client, aclosing(client.follow(chat_id)) as updates:
        async for update in updates:
            seen.view = update.view
            for event in update.events:
                if isinstance(event, MessageEvent):
                    seen.ids.append(event.message.id)
                if isinstance(event, MessagePartEvent) and isinstance(event.message_part.part, TextPart):
                    live = event.message_part
                    key = (live.history_version, live.attempt, live.index)
                    seen.live[key] = seen.live.get(key, "") + live.part.text  # type: ignore[union-attr]
            if update.view.is_settled:
                return seen
    raise AssertionError("the stream ended")


class Flaky(AsyncClient):
    """Does not reach the server for a while when it asks for a chat."""

    failures = 2

    async def get(self, chat_id: str) -> ChatRecord:
        if self.failures:
            self.failures -= 1
            raise UnreachableError("gone")
        return await super().get(chat_id)


@pytest.mark.anyio
async def test_waiting_is_as_patient_with_a_server_that_is_gone_as_following(client: AsyncClient) -> None:
    async with Flaky(client.server) as flaky:
        chat = await flaky.create("run `sleep 0.5`", model=DEMO)
        async with ChatSession(flaky, chat.id) as session:
            assert (await session.send("say queued")).queued_message is not None
            view = await session.settled()
    assert flaky.failures == 0
    assert last_answer(view) == "queued"


@pytest.mark.anyio
async def test_a_session_outlives_a_server_that_is_killed(
    make_server: Callable[..., JupyterServer], dirs: Dirs
) -> None:
    server = make_server()
    async with AsyncClient(Server(url=server.url, token=server.token)) as client:
        chat = await client.create("run `echo survived` then count to 300", model=DEMO)
        async with ChatSession(client, chat.id) as session:
            await session.until(lambda view: len(view.messages) > 2 and bool(view.live))
            await asyncio.to_thread(server.restart)
            view = await session.settled()
    assert [message.role for message in view.messages] == ["user", "assistant", "tool", "assistant"]
    assert last_answer(view).startswith(" ".join(map(str, range(1, 301))))
