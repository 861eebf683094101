"""One server, one browser and one page for all tests of this folder: to start them takes longer than a test.

The vendor is a fake on the wire, so that each test says itself what the model does.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from acceptance.browser import (
    NO_PREFERENCE,
    Panel,
    started_browser,
    with_front_end,
    without_page_errors,
)
from acceptance.vendor import Vendor
from fakes.openai_server import FakeOpenAI
from fakes.threaded import in_thread
from playwright.sync_api import Browser, expect
from servers import Dirs, JupyterServer

SETTINGS = {
    "JupyterChatd": {"sandbox": "off", "generate_titles": False, "default_model": "openai:fake-model"}
}


@pytest.fixture(scope="package")
def vendor() -> Vendor:
    return Vendor()


@pytest.fixture(scope="package")
def server(vendor: Vendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A server without a sandbox, whose default model is the fake."""
    dirs = with_front_end(Dirs(tmp_path_factory.mktemp("lab")).make())
    with in_thread(FakeOpenAI(vendor)) as fake:
        env = {**NO_PREFERENCE, "OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": fake.base_url}
        with JupyterServer(dirs, env=env, settings=SETTINGS) as server:
            yield server


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Ends with the folder: while it runs, no other loop can in this thread."""
    with started_browser() as browser:
        yield browser


@pytest.fixture(scope="package")
def lab(browser: Browser, server: JupyterServer) -> Panel:
    """JupyterLab, in which the model was used once: its library is loaded then."""
    panel = Panel(browser.new_page(viewport={"width": 1200, "height": 850}), server)
    panel.open_lab()
    panel.say("Hello")
    expect(panel.transcript.locator("em")).to_have_text("last", timeout=60_000)
    return panel


@pytest.fixture
def panel(lab: Panel, vendor: Vendor) -> Iterator[Panel]:
    """The list of chats; what goes wrong in the page fails the test."""
    with without_page_errors(lab.page):
        lab.begin()
        yield lab
        vendor.forget()
