"""What models say and tools give, in widgets and their copies: nothing runs, no request leaves the page."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from acceptance.browser import NO_PREFERENCE, with_front_end
from acceptance.cells import NotebookPage
from acceptance.hostile_answers import HTML, WORDS, expect_checked_formulas
from acceptance.vendor import Vendor
from fakes.openai_server import FakeOpenAI
from fakes.steps import call, say
from fakes.threaded import in_thread
from playwright.sync_api import Browser, Locator, expect
from servers import Dirs, JupyterServer

SETTINGS = {
    "JupyterChatd": {"sandbox": "off", "generate_titles": False, "default_model": "openai:fake-model"}
}
TAG = '<img src="https://evil.example/a" onerror="window.hacked=1"><script>window.hacked=1</script>'
SHOW = f"""
from jupyter_chatd import Chat, widgets
chat = Chat({TAG!r}, approvals="auto").wait()
chat.send({TAG!r}).wait()
display(widgets.Chat(chat), widgets.ToolCalls(chat), widgets.AgentTree(chat), widgets.Approval(chat))
"""
BAD = "script, style, iframe, object, embed, link, meta, base, form, video, audio, [style*=evil], #main"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    dirs = with_front_end(Dirs(tmp_path_factory.mktemp("hostile")).make())
    vendor = Vendor()
    vendor.answers += [[call("execute", {"command": f"echo '{TAG}'"})], [say(HTML)], [say(WORDS)]]
    with in_thread(FakeOpenAI(vendor)) as fake:
        env = {**NO_PREFERENCE, "OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": fake.base_url}
        with JupyterServer(dirs, env=env, settings=SETTINGS) as server:
            yield server


class Watched(NotebookPage):
    """A notebook whose page is watched from its beginning."""

    def __init__(self, browser: Browser, server: JupyterServer) -> None:
        page = browser.new_page(viewport={"width": 1100, "height": 1000})
        super().__init__(page, server, "hostile")
        self._origin = server.url.rstrip("/")
        self._asked: list[str] = []
        page.on("request", lambda request: self._asked.append(request.url))

    def assert_unharmed(self, shown: Locator) -> None:
        """Nothing ran, nothing was asked of anybody but the server, and nothing of *shown* could do so."""
        assert self.page.evaluate("window.hacked") is None
        away = [url for url in self._asked if not url.startswith((self._origin, "data:", "blob:"))]
        assert away == []
        assert self.page.url.startswith(self._origin)
        assert shown.locator(BAD).count() == 0
        schemes = shown.locator("a[href]").evaluate_all("links => links.map(one => one.protocol)")
        assert set(schemes) <= {"https:", "http:"}
        expect(self.page.locator(".jp-Notebook")).to_be_visible()


@pytest.fixture(scope="module")
def notebook(browser: Browser, server: JupyterServer) -> Iterator[Watched]:
    """The notebook in JupyterLab with all that it has; it was run and saved."""
    notebook = Watched(browser, server)
    notebook.open(SHOW)
    expect_all_of_it(notebook.run(0))
    notebook.save()
    yield notebook
    notebook.page.close()


def expect_all_of_it(output: Locator) -> Locator:
    """Wait until the widgets show everything, and return them."""
    chat = output.locator('.jp-chatd-widget[data-view="Chat"]')
    expect(chat.locator("em").filter(has_text="so")).to_have_count(2)
    for view in ("Chat", "ToolCalls"):
        card = output.locator(f'.jp-chatd-widget[data-view="{view}"] [data-tool="execute"]')
        card.get_by_role("button").first.click()
        expect(card.locator(".jp-chatd-output")).to_contain_text("<script>window.hacked=1</script>")
    expect(output.locator('.jp-chatd-widget[data-view="AgentTree"]')).to_contain_text("<img src=")
    expect(output.locator(".jp-chatd-widget")).to_have_count(4)
    return output.locator(".jp-chatd-widget")


def test_with_jupyterlabs_renderer(notebook: Watched) -> None:
    shown = notebook.output(0).locator(".jp-chatd-widget")
    expect_checked_formulas(shown.first)
    for link in shown.locator("mjx-container a").all():
        link.dispatch_event("click")
    notebook.assert_unharmed(shown)


def test_with_the_widgets_own_renderer(notebook: Watched, browser: Browser, server: JupyterServer) -> None:
    alone = Watched(browser, server)
    alone.page.route("**/extensions/jupyter-chatd/**", lambda route: route.abort())
    alone.load()
    shown = expect_all_of_it(alone.output(0))
    expect(shown.first.locator('[data-kind="text"]').last).to_contain_text("\\href{javascript:")  # no MathJax
    alone.assert_unharmed(shown)
    alone.page.close()


def test_in_the_copy(notebook: Watched, browser: Browser, server: JupyterServer) -> None:
    for session in httpx.get(f"{server.url}api/sessions", headers=server.headers).json():
        httpx.delete(f"{server.url}api/sessions/{session['id']}", headers=server.headers)
    without = Watched(browser, server)
    without.page.route("**/static/jupyter_chatd/**", lambda route: route.abort())
    without.load()
    shown = without.output(0)
    expect(shown.get_by_text("<script>window.hacked").first).to_be_visible()
    expect(shown.locator(".jp-chatd-widget")).to_have_count(0)
    without.assert_unharmed(shown)
    without.page.close()
