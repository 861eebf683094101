"""What a viewer may send: split into messages however it is cut, input dropped for those who only look."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_chatd.desktop.geometry import Point
from jupyter_chatd.desktop.viewers.framing import WHOLE, ClientMessages, UnknownMessageError
from jupyter_chatd.desktop.viewers.gates import LOOKING, ControlGate, ViewGate

HELLO = b"RFB 003.008\n\x01\x01"

u8 = st.integers(0, 2**8 - 1)
u16 = st.integers(0, 2**16 - 1)
u32 = st.integers(0, 2**32 - 1)


def fixed(kind: int, length: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=length - 1, max_size=length - 1).map(lambda rest: bytes([kind]) + rest)


looking = st.one_of(
    fixed(0, 20),
    st.lists(u32, max_size=40).map(lambda kinds: struct.pack(f">BxH{len(kinds)}I", 2, len(kinds), *kinds)),
    fixed(3, 10),
    fixed(150, 10),
    st.binary(max_size=255).map(lambda payload: struct.pack(">BxxxIB", 248, 1, len(payload)) + payload),
)
pointers = st.builds(lambda mask, x, y: struct.pack(">BBHH", 5, mask, x, y), st.integers(0, 0x7F), u16, u16)
inputs = st.one_of(
    fixed(4, 8),
    pointers,
    st.builds(lambda x, y, more: struct.pack(">BBHHB", 5, 0x80, x, y, more), u16, u16, u8),
    st.binary(max_size=300).map(lambda text: struct.pack(">Bxxxi", 6, len(text)) + text),
    st.binary(min_size=4, max_size=300).map(lambda text: struct.pack(">Bxxxi", 6, -len(text)) + text),
    fixed(250, 4),
    st.integers(0, 20).map(lambda count: struct.pack(">BxHHBx", 251, 800, 600, count) + bytes(16 * count)),
    st.builds(lambda down, key, code: struct.pack(">BBHII", 255, 0, down, key, code), u16, u32, u32),
    st.sampled_from([b"\xff\x01\x00\x00", b"\xff\x01\x00\x01", b"\xff\x01\x00\x02" + bytes(6)]),
)
said = st.lists(st.one_of(looking, inputs), max_size=12)
greetings = st.sampled_from(
    [b"RFB 003.008\n\x01\x01", b"RFB 003.008\n\x01\x00", b"RFB 003.007\n\x01\x01", b"RFB 003.003\n\x01"]
)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Split *data* at those places, each modulo its length."""
    ends = sorted({place % (len(data) + 1) for place in places} | {len(data)})
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


places = st.lists(st.integers(0, 2**16), max_size=30)


@given(greeting=greetings, messages=said, places=places)
def test_a_viewer_who_only_looks_gets_nothing_through_but_looking(
    greeting: bytes, messages: list[bytes], places: list[int]
) -> None:
    gate = ViewGate()
    passed = b"".join(map(gate.passed, cut(greeting + b"".join(messages), places)))
    assert passed == greeting[:-1] + b"\x01" + b"".join(one for one in messages if one[0] in LOOKING)


@given(greeting=greetings, messages=said, places=places)
def test_a_viewer_in_control_gets_everything_through_and_its_input_is_noticed(
    greeting: bytes, messages: list[bytes], places: list[int]
) -> None:
    noticed: list[None] = []
    pointed: list[Point] = []
    gate = ControlGate(on_input=lambda: noticed.append(None), on_pointer=pointed.append)
    data = greeting + b"".join(messages)
    assert b"".join(map(gate.passed, cut(data, places))) == data
    assert bool(noticed) == any(one[0] not in LOOKING for one in messages)
    assert [(at.x, at.y) for at in pointed] == [
        struct.unpack(">HH", one[2:6]) for one in messages if one[0] == 5
    ]


@given(messages=said, places=places)
def test_pieces_are_what_was_said_and_short_messages_are_whole(
    messages: list[bytes], places: list[int]
) -> None:
    reader = ClientMessages()
    pieces = [piece for part in cut(HELLO + b"".join(messages), places) for piece in reader.feed(part)]
    assert b"".join(piece.data for piece in pieces) == HELLO + b"".join(messages)
    told = [piece.data for piece in pieces]
    assert all(one in told for one in messages if len(one) <= WHOLE)


@given(data=st.binary(max_size=600), places=places)
def test_how_garbage_is_cut_makes_no_difference(data: bytes, places: list[int]) -> None:
    def outcome(parts: list[bytes]) -> tuple[bytes, bool]:
        gate, passed = ViewGate(), b""
        try:
            for part in parts:
                passed += gate.passed(part)
        except UnknownMessageError:
            return b"", True
        return passed, False

    assert outcome(cut(HELLO + data, places)) == outcome([HELLO + data])


@given(data=st.binary(max_size=600), places=places)
def test_whatever_a_viewer_sends_only_whole_messages_of_looking_pass(data: bytes, places: list[int]) -> None:
    gate, passed = ViewGate(), b""
    try:
        for part in cut(HELLO + data, places):
            passed += gate.passed(part)
    except UnknownMessageError:
        pass
    kinds = [piece.kind for piece in list(ClientMessages().feed(passed))[3:]]
    assert set(kinds) <= LOOKING


@pytest.mark.parametrize("kind", sorted(set(range(256)) - {0, 2, 3, 4, 5, 6, 150, 248, 250, 251, 255}))
def test_a_message_of_an_unknown_type_closes(kind: int) -> None:
    gate = ViewGate()
    assert gate.passed(HELLO) == HELLO
    with pytest.raises(UnknownMessageError, match=f"type {kind}"):
        gate.passed(bytes([kind]))


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n", b"RFB 003.009\n", b"RFB 003.008\n\x02", HELLO + b"\xff\x02\x00\x00"]
)
def test_what_is_no_rfb_closes(data: bytes) -> None:
    with pytest.raises(UnknownMessageError):
        ViewGate().passed(data)


def test_a_huge_clipboard_is_dropped_without_being_kept() -> None:
    gate = ViewGate()
    gate.passed(HELLO + struct.pack(">Bxxxi", 6, 2**31 - 1))
    assert gate.passed(bytes(2**20)) == b""
    assert len(gate._messages._head) <= WHOLE


def test_control_goes_on_when_it_cannot_be_followed() -> None:
    noticed: list[None] = []
    gate = ControlGate(on_input=lambda: noticed.append(None), on_pointer=lambda at: None)
    assert gate.passed(HELLO + b"\x99strange") == HELLO + b"\x99strange"
    assert not noticed
    assert gate.passed(b"more") == b"more"
    assert noticed
