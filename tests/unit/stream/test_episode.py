"""The buffer of a running answer: numbered, merged, and never merged into something else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jupyter_chatd.events import Episode
from jupyter_chatd.messages import (
    Part,
    ReasoningPart,
    Role,
    SourcePart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from jupyter_chatd.stream.episode import EpisodeBuffer, delta_of

pieces: st.SearchStrategy[tuple[Role, Part, int]] = st.tuples(
    st.just(Role.ASSISTANT),
    st.one_of(
        st.builds(TextPart, text=st.text("ab", max_size=2)),
        st.builds(ReasoningPart, text=st.text("ab", max_size=2)),
        st.builds(ToolCallPart, args_delta=st.text("ab", max_size=2)),
        st.builds(ToolCallPart, args=st.just({})),
        st.builds(ToolResultPart, result_delta=st.text("ab", max_size=2)),
        st.builds(SourcePart, url=st.just("u")),
    ),
    st.integers(0, 2),
)


def buffer_of(said: list[tuple[Role, Part, int]]) -> EpisodeBuffer:
    buffer = EpisodeBuffer(Episode(history_version=3, attempt=1))
    for role, part, index in said:
        buffer.add(role, part, index=index)
    return buffer


def kinds(said: list[tuple[Role, Part, int]]) -> list[tuple[int, type[Part], bool, str | Part]]:
    """What the pieces say, with neighbours of one kind joined: the meaning that merging must keep."""
    joined: list[tuple[int, type[Part], bool, str | Part]] = []
    for _, part, index in said:
        delta = delta_of(part)
        if delta is None:
            joined.append((index, type(part), True, part))
        elif joined and joined[-1][:3] == (index, type(part), False):
            joined[-1] = (index, type(part), False, str(joined[-1][3]) + delta)
        else:
            joined.append((index, type(part), False, delta))
    return joined


@given(st.lists(pieces, max_size=12), st.integers(0, 12))
def test_merging_keeps_the_meaning_and_covers_every_number(
    said: list[tuple[Role, Part, int]], seq: int
) -> None:
    merged = buffer_of(said).since(seq)
    assert kinds([(live.role, live.part, live.index) for live in merged]) == kinds(said[seq:])
    assert len(merged) == len(kinds(said[seq:]))
    numbers = [live.seq for live in merged]
    assert numbers == sorted(set(numbers))
    assert (numbers[-1:] or [seq]) == [max(len(said), seq)] or seq > len(said)
    assert all((live.history_version, live.attempt) == (3, 1) for live in merged)


@given(st.lists(pieces, max_size=12), st.integers(0, 12))
def test_two_halves_say_what_the_whole_says(said: list[tuple[Role, Part, int]], cut: int) -> None:
    """Whoever comes back in the middle has the same text."""
    cut = min(cut, len(said))
    first = buffer_of(said[:cut]).since(0)
    rest = buffer_of(said).since(cut)
    both = [(live.role, live.part, live.index) for live in (*first, *rest)]
    assert kinds(both) == kinds(said)


def test_the_newest_number_counts_parts() -> None:
    buffer = buffer_of([])
    assert buffer.seq == 0
    buffer.add(Role.ASSISTANT, TextPart(text="a"), index=0)
    assert buffer.seq == 1
