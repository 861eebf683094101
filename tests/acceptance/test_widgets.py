"""Chats in the cells of notebooks, in JupyterLab and in Notebook 7."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import nbformat
import pytest
from acceptance.axe import serious_faults
from acceptance.browser import NO_PREFERENCE, with_front_end
from acceptance.cells import NotebookPage
from acceptance.chats import eventually
from nbconvert import HTMLExporter
from nbformat.sign import NotebookNotary
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Browser, Locator, Page, expect
from servers import ROOT, TOKEN, Dirs, JupyterServer

BEGIN = "from jupyter_chatd import Chat, widgets\nimport ipywidgets\n"
SLOW = "run `for i in 1 2 3 4 5 6 7 8 9; do echo line $i; sleep 1; done` with timeout 60s"
CELLS = (
    BEGIN + 'hello = Chat("say **hello**", model="demo:demo")\nhello',
    f'slow = Chat("{SLOW}", model="demo:demo", approvals="auto")\nslow',
    'asks = Chat("run `echo allowed`", model="demo:demo", approvals="ask")\nwidgets.Approval(asks)',
    """boxed = Chat("run `echo boxed`", model="demo:demo", approvals="auto").wait()
other = ipywidgets.HTML()  # of a package that this page does not have
other._model_module = other._view_module = "not-installed"
ipywidgets.VBox([other, widgets.ToolCalls(boxed), widgets.Chat(hello), widgets.Chat(hello)])""",
    """family = Chat('delegate "say I am a child", then wait for the subagents').wait()
widgets.AgentTree(family)""",
    'widgets.Chat(hello, route="comm")',
    "from jupyter_chatd import __version__\nold = widgets.Chat(hello)\nold._version = '0.0.1'\nold",
    "for _ in range(10): display(widgets.Chat(hello))",
    "widgets.ToolCalls(hello)",
    """worker = Chat("run `echo one` and run `echo two`", model="demo:demo", approvals="ask")
display(widgets.Chat(worker), widgets.Approval(worker), widgets.ToolCalls(worker), widgets.AgentTree(worker))
display(widgets.Desktop(worker))""",
    'keys = Chat("say it is quiet", model="demo:demo", approvals="ask")\nkeys',
    """far = Chat("run `echo far`", model="demo:demo", approvals="ask")
for view in (widgets.Approval, widgets.ToolCalls, widgets.AgentTree, widgets.Desktop):
    display(view(far, route="comm"))""",
    """planned = Chat("say hello", model="demo:demo", approvals="auto", plan=True).wait()
write = 'write "# The *plan*" to .agents/plans/%s.md' % planned.id
planned.send(write + " then call propose_plan with {}").wait()
widgets.Approval(planned)""",
    """kin = Chat('delegate "run `sleep 300` with timeout 600s"', model="demo:demo", approvals="auto").wait()
kin.children[0].send("say it later")
widgets.AgentTree(kin)""",
)
VIEWS = ("Chat", "Approval", "ToolCalls", "AgentTree", "Desktop")
THEMES = ("JupyterLab Light", "JupyterLab Dark", "JupyterLab Dark High Contrast")
MOST_TABS = 40


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    dirs = with_front_end(Dirs(tmp_path_factory.mktemp("widgets")).make())
    with JupyterServer(dirs, env=NO_PREFERENCE) as server:
        yield server


def new_page(browser: Browser) -> Page:
    return browser.new_page(viewport={"width": 1100, "height": 1000})


@pytest.fixture(scope="module")
def notebook(browser: Browser, server: JupyterServer) -> Iterator[NotebookPage]:
    """One notebook in JupyterLab for most tests: each has a cell of its own."""
    notebook = NotebookPage(new_page(browser), server)
    notebook.open(*CELLS)
    widget(notebook.run(0)).wait_for()
    yield notebook
    notebook.page.close()


def widget(output: Locator, view: str = "Chat") -> Locator:
    return output.locator(f'.jp-chatd-widget[data-view="{view}"]')


def say(shown: Locator, text: str) -> None:
    shown.get_by_label("Message to the agent").fill(text)
    shown.get_by_label("Message to the agent").press("Enter")


def tab_to(wanted: Locator, key: str) -> None:
    """Go with the Tab key to a control, which may yet have to come."""
    wanted.wait_for()
    for _ in range(MOST_TABS):
        if wanted.evaluate("one => one === document.activeElement"):
            return
        wanted.page.keyboard.press(key)
    raise AssertionError(f"{wanted} is not reached by {key}")


def test_a_conversation_in_a_cell(notebook: NotebookPage) -> None:
    shown = widget(notebook.output(0))
    expect(shown.locator("strong")).to_have_text("hello")
    expect(shown.get_by_label("Message to the agent")).not_to_be_focused()
    say(shown, "say and *more* from dd, a and b")  # letters that are commands of a notebook
    expect(shown.locator("em").last).to_have_text("more")
    expect(notebook.page.get_by_text("The agent is done: ")).to_have_count(0)  # one sees that it is
    expect(notebook.page.locator(".jp-Notebook .jp-CodeCell")).to_have_count(len(CELLS))


def test_live_output_and_stop_while_a_cell_shows_it(notebook: NotebookPage) -> None:
    shown = widget(notebook.run(1))
    expect(shown.locator(".jp-chatd-output")).to_contain_text("line 1")
    shown.get_by_label("Message to the agent").fill("a draft")
    shown.get_by_label("Stop", exact=True).click()
    expect(shown.get_by_role("log")).to_have_attribute("aria-busy", "false")
    expect(shown).not_to_contain_text("line 9")
    expect(shown.get_by_label("Message to the agent")).to_have_value("a draft")


def test_an_approval(notebook: NotebookPage) -> None:
    shown = widget(notebook.run(2), "Approval")
    shown.get_by_role("button", name="Allow once").click()
    expect(shown).to_contain_text("nothing waits for you")


def test_a_plan_that_waits(notebook: NotebookPage) -> None:
    shown = widget(notebook.run(12), "Approval")
    expect(shown.locator('[data-tool="propose_plan"] em')).to_have_text("plan")
    shown.get_by_role("button", name="Refine").click()
    expect(shown.get_by_label("Message to the agent")).to_be_focused()
    shown.get_by_role("button", name="Approve plan").click()
    expect(shown).to_contain_text("nothing waits for you")


def test_several_widgets_of_one_page_share_bundle_and_connection(notebook: NotebookPage) -> None:
    loaded: list[str] = []
    notebook.page.on("request", note := lambda request: loaded.append(request.url))
    notebook.page.on("websocket", note_socket := lambda socket: loaded.append(socket.url))
    output = notebook.run(3)
    expect(widget(output, "ToolCalls")).to_contain_text("1 tool call")
    expect(widget(output)).to_have_count(2)
    expect(widget(output).last).to_contain_text("hello")
    expect(output.locator(".jupyter-widgets-error-widget")).to_have_count(
        1
    )  # the kernel's box, not what is saved
    notebook.page.remove_listener("request", note)
    notebook.page.remove_listener("websocket", note_socket)
    assert [url for url in loaded if "static/jupyter_chatd" in url] == []
    assert [url for url in loaded if "/stream" in url and "/hello" in url] == []
    assert len([url for url in loaded if "/stream" in url]) <= 1  # of the chat whose calls are shown


def test_a_tree_with_its_child(notebook: NotebookPage) -> None:
    tree = widget(notebook.run(4), "AgentTree")
    tree.get_by_role("list", name=re.compile("Subagents of")).get_by_role("button").first.click()
    expect(tree.locator('[data-kind="text"]').last).to_have_text("I am a child")


def test_a_child_that_is_stopped_in_the_tree_gives_back_what_was_queued(notebook: NotebookPage) -> None:
    tree = widget(notebook.run(13), "AgentTree")
    stop = tree.get_by_role("button", name="Stop run `sleep 300`")
    stop.click()
    expect(tree.get_by_label("Message to the agent")).to_have_value("say it later")
    expect(stop).to_have_count(0)


def test_over_the_comm_alone(notebook: NotebookPage) -> None:
    asked: list[str] = []
    notebook.page.on("request", note := lambda request: asked.append(request.url))
    shown = widget(notebook.run(5))
    expect(shown).to_contain_text("hello")
    say(shown, "say by way of the kernel")
    expect(shown.get_by_role("log")).to_contain_text("by way of the kernel")
    expect(shown.locator('[data-kind="text"]').last).to_have_text("by way of the kernel")
    notebook.page.remove_listener("request", note)
    assert [url for url in asked if "/messages" in url] == []


def test_the_other_widgets_over_the_comm_alone(notebook: NotebookPage) -> None:
    asked: list[str] = []
    notebook.page.on("request", note := lambda request: asked.append(request.url))
    output = notebook.run(11)
    widget(output, "Approval").get_by_role("button", name="Allow once").click()
    expect(widget(output, "Approval")).to_contain_text("nothing waits for you")
    expect(widget(output, "ToolCalls").locator('[data-tool="execute"][data-state="done"]')).to_be_visible()
    widget(output, "AgentTree").get_by_role("button", name="echo far").first.click()
    expect(widget(output, "AgentTree").get_by_role("log")).to_contain_text("far")
    expect(widget(output, "Desktop").get_by_role("status")).to_have_text("The desktop is off.")
    notebook.page.remove_listener("request", note)
    assert [url for url in asked if "/approvals" in url or "/desktop" in url] == []


def test_a_kernel_of_another_version_is_told(notebook: NotebookPage) -> None:
    shown = widget(notebook.run(6))
    expect(shown).to_contain_text("The kernel has jupyter_chatd 0.0.1 and its server")


@pytest.fixture
def elsewhere(server: JupyterServer, tmp_path: Path) -> str:
    """The bundle of a kernel `elsewhere`, whose package is of another build than its server's."""
    package = tmp_path / "jupyter_chatd"
    shutil.copytree(
        ROOT / package.name, package, ignore=shutil.ignore_patterns("labextension", "__pycache__")
    )
    (built,) = (package / "widgets/static").glob("widgets-*.js")
    other = built.rename(built.with_name("widgets-ELSEWHERE.js"))
    other.write_text(f"{other.read_text()}\nglobalThis.drawnBy = 'elsewhere';\n")
    kernel = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Elsewhere",
        "language": "python",
        "env": {"PYTHONPATH": str(tmp_path)},
    }
    spec = server.dirs.data / "kernels/elsewhere/kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(json.dumps(kernel))
    return other.name


def test_a_kernel_of_another_environment_sends_what_draws_its_widgets(
    browser: Browser, server: JupyterServer, elsewhere: str
) -> None:
    page = new_page(browser)
    notebook = NotebookPage(page, server, "elsewhere")
    cells = [new_code_cell(f"{BEGIN}chat = Chat('say **hello**', model='demo:demo')\nchat")]
    spec = {"name": "elsewhere", "display_name": "Elsewhere", "language": "python"}
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": spec}), notebook.path)
    notebook.load()
    with page.expect_response(lambda response: elsewhere in response.url) as asked:
        shown = widget(notebook.run(0))
    assert asked.value.status == 404  # the server has none of that name
    expect(shown.locator("strong")).to_have_text("hello")
    assert page.evaluate("globalThis.drawnBy") == "elsewhere"
    say(shown, "say and *more*")
    expect(shown.locator("em").last).to_have_text("more")
    page.close()


def test_ten_live_widgets_add_little_to_the_file_and_no_token(notebook: NotebookPage) -> None:
    before = len(json.dumps(notebook.save()["cells"]))
    output = notebook.run(7)
    expect(widget(output)).to_have_count(10)
    for place in range(10):
        expect(widget(output).nth(place)).to_contain_text("hello")
    added = len(json.dumps(notebook.save()["cells"])) - before
    assert added < 100_000  # about 19,000
    assert TOKEN not in notebook.path.read_text()


def test_the_first_paint_of_a_warm_page_is_quick(notebook: NotebookPage) -> None:
    took = notebook.time_paint(8, "0 tool calls")
    assert took < 30_000, f"{took:.0f} ms"  # the goal is 300, for `make bench`; here it is busy


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_no_serious_fault_in_any_widget(notebook: NotebookPage, theme: str) -> None:
    output = notebook.run(9)
    for view in VIEWS:
        expect(widget(output, view)).to_have_count(1)
    for view in ("Chat", "Approval", "ToolCalls"):
        expect(widget(output, view).locator('[data-tool="execute"]')).to_have_count(2)
    expect(widget(output, "Desktop").get_by_role("button", name="Start the desktop")).to_be_visible()
    notebook.run_command(f"Use Theme: {theme}")
    expect(notebook.page.locator(f'body[data-jp-theme-name="{theme}"]')).to_have_count(1)
    assert serious_faults(notebook.page, ".jp-chatd-widget") == []


def test_keys_in_a_widget_are_no_commands_of_the_notebook(notebook: NotebookPage) -> None:
    shown = widget(notebook.run(10))
    keys = notebook.page.keyboard
    shown.get_by_label("Message to the agent").click()
    keys.type("run `echo aabbddxx`")
    expect(shown.get_by_label("Message to the agent")).to_have_value("run `echo aabbddxx`")
    keys.press("Enter")
    allow = shown.get_by_role("button", name="Allow once")
    tab_to(allow, "Shift+Tab")
    keys.type("abddxmy00")  # of a button, which takes no letters
    keys.press("ArrowUp")
    before = notebook.path.stat().st_mtime_ns
    keys.press("Control+s")  # but this one is
    eventually(lambda: notebook.path.stat().st_mtime_ns != before)
    expect(notebook.page.locator(".jp-Notebook .jp-CodeCell")).to_have_count(len(CELLS))
    expect(notebook.page.locator(".jp-Dialog")).to_have_count(0)
    expect(allow).to_be_focused()
    keys.press("Enter")
    card = shown.locator('[data-tool="execute"]')
    expect(card).to_have_attribute("data-state", "done")
    shown.get_by_label("Message to the agent").focus()
    tab_to(card.get_by_role("button").first, "Shift+Tab")
    keys.press(" ")
    expect(card.locator(".jp-chatd-output")).to_have_text("aabbddxx")


@pytest.fixture(scope="module")
def saved(notebook: NotebookPage, server: JupyterServer) -> str:
    """The notebook as it was saved, with a chat in cell 0, a box of three in cell 3, and no kernel."""
    expect(widget(notebook.run(3))).to_have_count(2)
    text = json.dumps(notebook.save())
    for session in httpx.get(f"{server.url}api/sessions", headers=server.headers).json():
        httpx.delete(f"{server.url}api/sessions/{session['id']}", headers=server.headers)
    return text


@pytest.fixture
def again(browser: Browser, server: JupyterServer) -> Iterator[NotebookPage]:
    """A page that opens a notebook which was saved."""
    page = new_page(browser)
    yield NotebookPage(page, server, "again")
    page.close()


def place(notebook: NotebookPage, text: str, server: JupyterServer, *, is_trusted: bool = True) -> None:
    """Save a notebook as the user's own, or as somebody else's."""
    notebook.path.write_text(text)
    if is_trusted:
        NotebookNotary(data_dir=str(server.dirs.data)).sign(nbformat.reads(text, as_version=4))


def expect_copies(notebook: NotebookPage, *cells: int) -> None:
    """They can be read, and nothing is live."""
    for cell in cells:
        output = notebook.output(cell)
        expect(output.locator("strong, b").first).to_be_visible()
        expect(output).to_contain_text("done · demo:demo")
        expect(output.locator(".jp-chatd-widget")).to_have_count(0)


def test_saved_chats_are_live_again_without_their_kernel_in_boxes_too(
    again: NotebookPage, saved: str, server: JupyterServer
) -> None:
    place(again, saved, server)
    again.load()
    shown = widget(again.output(0))
    expect(shown).to_contain_text("hello")
    say(shown, "say good morning")
    expect(shown.locator('[data-kind="text"]').last).to_have_text("good morning")
    expect(widget(again.output(3), "ToolCalls")).to_contain_text("1 tool call")
    expect(widget(again.output(3)).last).to_contain_text("good morning")


def test_without_what_draws_the_copy_is_shown_until_a_kernel_sends_it(
    again: NotebookPage, saved: str, server: JupyterServer
) -> None:
    again.page.route("**/static/jupyter_chatd/**", lambda route: route.abort())
    place(again, saved, server)
    again.load()
    expect_copies(again, 0, 3)
    shown = widget(again.output(0)).locator("strong")
    prompt = again.page.locator(".jp-CodeCell .jp-InputPrompt").first
    while not shown.is_visible():  # keys that come too early do nothing
        if "*" not in prompt.inner_text():
            prompt.click()
            again.page.keyboard.press("Control+Enter")
        again.page.wait_for_timeout(5000)
    expect(shown).to_have_text("hello")


def test_other_programs_show_the_copy(saved: str) -> None:
    page, _ = HTMLExporter().from_notebook_node(nbformat.reads(saved, as_version=4))
    assert page.count("done · demo:demo") >= 3  # of cell 0, and of both chats in the box


def test_a_chat_that_the_server_does_not_have_leaves_its_copy(
    again: NotebookPage, saved: str, server: JupyterServer
) -> None:
    content = json.loads(saved)
    (output,) = content["cells"][0]["outputs"]
    output["data"]["application/vnd.jupyter-chatd.widget+json"]["_chat_id"] = str(uuid4())
    place(again, json.dumps(content), server)
    again.load()
    expect(widget(again.output(3))).to_have_count(2)
    expect_copies(again, 0)


def test_somebody_elses_notebook_is_read_with_and_without_the_extension(
    again: NotebookPage, saved: str, server: JupyterServer
) -> None:
    content = json.loads(saved)
    content["cells"].pop()
    place(again, json.dumps(content), server, is_trusted=False)
    again.load()
    expect_copies(again, 0, 3)
    again.page.route("**/extensions/jupyter-chatd/**", lambda route: route.abort())
    again.load()
    expect_copies(again, 0, 3)


def test_a_page_without_anywidget_shows_chats_all_the_same(again: NotebookPage) -> None:
    again.page.route("**/extensions/anywidget/**", lambda route: route.abort())
    again.open(CELLS[0])
    output = again.run(0)
    expect(widget(output).locator("strong")).to_have_text("hello")
    expect(output).not_to_contain_text("javascript error")


def test_in_notebook_7(browser: Browser, server: JupyterServer) -> None:
    notebook = NotebookPage(new_page(browser), server, "seven")
    notebook.open(CELLS[0], CELLS[1], app="notebooks")
    shown = widget(notebook.run(0))
    expect(shown.locator("strong")).to_have_text("hello")
    say(shown, "say more")
    expect(shown.locator('[data-kind="text"]').last).to_have_text("more")
    slow = widget(notebook.run(1))
    expect(slow.locator('[data-tool="execute"]')).to_be_visible()
    slow.get_by_label("Stop", exact=True).click()
    expect(slow.get_by_role("log")).to_have_attribute("aria-busy", "false")
    notebook.page.close()
