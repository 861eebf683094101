from __future__ import annotations

import pytest

from jupyter_chatd.tools.durations import DurationError, parse_seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("5m", 300),
        ("1m30s", 90),
        ("1.5h", 5400),
        (".5s", 0.5),
        ("250ms", 0.25),
        ("1h1m1s1ms", 3661.001),
        ("0", 0),
        ("0s", 0),
        (" 10s ", 10),
        ("5h", 14_400),
        ("9" * 400 + "h", 14_400),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "30", "-5s", "+5s", "5 s", "s", "5x", "1m 30s", "5s!", "1e3s", "٣s", "nan"]
)
def test_what_is_none_is_refused_with_examples(text: str) -> None:
    with pytest.raises(DurationError, match="such as 30s, 5m or 1m30s"):
        parse_seconds(text)
