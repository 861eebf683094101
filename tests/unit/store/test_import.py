"""Chats that come from elsewhere: one, or a family."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jupyter_chatd.errors import ConflictError
from jupyter_chatd.messages import CallKey, Role
from jupyter_chatd.store import State, Store, reads
from jupyter_chatd.store.calls import NOT_RUN
from jupyter_chatd.store.conversation import ImportChat, ImportFamily

from . import build
from .lockstep import Lockstep
from .scenes import closing_texts, reach

pytestmark = pytest.mark.anyio


async def test_import_joins_results_to_their_calls_and_closes_the_others(both: Lockstep) -> None:
    result = build.result_row_without_key("done")
    rows = (
        build.user(),
        build.assistant("a", "execute", "execute"),
        result,
        build.user("next"),
        build.assistant(),
    )
    await both.do(ImportChat(chat=build.chat(), rows=rows))
    tools = [row for row in both.record().visible if row.role is Role.TOOL]
    assert [row.answers.index for row in tools if row.answers] == [1, 2]
    assert closing_texts(both) == [{"output": "done"}, {"error": NOT_RUN}]
    assert both.record().state == "W"


async def test_imported_rows_name_each_other_by_their_numbers(both: Lockstep) -> None:
    """Calls without a result get one, which shifts the rows after it."""
    rows = (
        build.user(),
        build.assistant("a", "execute"),
        build.user("next"),
        build.summary("so far", 2),
        build.assistant("b", "execute", "execute"),
        replace(build.result_row_without_key("second"), answers=CallKey(message_id=5, index=2)),
        replace(build.result_row_without_key("no such call"), answers=CallKey(message_id=2, index=1)),
    )
    await both.do(ImportChat(chat=build.chat("other"), rows=(build.user(),)))
    await both.do(ImportChat(chat=build.chat(), rows=rows))
    visible = both.record().visible
    assert [row.role for row in visible] == [
        "user",
        "assistant",
        "tool",
        "user",
        "user",
        "assistant",
        "tool",
        "tool",
        "tool",
    ]
    assert visible[4].covers_until == visible[1].id
    answered = [row.answers and (row.answers.message_id, row.answers.index) for row in visible[6:]]
    assert answered == [(visible[5].id, 2), None, (visible[5].id, 1)]


async def test_results_that_come_in_one_row_become_rows(both: Lockstep) -> None:
    results = (replace(build.output("one"), tool_call_id="1"), replace(build.output("two"), tool_call_id="2"))
    calls = tuple(replace(build.call(), tool_call_id=word) for word in ("2", "1"))
    rows = (
        replace(build.assistant(), parts=calls),
        replace(build.result_row_without_key(""), parts=results),
    )
    await both.do(ImportChat(chat=build.chat(), rows=rows))
    tools = both.record().visible[1:]
    assert [row.parts for row in tools] == [(results[0],), (results[1],)]
    assert [row.answers.index for row in tools if row.answers] == [1, 0]


async def test_a_family_is_imported_whole_or_not_at_all(both: Lockstep) -> None:
    root = ImportChat(chat=build.chat("root"), rows=(build.user(), build.assistant("a", "execute")))
    by = CallKey(message_id=2, index=1)
    child = ImportChat(chat=build.chat("child", parent="root", by=by), rows=(build.user("task"),))
    await both.do(ImportChat(chat=build.chat("child"), rows=()))
    with pytest.raises(ConflictError):
        await both.do(ImportFamily(members=(root, child)))
    assert set(both.database.chats) == {"child"}
    other = replace(child, chat=replace(child.chat, id="another"))
    await both.do(ImportFamily(members=(root, other)))
    assert both.chat("another").spawned_by == CallKey(message_id=both.record("root").rows[1].id, index=1)


async def test_an_imported_chat_keeps_its_times(store: Store) -> None:
    rows = tuple(replace(build.user(), created_at=at) for at in (5.0, 9.0))
    await store.apply(ImportChat(chat=build.chat(), rows=rows, created_at=4.0))
    chat, messages = await store.read(
        lambda conn: (reads.get_chat(conn, "c"), reads.client_messages(conn, "c"))
    )
    assert (chat.created_at, chat.updated_at) == (4.0, 9.0)
    assert [message.created_at for message in messages] == [5.0, 9.0]


async def test_imported_id_that_exists_is_refused(both: Lockstep) -> None:
    await reach(both, State.R0)
    with pytest.raises(ConflictError):
        await both.do(ImportChat(chat=build.chat(), rows=()))
