"""The panel when something is wrong: no sandbox, a model that fails. The vendor is a fake on the wire."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from acceptance.browser import NO_PREFERENCE, Panel, keep_picture, started_browser, with_front_end
from fakes.openai_server import FakeOpenAI
from fakes.responder import Conversation
from fakes.steps import Answer, Refuse, say
from fakes.threaded import in_thread
from playwright.sync_api import expect
from servers import Dirs, JupyterServer


class Vendor:
    """Answers with what a test has put into `answers`, and then always with the same words."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []

    def __call__(self, conversation: Conversation) -> Answer:
        """Give the next answer."""
        return self.answers.pop(0) if self.answers else [say("At *last*.")]


@pytest.fixture(scope="module")
def vendor() -> Vendor:
    return Vendor()


@pytest.fixture(scope="module")
def lab(vendor: Vendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Panel]:
    """JupyterLab with that model, on a server without a sandbox."""
    dirs = with_front_end(Dirs(tmp_path_factory.mktemp("lab")).make())
    settings = {
        "JupyterChatd": {"sandbox": "off", "generate_titles": False, "default_model": "openai:fake-model"}
    }
    with in_thread(FakeOpenAI(vendor)) as fake, started_browser() as browser:
        env = {**NO_PREFERENCE, "OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": fake.base_url}
        with JupyterServer(dirs, env=env, settings=settings) as server:
            panel = Panel(browser.new_page(viewport={"width": 1200, "height": 850}), server)
            panel.open_lab()
            panel.say("Hello")  # the first use of a vendor loads its library
            expect(panel.transcript.locator("em")).to_have_text("last", timeout=60_000)
            yield panel


@pytest.fixture
def panel(lab: Panel, vendor: Vendor, request: pytest.FixtureRequest) -> Iterator[Panel]:
    """The list of chats; what the panel shows when a test fails is kept."""
    failed = request.session.testsfailed
    lab.begin()
    yield lab
    vendor.answers.clear()
    if request.session.testsfailed > failed:
        keep_picture(lab.page, request.node.name)


def test_a_failed_call_is_tried_again_in_sight(panel: Panel, vendor: Vendor) -> None:
    vendor.answers += [[Refuse(status=500)], [Refuse(status=500)]]
    panel.say("Hello")
    expect(panel.transcript).to_contain_text("Trying again (1)")
    expect(panel.transcript).to_contain_text("Trying again (2)")
    expect(panel.stop).to_be_visible()
    expect(panel.transcript.locator("em")).to_have_text("last")
    panel.until_at_rest()
    expect(panel.transcript).not_to_contain_text("Trying again")


def test_a_turn_that_is_tried_again_is_stopped(panel: Panel, vendor: Vendor) -> None:
    vendor.answers += [[Refuse(status=500)] for _ in range(9)]
    panel.say("Hello")
    expect(panel.transcript).to_contain_text("Trying again (1)")
    panel.stop.click()
    panel.until_at_rest()
    expect(panel.stop).to_have_count(0)
    expect(panel.transcript).not_to_contain_text("Trying again")


def test_a_refused_key_says_what_to_do_and_the_turn_can_be_tried_again(panel: Panel, vendor: Vendor) -> None:
    vendor.answers += [[Refuse(status=401, message="Incorrect API key", code="invalid_api_key")]]
    panel.say("Hello")
    notice = panel.root.get_by_role("alert")
    expect(notice).to_contain_text("key")
    panel.until_at_rest()
    panel.button("All chats").click()
    row = panel.root.get_by_role("list", name="Chats").get_by_role("listitem").first
    expect(row.get_by_role("img", name="failed")).to_be_visible()
    row.get_by_role("button").first.click()
    notice.get_by_text("Details").click()
    expect(notice).to_contain_text("Incorrect API key")
    panel.button("Try again").click()
    expect(panel.transcript.locator("em")).to_have_text("last")
    expect(notice).to_have_count(0)
    assert panel.transcript.get_by_text("Hello", exact=True).count() == 1


def test_without_a_sandbox_the_user_is_told(panel: Panel) -> None:
    panel.say("Hello")
    panel.until_at_rest()
    explanation = panel.root.get_by_text("apt install bubblewrap")
    expect(explanation).to_be_hidden()
    panel.root.get_by_text("unconfined: commands run with your rights").click()
    expect(explanation).to_be_visible()
