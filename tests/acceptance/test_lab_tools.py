"""The agent in the notebooks of JupyterLab: it reads, changes and runs cells where their user sees it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from acceptance.browser import (
    NO_PREFERENCE,
    Panel,
    save_notebook,
    with_front_end,
    without_page_errors,
)
from fakes.openai_server import FakeOpenAI
from fakes.responder import Conversation
from fakes.steps import Answer, call, say
from fakes.threaded import in_thread
from fakes.vendor import FakeVendor
from nbformat import read
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from playwright.sync_api import Browser, Locator, Page, Route, expect
from servers import Dirs, JupyterServer

DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
"""A PNG of one pixel."""
PLOT = f"import base64\nfrom IPython.display import Image\nImage(base64.b64decode('{DOT}'))"
SLOW = "import time\nfor i in range(600):\n    print('tick', i)\n    time.sleep(0.1)"
OPEN = "async path => { await window.jupyterapp.commands.execute('docmanager:open', {path}); }"
RESET = """async content => {
    const {context} = window.jupyterapp.shell.currentWidget;
    await context.ready;
    context.model.fromJSON(content);
    await context.save();
}"""
"""Lets the notebook in front have this content, without anything that could be undone."""
UNDO = "async () => { await window.jupyterapp.commands.execute('notebook:undo-cell-action'); }"
INTERRUPT = "async () => { await window.jupyterapp.commands.execute('notebook:interrupt-kernel'); }"
SHOW_FILES = "async () => { await window.jupyterapp.commands.execute('filebrowser:activate'); }"
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
RUN_TIME = 60_000.0  # ms that a kernel may take to start and answer


class Vendor:
    """Answers with what a test has put into `answers`, and with a report of the tools' results after that."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.results: list[str] = []
        """Texts of the results that the model has got in its last call."""

    def __call__(self, conversation: Conversation) -> Answer:
        """Give the next answer."""
        self.results = list(conversation.results)
        return self.answers.pop(0) if self.answers else [say("That is *done*.")]

    def uses(self, tool: str, **args: Any) -> None:
        """Let the model call a tool in its next answer."""
        self.answers.append([call(tool, args)])


class Lab(Panel):
    """JupyterLab with the agent's panel, and notebooks in front."""

    def open_file(self, path: str) -> None:
        """Open a notebook as its address does, and wait for its kernel."""
        self.page.evaluate(OPEN, path)
        self.notebook.wait_for(timeout=RUN_TIME)

    @property
    def notebook(self) -> Locator:
        """The notebook in front."""
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")

    def cell(self, number: int) -> Locator:
        """Return a cell of the notebook in front, from 1."""
        return self.notebook.locator(".jp-Notebook-cell").nth(number - 1)

    def source(self, number: int) -> Locator:
        """Return the text of a cell."""
        return self.cell(number).locator(".cm-content")

    def ask(self, text: str = "Do it.") -> None:
        """Send a message in a new chat that asks for no approval, and wait for the end of its turn."""
        self.begin()
        self.choose("Ask", is_on=False)
        self.say(text)
        expect(self.transcript).to_contain_text("That is done.")
        self.until_at_rest()


@pytest.fixture(scope="module", autouse=True)
def patience() -> Iterator[None]:
    """A kernel starts in the middle of a turn, and the machine may be busy."""
    expect.set_options(timeout=RUN_TIME)
    yield
    expect.set_options(timeout=5_000)


@pytest.fixture(scope="module")
def vendor() -> Vendor:
    return Vendor()


@pytest.fixture(scope="module")
def fake(vendor: Vendor) -> Iterator[FakeVendor]:
    with in_thread(FakeOpenAI(vendor)) as fake:
        yield fake


@pytest.fixture(scope="module")
def server(fake: FakeVendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    dirs = with_front_end(Dirs(tmp_path_factory.mktemp("lab")).make())
    settings = {"JupyterChatd": {"generate_titles": False, "default_model": "openai:fake-model"}}
    env = {**NO_PREFERENCE, "OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": fake.base_url}
    args = ("--LabApp.expose_app_in_browser=True",)
    with JupyterServer(dirs, env=env, settings=settings, args=args) as server:
        yield server


@pytest.fixture(scope="module")
def one_lab(browser: Browser, server: JupyterServer) -> Iterator[Lab]:
    """One JupyterLab and one kernel for all tests."""
    page = browser.new_page(viewport={"width": 1300, "height": 900})
    lab = Lab(page, server)
    lab.open_lab()
    lab.ask("Hello.")  # the first use of a vendor loads its library
    yield lab
    page.close()


@pytest.fixture
def lab(one_lab: Lab, vendor: Vendor) -> Iterator[Lab]:
    """A page; what goes wrong in it fails the test."""
    with without_page_errors(one_lab.page):
        yield one_lab
        vendor.answers.clear()


@pytest.fixture
def notebook(lab: Lab, server: JupyterServer) -> Path:
    """A notebook with three cells, saved and in front. The kernel is the same for all tests."""
    path = server.dirs.work / "sums.ipynb"
    cells = [new_markdown_cell("# Sums"), new_code_cell("x = 1\nprint(x)"), new_code_cell("y = 2")]
    if path.exists():
        lab.open_file(path.name)
        lab.page.evaluate(RESET, new_notebook(cells=cells, metadata=KERNEL))
    else:
        save_notebook(path, *cells)
        lab.open_file(path.name)
    expect(lab.source(3)).to_have_text("y = 2")
    expect(lab.notebook.locator(".jp-Notebook-cell")).to_have_count(3)
    return path


def results(server: JupyterServer) -> list[Any]:
    """What the tools of the newest chat gave, in order."""
    chat = httpx.get(server.chats_url, headers=server.headers, params={"limit": 1}).json()[0]
    url = f"{server.chats_url}/{chat['id']}/messages"
    rows = httpx.get(url, headers=server.headers, params={"after_id": 0}).json()["messages"]
    return [part["result"] for row in rows if row["role"] == "tool" for part in row["content"]]


def test_a_cell_is_read_changed_and_run_and_one_undo_takes_the_change_back(
    lab: Lab, notebook: Path, vendor: Vendor, server: JupyterServer
) -> None:
    vendor.uses("read_notebook")
    vendor.uses("edit_cell", cell="2", edits=[{"search": "x = 1", "replace": "x = 40 + 2"}])
    vendor.uses("run_cells", cells=["2"])
    lab.ask()
    expect(lab.source(2)).to_have_text("x = 40 + 2print(x)")
    expect(lab.cell(2).locator(".jp-OutputArea-output")).to_have_text("42\n")
    expect(lab.notebook.locator(".jp-chatd-touched")).to_have_count(1)
    seen, edited, ran = results(server)
    assert [cell["source"] for cell in seen["cells"]] == ["# Sums", "x = 1\nprint(x)", "y = 2"]
    assert (edited["done"], edited["number"]) == ("edited", 2)
    assert (ran["success"], ran["cells"][0]["output"]) == (True, "42")

    lab.source(2).click()
    expect(lab.notebook.locator(".jp-chatd-touched")).to_have_count(0)
    lab.page.keyboard.press("Control+z")
    expect(lab.source(2)).to_have_text("x = 1print(x)")
    lab.page.keyboard.press("Control+Shift+z")
    expect(lab.source(2)).to_have_text("x = 40 + 2print(x)")


def test_cells_come_go_and_move_each_step_undone_alone(
    lab: Lab, notebook: Path, vendor: Vendor, server: JupyterServer
) -> None:
    vendor.uses("insert_cell", source="z = 3", after="2")
    vendor.uses("move_cell", cell="2", after="4")
    vendor.uses("delete_cell", cell="1")
    lab.ask()
    sources = lab.notebook.locator(".jp-Notebook-cell .cm-content")
    expect(sources).to_have_text(["z = 3", "y = 2", "x = 1print(x)"])
    assert [result["done"] for result in results(server)] == ["inserted", "moved", "deleted"]
    lab.card("delete_cell").get_by_role("button").first.click()
    expect(lab.card("delete_cell").locator(".jp-mod-removed")).to_have_text("- # Sums\n")
    for count in (4, 4, 3):
        lab.page.evaluate(UNDO)
        expect(lab.notebook.locator(".jp-Notebook-cell")).to_have_count(count)
    expect(lab.source(2)).to_have_text("x = 1print(x)")


def test_who_allows_a_run_has_read_what_runs(lab: Lab, notebook: Path, vendor: Vendor) -> None:
    vendor.uses("read_cell", cell="3")
    vendor.uses("edit_cell", cell="3", source="y = 20", old_source="y = 2")
    vendor.uses("run_cells", cells=["3"])
    lab.begin()
    lab.say("Do it.")
    card = lab.card("edit_cell", "asking")
    expect(card.locator(".jp-mod-added")).to_have_text("+ y = 20\n")
    expect(lab.source(3)).to_have_text("y = 2")
    lab.button("Allow once").click()
    expect(lab.source(3)).to_have_text("y = 20")
    card = lab.card("run_cells", "asking")
    expect(card.locator(".jp-chatd-input")).to_have_text("y = 20")
    lab.button("Deny").click()
    expect(lab.transcript).to_contain_text("That is done.")
    expect(lab.cell(3).locator(".jp-InputPrompt")).to_have_text("[ ]:")


def test_a_plot_is_a_picture_for_the_model(
    lab: Lab, notebook: Path, vendor: Vendor, fake: FakeVendor, server: JupyterServer
) -> None:
    vendor.uses("insert_cell", source=PLOT, run=True)
    lab.ask("Plot it.")
    expect(lab.cell(4).locator("img")).to_be_visible()
    assert f"data:image/png;base64,{DOT}" in json.dumps(fake.generations[-1].json)
    lab.card("insert_cell", "done").get_by_role("button").first.click()
    expect(lab.card("insert_cell").locator("img")).to_be_visible()
    (ran,) = results(server)
    assert json.loads(ran["text"])["cells"][0]["pictures"] == 1


def test_an_error_and_a_wrong_cell_are_told(
    lab: Lab, notebook: Path, vendor: Vendor, server: JupyterServer
) -> None:
    vendor.uses("insert_cell", source="1 / 0", run=True)
    vendor.uses("edit_cell", cell="9", edits=[{"search": "a", "replace": "b"}])
    vendor.uses("edit_cell", cell="3", source="y = 3", old_source="y = 1")
    lab.ask()
    failed, nowhere, other = results(server)
    assert (failed["success"], failed["cells"][0]["error"]) == (False, "ZeroDivisionError: division by zero")
    assert nowhere["error"].startswith("There is no cell 9: the notebook has 4.")
    assert other["error"].startswith("The cell has another source than old_source")
    expect(lab.card("insert_cell", "failed")).to_be_visible()
    expect(lab.source(3)).to_have_text("y = 2")


def test_stop_interrupts_what_the_agent_runs(
    lab: Lab, notebook: Path, vendor: Vendor, server: JupyterServer
) -> None:
    vendor.uses("insert_cell", source=SLOW, run=True, wait_s=1)
    vendor.uses("read_cell", cell="4", wait_s=200)
    lab.begin()
    lab.choose("Ask", is_on=False)
    lab.say("Run long.")
    expect(lab.card("insert_cell", "failed")).to_be_visible(timeout=RUN_TIME)  # it still ran after a second
    lab.card("read_cell", "running").wait_for()
    lab.stop.click()
    lab.until_at_rest()
    expect(lab.cell(4)).to_contain_text("KeyboardInterrupt")
    assert "It still runs after 1 s." in results(server)[0]["note"]

    vendor.uses("run_cells", cells=["4"], wait_s=200)
    lab.say("Run it again.")
    expect(lab.cell(4)).not_to_contain_text("KeyboardInterrupt")
    expect(lab.cell(4)).to_contain_text("tick 1")
    lab.stop.click()
    expect(lab.cell(4)).to_contain_text("KeyboardInterrupt")


def test_stop_leaves_alone_what_the_user_runs(
    lab: Lab, notebook: Path, vendor: Vendor, server: JupyterServer
) -> None:
    cells = [new_code_cell(SLOW), new_code_cell("y = 2")]
    lab.page.evaluate(RESET, new_notebook(cells=cells, metadata=KERNEL))
    prompt = lab.cell(1).locator(".jp-InputPrompt")
    while "*" not in prompt.inner_text():  # before there is a kernel, running is lost
        lab.cell(1).locator(".jp-InputArea-editor").click()
        lab.page.keyboard.press("Control+Enter")
        lab.page.wait_for_timeout(1000)
    expect(lab.cell(1)).to_contain_text("tick 1")
    vendor.uses("run_cells", cells=["2"], wait_s=200)
    lab.begin()
    lab.choose("Ask", is_on=False)
    lab.say("Run the other one.")
    lab.card("run_cells", "running").wait_for()
    expect(lab.cell(2).locator(".jp-InputPrompt")).to_have_text("[*]:")
    lab.stop.click()
    lab.until_at_rest()
    ticks = lab.cell(1).inner_text().count("tick")
    expect(lab.cell(1)).to_contain_text(f"tick {ticks + 5}\n")
    expect(lab.cell(1)).not_to_contain_text("KeyboardInterrupt")
    lab.page.evaluate(INTERRUPT)
    expect(lab.cell(1)).to_contain_text("KeyboardInterrupt")


def test_what_a_step_has_changed_it_does_not_run(
    lab: Lab, notebook: Path, vendor: Vendor, server: JupyterServer
) -> None:
    """Who allowed the run has seen the cell as it was before the step."""
    edit = {"cell": "3", "source": "y = 30", "old_source": "y = 2"}
    vendor.answers.append([call("edit_cell", edit), call("run_cells", {"cells": ["3"]})])
    lab.ask()
    edited, refused = results(server)
    assert edited["done"] == "edited"
    assert refused["error"].startswith("Cell 3 is another one since the user was asked")
    expect(lab.source(3)).to_have_text("y = 30")
    expect(lab.cell(3).locator(".jp-InputPrompt")).to_have_text("[ ]:")


def test_variables_are_told_and_none_is_made(
    lab: Lab, notebook: Path, vendor: Vendor, server: JupyterServer
) -> None:
    vendor.uses("run_cells", cells=["2", "3"])
    vendor.uses("notebook_variables")
    vendor.uses("restart_notebook_kernel")
    vendor.uses("notebook_variables")
    lab.ask()
    _, before, restarted, after = results(server)
    told = {one["name"]: (one["type"], one["value"]) for one in before["variables"]}
    assert (told["x"], told["y"]) == (("int", "1"), ("int", "2"))
    assert (restarted["done"], after["variables"]) == ("restarted", [])


def test_the_notebook_is_the_one_that_was_in_front_when_it_was_asked(
    lab: Lab, notebook: Path, vendor: Vendor, server: JupyterServer
) -> None:
    other = notebook.with_name("other.ipynb")
    save_notebook(other, new_code_cell("other = 1"))
    vendor.uses("list_notebooks")
    vendor.uses("edit_cell", cell="3", edits=[{"search": "2", "replace": "22"}])
    lab.begin()
    lab.say("Do it.")
    lab.card("edit_cell", "asking").wait_for()
    lab.open_file(other.name)  # a second notebook in front
    expect(lab.source(1)).to_have_text("other = 1")
    lab.page.reload()
    lab.page.locator(".jp-NotebookPanel").first.wait_for(timeout=RUN_TIME)
    lab.root.get_by_role("list", name="Chats").get_by_role("button").first.click(timeout=RUN_TIME)
    lab.button("Allow once").click()
    expect(lab.transcript).to_contain_text("That is done.")
    listed, edited = results(server)
    pinned = [one["path"] for one in listed["notebooks"] if one.get("in_front_when_asked")]
    assert (pinned, edited["path"]) == ([notebook.name], notebook.name)
    lab.card("edit_cell").get_by_role("button").first.click()
    lab.card("edit_cell").get_by_role("button", name="Show cell").click()
    expect(lab.source(3)).to_have_text("y = 22")


def test_a_closed_notebook_is_changed_unless_somebody_else_does(
    lab: Lab, vendor: Vendor, server: JupyterServer
) -> None:
    path = server.dirs.work / "closed.ipynb"
    save_notebook(path, new_code_cell("a = 1"), new_code_cell("b = 1"))
    edit = {"path": "closed.ipynb", "cell": "1", "edits": [{"search": "1", "replace": "2"}]}
    vendor.uses("read_notebook", path=f"{server.dirs.work}/closed.ipynb")
    vendor.uses("edit_cell", **edit)
    vendor.uses("run_cells", path="closed.ipynb", cells=["1"])
    lab.ask()
    seen, edited, ran = results(server)
    assert (seen["is_open"], seen["path"], edited["done"]) == (False, "closed.ipynb", "edited")
    assert ran["error"].startswith("closed.ipynb is not open in JupyterLab.")
    assert [cell.source for cell in read(path, as_version=4).cells] == ["a = 2", "b = 1"]

    def meanwhile(route: Route) -> None:
        save_notebook(path, new_code_cell("a = 1"), new_code_cell("b = 'mine'"))
        route.continue_()

    lab.page.route("**/api/contents/closed.ipynb?*content=0*", meanwhile)
    save_notebook(path, new_code_cell("a = 1"), new_code_cell("b = 1"))
    vendor.uses("edit_cell", **edit)
    lab.ask()
    lab.page.unroute_all()
    (refused,) = results(server)
    assert refused["error"].startswith("The notebook was changed by somebody else just now")
    assert [cell.source for cell in read(path, as_version=4).cells] == ["a = 1", "b = 'mine'"]


def test_a_notebook_is_opened_in_front(
    lab: Lab, notebook: Path, vendor: Vendor, server: JupyterServer
) -> None:
    save_notebook(server.dirs.work / "opened.ipynb", new_code_cell("o = 1"))
    vendor.uses("open_notebook", path="none.ipynb")
    vendor.uses("open_notebook", path="opened.ipynb")
    vendor.uses("run_cells", path="opened.ipynb", cells=["1"])
    lab.ask("Open it and run it.")
    expect(lab.source(1)).to_have_text("o = 1")
    expect(lab.cell(1).locator(".jp-InputPrompt")).to_have_text("[1]:")
    missing, opened, ran = results(server)
    assert missing["error"].startswith("none.ipynb cannot be opened: ")
    assert (opened["done"], opened["cells_in_all"], ran["success"]) == ("opened", 1, True)
    lab.card("open_notebook", "done").get_by_text("Open opened.ipynb").wait_for()


def test_a_notebook_is_created_in_front_and_replaces_nothing(
    lab: Lab, notebook: Path, vendor: Vendor, server: JupyterServer
) -> None:
    made = server.dirs.work / "made.ipynb"
    made.unlink(missing_ok=True)
    vendor.uses("create_notebook", path=notebook.name)
    vendor.uses("create_notebook", path="nowhere/made.ipynb")
    vendor.uses("create_notebook", path="made.ipynb", kernel="cobol")
    vendor.uses("create_notebook", path="made.ipynb", kernel="python3")
    vendor.uses("edit_cell", path="made.ipynb", cell="1", source="m = 6 * 7", old_source="")
    vendor.uses("insert_cell", path="made.ipynb", source="print(m)")
    vendor.uses("run_cells", path="made.ipynb", cells=["1", "2"])
    vendor.uses("read_cell", cell="3")  # without a path it means what was in front when it was asked
    lab.ask("A new notebook.")
    sources = lab.notebook.locator(".jp-Notebook-cell .cm-content")
    expect(sources).to_have_text(["m = 6 * 7", "print(m)"])
    expect(lab.cell(2).locator(".jp-OutputArea-output")).to_have_text("42\n")
    taken, nowhere, unknown, created, *_, ran, seen = results(server)
    assert taken["error"] == "sums.ipynb is open already: give a name that is free."
    assert nowhere["error"].startswith("There is no folder nowhere: ")
    assert unknown["error"] == "kernel: expected one of python3; came cobol."
    assert (created["path"], created["done"], created["kernel"]) == ("made.ipynb", "created", "python3")
    assert (ran["success"], seen["path"], seen["source"]) == (True, "sums.ipynb", "y = 2")
    assert read(made, as_version=4).metadata.kernelspec.name == "python3"
    card = lab.card("create_notebook", "done")
    card.get_by_text("Create made.ipynb").click()
    expect(card.locator(".jp-chatd-cardBody")).to_have_text("made.ipynbShow cellKernel: python3")


def test_a_chat_that_plans_creates_no_notebook(
    lab: Lab, notebook: Path, vendor: Vendor, server: JupyterServer
) -> None:
    vendor.uses("create_notebook", path="planned.ipynb")
    lab.begin()
    lab.choose("Plan", is_on=True)
    lab.say("Plan it.")
    expect(lab.transcript).to_contain_text("That is done.")
    lab.until_at_rest()
    (refused,) = results(server)
    assert "create_notebook" in refused["error"]
    assert not (server.dirs.work / "planned.ipynb").exists()


def test_a_queued_message_means_the_notebook_that_was_in_front_when_it_was_sent(
    lab: Lab, notebook: Path, vendor: Vendor, server: JupyterServer
) -> None:
    save_notebook(server.dirs.work / "later.ipynb", new_code_cell("later = 1"))
    slow = call("execute", {"command": "sleep 300", "timeout": "10m"})
    vendor.answers += [[slow], [call("edit_cell", {"cell": "3", "source": "y = 5", "old_source": "y = 2"})]]
    lab.begin()
    lab.choose("Ask", is_on=False)
    lab.say("First.")
    lab.card("execute", "running").wait_for()
    lab.say("Change it.")
    expect(lab.queue).to_have_count(1)
    lab.open_file("later.ipynb")
    expect(lab.source(1)).to_have_text("later = 1")
    lab.queue.get_by_role("button", name="Send now").click()
    expect(lab.transcript).to_contain_text("That is done.")
    assert results(server)[-1]["path"] == notebook.name
    expect(lab.source(1)).to_have_text("later = 1")


def test_of_two_pages_one_runs_a_call(
    lab: Lab, notebook: Path, vendor: Vendor, server: JupyterServer, browser: Browser
) -> None:
    second = Lab(browser.new_page(), server)
    second.open_lab()
    second.open_file(notebook.name)
    for number in range(3):
        vendor.uses("insert_cell", source=f"n{number} = 1")
    lab.begin()
    lab.say("Three cells.")
    lab.card("insert_cell", "asking").wait_for()
    second.root.get_by_role("list", name="Chats").get_by_role("button").first.click()
    allow = second.button("Allow all insert_cell calls in this chat")
    covered = "Allow all: every notebook and cell, whatever is written there, and running it."
    expect(allow).to_have_accessible_description(covered)
    expect(second.card("insert_cell", "asking").first).to_contain_text(covered)
    allow.click()
    expect(lab.transcript).to_contain_text("That is done.")
    expect(second.transcript).to_contain_text("That is done.")
    expect(lab.notebook.locator(".jp-Notebook-cell")).to_have_count(6)
    expect(second.notebook.locator(".jp-Notebook-cell")).to_have_count(3)
    assert all("done" in result for result in results(server))
    second.page.close()


def test_a_page_that_closes_ends_the_waiting(
    lab: Lab, notebook: Path, vendor: Vendor, server: JupyterServer, browser: Browser
) -> None:
    second = Lab(browser.new_page(), server)
    second.open_lab()
    second.open_file(notebook.name)
    vendor.uses("insert_cell", source=SLOW, run=True, wait_s=200)
    second.choose("Ask", is_on=False)
    second.say("Run long.")
    second.card("insert_cell", "running").wait_for()
    expect(second.cell(4)).to_contain_text("tick 1")
    second.page.close(run_before_unload=False)
    lab.begin()
    lab.root.get_by_role("list", name="Chats").get_by_role("button").first.click()
    expect(lab.transcript).to_contain_text("That is done.")
    (lost,) = results(server)
    assert lost["error"].startswith("The page of JupyterLab that ran this was closed")
    vendor.uses("interrupt_notebook_kernel")
    lab.say("Interrupt it.")
    lab.card("interrupt_notebook_kernel", "done").wait_for()


def test_the_chat_may_be_out_of_sight(
    lab: Lab, notebook: Path, vendor: Vendor, server: JupyterServer
) -> None:
    vendor.answers.append([say("First."), call("execute", {"command": "sleep 3"})])
    vendor.uses("edit_cell", cell="3", edits=[{"search": "2", "replace": "23"}])
    lab.begin()
    lab.choose("Ask", is_on=False)
    lab.say("Do it.")
    lab.card("execute", "running").wait_for()
    lab.button("All chats").click()
    expect(lab.source(3)).to_have_text("y = 23")


def test_the_demo_model_knows_sentences_for_it(lab: Lab, notebook: Path, server: JupyterServer) -> None:
    lab.begin()
    lab.root.get_by_label("Model").select_option("demo:demo")
    lab.choose("Ask", is_on=False)
    lab.say('replace "x = 1" with "x = 7" in cell 2 and run it then look at cell 2')
    expect(lab.cell(2).locator(".jp-OutputArea-output")).to_have_text("7\n")
    lab.until_at_rest()
    assert [result.get("output") for result in results(server)] == [None, "7"]
    lab.button("All chats").click()
    lab.root.get_by_label("Model").select_option("openai:fake-model")


def test_in_notebook_7(lab: Lab, vendor: Vendor, server: JupyterServer, browser: Browser) -> None:
    other = Lab(browser.new_page(), server)
    other.open_notebook()
    vendor.uses("edit_cell", cell="1", edits=[{"search": "1", "replace": "5"}], run=True)
    other.ask()
    expect(other.notebook.locator(".cm-content").first).to_have_text("x = 5")
    (ran,) = results(server)
    assert (ran["success"], ran["path"]) == (True, "page.ipynb")
    other.page.close()


def attached(lab: Lab) -> Locator:
    """What goes with the message that is being written."""
    return lab.root.get_by_role("list", name="Attached files").get_by_role("listitem")


def drag(page: Page, what: Locator, where: Locator) -> None:
    """Drag as a hand does, in many small moves: JupyterLab follows the pointer itself."""
    what.hover()
    page.mouse.down()
    box = where.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 40, box["y"] + 10, steps=20)
    page.mouse.move(box["x"] + 45, box["y"] + 12, steps=5)
    page.mouse.up()


def discard(lab: Lab) -> None:
    """Take back what is attached."""
    while attached(lab).count():
        attached(lab).first.get_by_role("button").click()
    lab.input.fill("")


def test_files_are_referred_to_by_typing_their_names(lab: Lab, notebook: Path, server: JupyterServer) -> None:
    folder = server.dirs.work / "tables"
    folder.mkdir()
    for name in ("prices.csv", "old-prices.csv", "notes.md"):
        (folder / name).write_text("a,b\n")
    lab.begin()
    lab.choose("Ask", is_on=False)
    lab.input.press_sequentially("read @tab")
    options = lab.root.get_by_role("listbox", name="Files").get_by_role("option")
    expect(options).to_have_text(["tables/"])
    lab.input.press("Tab")
    expect(options).to_have_text(["notes.md", "old-prices.csv", "prices.csv"])
    lab.input.press_sequentially("pri")
    expect(options).to_have_text(["prices.csv", "old-prices.csv"])
    lab.input.press("ArrowDown")
    lab.input.press("ArrowUp")
    chosen = lab.input.get_attribute("aria-activedescendant")
    expect(options.nth(0)).to_have_id(chosen or "")
    lab.input.press("Enter")
    expect(lab.input).to_have_value("read `tables/prices.csv` ")
    expect(attached(lab)).to_have_text(["prices.csv"])
    lab.input.press_sequentially("@x")
    lab.input.press("Escape")
    expect(options).to_have_count(0)
    lab.input.press("Enter")
    expect(lab.transcript).to_contain_text("tables/prices.csv")
    lab.until_at_rest()


def test_files_of_the_browser_are_dropped_onto_the_input(
    lab: Lab, notebook: Path, server: JupyterServer
) -> None:
    (server.dirs.work / "drop.csv").write_text("a,b\n")
    (server.dirs.work / "drop.png").write_bytes(base64.b64decode(DOT))
    lab.begin()
    lab.page.evaluate(SHOW_FILES)
    lab.page.get_by_role("button", name="Refresh the file browser.").click()
    for name in ("drop.csv", "drop.png"):
        drag(lab.page, lab.page.locator(".jp-DirListing-item").get_by_text(name), lab.input)
    expect(attached(lab)).to_have_text(["drop.csv", "drop.png"])
    expect(lab.root.get_by_role("img", name="Uploading")).to_have_count(0)
    discard(lab)


def test_outputs_and_selections_are_attached_from_the_menu_of_a_cell(
    lab: Lab, notebook: Path, vendor: Vendor
) -> None:
    vendor.uses("insert_cell", source=f"print('beside')\n{PLOT}", run=True)
    lab.ask()
    lab.begin()
    lab.cell(4).locator(".jp-OutputArea-output").first.click(button="right")
    lab.page.get_by_text("Attach Output to the Chat").click()
    expect(attached(lab)).to_have_text(["output of sums.ipynb, cell 4", "output-2.png"])
    discard(lab)
    lab.source(3).dblclick()
    lab.page.keyboard.press("Control+a")
    lab.source(3).click(button="right")
    lab.page.get_by_text("Ask the Agent About the Selection").click()
    expect(attached(lab)).to_have_text(["selection in sums.ipynb, cell 3"])
    discard(lab)
