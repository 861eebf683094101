from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_chatd.workspace.limits import OutputLimits
from jupyter_chatd.workspace.output import LINE_MARK, Follower, OutputBuffer, Rendered
from jupyter_chatd.workspace.protocol import Truncation

SMALL = OutputLimits(head_bytes=100, tail_bytes=120, line_bytes=1000)


def filled(chunks: list[bytes], limits: OutputLimits = SMALL) -> OutputBuffer:
    buffer = OutputBuffer(limits)
    for chunk in chunks:
        buffer.append(chunk)
    return buffer


@given(st.lists(st.binary(max_size=150), max_size=12))
def test_head_tail_and_omitted_add_up(chunks: list[bytes]) -> None:
    data = b"".join(chunks)
    buffer = filled(chunks)
    truncation = buffer.render().truncation
    kept = buffer.retained()
    if len(data) <= 220:
        assert (kept, truncation) == (data, None)
        return
    assert truncation is not None
    head, _, tail = kept.partition(f"\n... [{truncation.omitted_bytes} bytes omitted] ...\n".encode())
    assert data.startswith(head)
    assert data.endswith(tail)
    assert truncation.original_bytes == len(data)
    assert truncation.retained_bytes == len(head) + len(tail)
    assert truncation.retained_bytes + truncation.omitted_bytes == len(data)
    assert len(kept) <= 220


@given(st.text(alphabet="aé€😀", min_size=100, max_size=300), st.integers(1, 50))
def test_no_character_is_torn(text: str, size: int) -> None:
    data = text.encode()
    shown = filled([data[at : at + size] for at in range(0, len(data), size)]).render().text
    assert "\N{REPLACEMENT CHARACTER}" not in shown


def test_what_fits_is_whole_even_when_it_passes_the_head() -> None:
    line = b"x" * 99 + b"\n"
    assert filled([line, line]).render() == Rendered(text=(line + line).decode())


def test_a_long_output_shows_its_beginning_its_end_and_what_is_missing() -> None:
    rendered = filled([b"a" * 100, b"b" * 1000, b"c" * 56]).render()
    assert rendered.text == "a" * 100 + "\n... [1000 bytes omitted] ...\n" + "c" * 56
    assert rendered.truncation == Truncation(original_bytes=1156, retained_bytes=156, omitted_bytes=1000)


def test_the_defaults_keep_16_kib_at_both_ends_in_32_kib() -> None:
    buffer = filled([b"0123456789abcde\n" * 65536], OutputLimits())
    shown = buffer.render().text
    assert len(shown.encode()) <= 32 * 1024
    assert shown.startswith("0123456789abcde\n" * 1024 + "\n...")
    assert shown.endswith("0123456789abcde\n" * 1000)


def test_long_lines_are_cut() -> None:
    rendered = filled([b"x" * 30 + b"\nok\n"], OutputLimits(line_bytes=10)).render()
    assert rendered.text == "x" * 10 + LINE_MARK.decode() + "\nok\n"


def test_invalid_utf8_is_replaced() -> None:
    assert filled([b"a\xff\xfeb"]).render().text == "a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}b"


async def collected(follower: Follower) -> list[str]:
    return [piece async for piece in follower.pieces()]


@pytest.mark.anyio
async def test_a_follower_gets_characters_whole() -> None:
    follower = Follower(b"", limit_bytes=100)
    task = asyncio.create_task(collected(follower))
    for byte in "a€😀".encode():
        follower.push(bytes([byte]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    follower.close()
    follower.close()
    assert await task == ["a", "€", "😀"]


@pytest.mark.anyio
async def test_a_slow_follower_is_told_what_it_missed() -> None:
    follower = Follower(b"first", limit_bytes=8)
    follower.push(b"abcdef")
    follower.push(b"ghi")
    follower.close()
    assert await collected(follower) == ["firstabc\n... [6 bytes skipped] ...\n"]


@pytest.mark.anyio
async def test_a_torn_character_at_the_end_is_replaced() -> None:
    follower = Follower(b"a\xe2\x82", limit_bytes=8)
    follower.close()
    assert await collected(follower) == ["a\N{REPLACEMENT CHARACTER}"]
