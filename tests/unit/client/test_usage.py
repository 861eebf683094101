"""Sums of model calls as a person reads them."""

from __future__ import annotations

from datetime import date

import pytest

from jupyter_chatd.client.usage import UsageReport, dollars, period

REPLY = {
    "total_cost_micros": 1_500_000,
    "message_count": 3,
    "priced_message_count": 2,
    "unpriced_message_count": 1,
    "total_input_tokens": 1000,
    "total_cache_read_tokens": 500,
    "total_output_tokens": 70,
    "from_a_later_release": True,
    "by_model": [
        {"provider": "openai", "model": "gpt-4o", "message_count": 3, "total_cost_micros": 1_500_000}
    ],
    "by_chat": [
        {"chat_id": "0123456789", "root_chat_id": "0123456789", "chat_title": "Sums", "message_count": 2},
        {"chat_id": "9876543210", "root_chat_id": "0123456789", "chat_title": None, "message_count": 1},
    ],
    "by_day": [{"day": "2026-11-21", "message_count": 3}],
    "start_date": "2026-11-01T00:00:00Z",
    "end_date": "2026-12-01T00:00:00Z",
}


def test_a_report_reads_as_a_table() -> None:
    assert repr(UsageReport.of_json(REPLY)).splitlines() == [
        "From 2026-11-01 to 2026-11-30 (UTC days)",
        "                    calls  tokens in  cached  tokens out   cost",
        "openai:gpt-4o           3          0       0           0  $1.50",
        "01234567 Sums           2          0       0           0  $0.00",
        "98765432 (deleted)      1          0       0           0  $0.00",
        "all                     3      1,500     500          70  $1.50",
        "The price of 1 of 3 calls is not known.",
    ]


def test_a_report_is_a_table_in_a_notebook_too() -> None:
    page = UsageReport.of_json(REPLY | {"by_chat": [], "by_model": []})._repr_html_()
    assert page.count("<tr>") == 2


def test_dollars_are_none_without_a_price() -> None:
    assert UsageReport.of_json(REPLY).cost_usd == 1.5
    assert UsageReport.of_json({"total_cost_micros": None}).cost_usd is None


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (None, "unknown"),
        (0, "$0.00"),
        (1, "$0.000001"),
        (120_000, "$0.12"),
        (999_999, "$0.999999"),
        (1_000_000, "$1.00"),
        (1_234_567_890, "$1,234.57"),
    ],
)
def test_a_small_cost_is_not_rounded_away(micros: int | None, text: str) -> None:
    assert dollars(micros) == text


def test_days_include_the_last() -> None:
    asked = {"start_date": "2026-11-01T00:00:00Z", "end_date": "2026-12-01T00:00:00Z"}
    assert period(date(2026, 11, 1), date(2026, 11, 30)) == asked
    assert period(None, None) == {}
