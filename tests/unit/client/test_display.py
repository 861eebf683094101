"""How a chat looks: nothing that anybody wrote may act on the page."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from jupyter_chatd.client.display import SHOWN_CHARACTERS, SHOWN_MESSAGES, html, plain_text, table
from jupyter_chatd.client.view import ChatView
from jupyter_chatd.events import ChildState
from jupyter_chatd.messages import (
    Chat,
    ChatStatus,
    ErrorDetail,
    FileReferencePart,
    Message,
    Part,
    ReasoningPart,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    UnknownPart,
    Usage,
)
from jupyter_chatd.usage import Totals

TAGS = {
    "div",
    "b",
    "i",
    "span",
    "code",
    "pre",
    "details",
    "summary",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
}
ATTACK = "<img src=x onerror=alert(1)><script>alert(2)</script>"


def chat(title: str = "A title") -> Chat:
    return Chat(
        id="c",
        owner_id="local",
        title=title,
        status=ChatStatus.WAITING,
        archived=False,
        model="demo:demo",
        created_at=0.0,
        updated_at=0.0,
    )


def view(*rows: tuple[Role, tuple[Part, ...]], **fields: object) -> ChatView:
    messages = tuple(
        Message(id=number, chat_id="c", role=role, parts=parts, created_at=0.0)
        for number, (role, parts) in enumerate(rows, 1)
    )
    return ChatView(chat_id="c", status="waiting", messages=messages, **fields)  # type: ignore[arg-type]


class Tags(HTMLParser):
    """The tags and attributes of a page, and whether they are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


@given(st.text(alphabet="`*<>&\"' \nab\\/=", max_size=60))
def test_nothing_that_was_written_becomes_markup(words: str) -> None:
    words = f"{words}{ATTACK}"
    call = ToolCallPart(tool_call_id="a", tool_name=words, args={words: words})
    result = ToolResultPart(tool_call_id="a", tool_name=words, result={words: words})
    shown = html(
        chat(words),
        view(
            (Role.USER, (TextPart(text=words), FileReferencePart(file_name=words))),
            (Role.ASSISTANT, (ReasoningPart(text=words), TextPart(text=words), call)),
            (Role.TOOL, (result,)),
            error=ErrorDetail(message=words),
        ),
    )
    page = Tags(shown)
    assert page.tags <= TAGS
    assert page.attributes <= {"style"}
    assert Tags(table((words,), [(words,)])).tags <= TAGS


def test_calls_are_folded_with_output_and_exit_code() -> None:
    call = ToolCallPart(tool_call_id="a", tool_name="execute", args={"command": "make test"})
    result = {"output": "2 passed\n", "exit_code": 1, "wall_duration_ms": 2500}
    shown = view(
        (Role.ASSISTANT, (call,)),
        (Role.TOOL, (ToolResultPart(tool_call_id="a", tool_name="execute", result=result),)),
    )
    text = html(chat(), shown)
    assert "<summary><code>execute: make test</code>" in text
    assert "exit code 1, 2.5 s" in text
    assert ">2 passed</pre></details>" in text
    assert plain_text(chat(), shown).endswith("[execute: make test] exit code 1, 2.5 s\n    2 passed")


def test_the_head_tells_state_model_and_tokens() -> None:
    spent = Message(
        id=1,
        chat_id="c",
        role=Role.ASSISTANT,
        parts=(),
        created_at=0.0,
        usage=Usage(input_tokens=1200, output_tokens=34),
    )
    shown = ChatView(chat_id="c", status="running", messages=(spent,))
    assert plain_text(chat(), shown) == "A title (working … · demo:demo · 1,234 tokens)"


def test_code_is_set_apart() -> None:
    text = html(
        chat(), view((Role.ASSISTANT, (TextPart(text="Do **this**:\n```sh\nls | wc\n```\nwith `care`"),)))
    )
    assert "<b>this</b>" in text
    assert ">ls | wc</pre>" in text
    assert "<code>care</code>" in text


def test_long_chats_and_long_texts_are_cut() -> None:
    rows = [(Role.ASSISTANT, (TextPart(text="x" * 2 * SHOWN_CHARACTERS),))] * (SHOWN_MESSAGES + 5)
    text = html(chat(), view(*rows))
    assert "… 5 earlier messages" in text
    assert f"({SHOWN_CHARACTERS} more characters)" in text
    assert len(text) < (SHOWN_CHARACTERS + 300) * SHOWN_MESSAGES


def test_parts_of_newer_releases_are_mentioned() -> None:
    assert "unsupported part" in html(
        chat(), view((Role.ASSISTANT, (UnknownPart(raw={"type": "hologram"}),)))
    )


def test_what_subagents_used_is_in_the_sum_and_each_is_shown() -> None:
    used = Totals(message_count=1, priced_message_count=1, total_cost_micros=20_000, total_output_tokens=7)
    child = ChildState(id="c2" * 16, type="explore", title=ATTACK, status="running", usage=used)
    free = ChildState(id="c3" * 16, type="general", title="Count", status="waiting")
    shown = view((Role.USER, (TextPart(text="Hi."),)), children=(child, free))
    lines = plain_text(chat(), shown).splitlines()
    assert lines[0] == "A title (done · demo:demo · 7 tokens · $0.02)"
    assert lines[-2:] == [f"└─ {ATTACK} (explore): running  c2c2c2c2", "└─ Count (general): done  c3c3c3c3"]
    page = html(chat(), shown)
    assert "└─ Count (general): done" in page
    assert ATTACK not in page
