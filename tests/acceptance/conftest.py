"""What the acceptance tests share: whole Jupyter servers on temporary folders."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from acceptance.browser import keep_pictures, started_browser
from playwright.sync_api import Browser
from servers import Dirs, JupyterServer


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what pages show when a test fails, before its fixtures change that."""
    report = yield
    if report.failed:
        kept = "\n".join(keep_pictures(f"{item.path.stem}-{item.name}"))
        report.sections += [("Pictures of the pages", kept)] if kept else []
    return report


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A server for all tests that neither kill it nor mind the chats of others."""
    with JupyterServer(Dirs(tmp_path_factory.mktemp("server"))) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Ends with the module: while it runs, no other loop can in this thread."""
    with started_browser() as browser:
        yield browser


@pytest.fixture
def dirs(tmp_path: Path) -> Dirs:
    """The folders of a user whom no other test knows."""
    return Dirs(tmp_path).make()


@pytest.fixture
def make_server(dirs: Dirs) -> Iterator[Callable[..., JupyterServer]]:
    """Start servers with `JupyterServer(dirs, ...)`; all are ended after the test."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(JupyterServer(dirs, **options))
