"""What a model says, tools give and people paste must not run, fetch, or break the page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from acceptance.browser import Panel
from acceptance.hostile_answers import HTML, WORDS, expect_checked_formulas
from acceptance.vendor import Vendor
from fakes.steps import call, say
from playwright.sync_api import expect

BROKEN = "\n\n".join(
    [
        "*so*",
        "> " * 300 + "deep",
        "".join(f"{'  ' * depth}- item\n" for depth in range(100)),
        "| a | b\n|---\n| 1",
        "[open](",
        "**never closed `nor this",
        "$$ \\frac{1}{",
        "<div><p><span",
        "[a]: [a]: [a]:",
        "&#xD800; \x7f \u202e",
        "````python\n```\nprint(1)",
    ]
)


@pytest.fixture
def requests(panel: Panel) -> Iterator[list[str]]:
    """The addresses that the page asked for."""
    urls: list[str] = []
    panel.page.on("request", note := lambda request: urls.append(request.url))
    yield urls
    panel.page.remove_listener("request", note)


def assert_unharmed(panel: Panel, urls: list[str]) -> None:
    assert panel.page.evaluate("window.hacked") is None
    assert [url for url in urls if "evil" in url] == []
    assert panel.page.url.startswith("http://127.0.0.1")
    expect(panel.input).to_be_visible()
    bad = "script, style, iframe, object, embed, link, meta, base, form, video, audio, [style*=evil], #main"
    places = panel.transcript.locator('[data-kind="text"]')
    assert places.locator(bad).count() == 0
    schemes = panel.transcript.locator("a[href]").evaluate_all("links => links.map(one => one.protocol)")
    assert set(schemes) <= {"https:", "http:"}


def test_an_answer_runs_nothing_and_fetches_nothing(
    panel: Panel, vendor: Vendor, requests: list[str]
) -> None:
    for count, text in enumerate((HTML, WORDS), start=1):
        vendor.answers.append([say(text)])
        panel.say("Go")
        expect(panel.transcript.locator("em").filter(has_text="so")).to_have_count(count)
        panel.until_at_rest()
    expect_checked_formulas(panel.transcript)
    drawn = panel.transcript.locator("img[src^='data:image/svg']")
    expect(drawn).to_have_count(2)  # the picture that was given, and the harmless diagram
    for link in panel.transcript.locator("mjx-container a").all():
        link.dispatch_event("click")
    assert_unharmed(panel, requests)


def test_what_a_tool_gives_is_text(panel: Panel, vendor: Vendor, requests: list[str]) -> None:
    html = '<img src="https://evil.example/a" onerror="window.hacked=1"><script>window.hacked=1</script>'
    command = {"command": f"printf '%s\\033]8;;https://evil.example\\033\\\\x' '{html}'; exit 3"}
    vendor.answers += [[call("execute", command), call(f"x__{'y' * 40}", {"<b>": html})], [say("*So*.")]]
    panel.choose("Ask", is_on=False)
    panel.say(html)
    expect(panel.transcript.locator("em")).to_have_text("So")
    panel.until_at_rest()
    expect(panel.card("execute")).to_contain_text("<script>window.hacked=1</script>")
    assert_unharmed(panel, requests)


def test_broken_markdown_is_shown(panel: Panel, vendor: Vendor, requests: list[str]) -> None:
    vendor.answers.append([say(BROKEN)])
    panel.say("Go")
    expect(panel.transcript.locator("em")).to_have_text("so")
    expect(panel.transcript).to_contain_text("print(1)")
    panel.until_at_rest()
    assert_unharmed(panel, requests)
