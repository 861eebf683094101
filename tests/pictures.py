"""Takes the pictures of panel, widgets and notebooks in docs/, light and dark. Run by hand; look at them.

    python tests/pictures.py            all
    python tests/pictures.py panel      those of the panel; or `cells` (and notebooks), `desktop`

The front end must be built (`make bundle`). All is real but the model, which is a fake on the wire.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import nbformat
from acceptance.browser import (
    NO_PREFERENCE,
    Panel,
    started_browser,
    with_front_end,
)
from acceptance.cells import NotebookPage
from acceptance.chats import Chats
from acceptance.desktop_view import View, without_browsers
from acceptance.notebooks import without_outputs
from acceptance.vendor import Vendor
from fakes.openai_server import FakeOpenAI
from fakes.steps import Search, call, say, wait
from fakes.threaded import in_thread
from playwright.sync_api import Browser, Locator, Page, expect
from servers import ROOT, Dirs, JupyterServer

DOCS = ROOT / "docs"
FOLDER = Path("/home/ada/penguins")  # as cards show it; is made, and removed at the end
MODEL = "gpt-5.4"
SETTINGS = {"JupyterChatd": {"generate_titles": False, "default_model": f"openai:{MODEL}"}}
PANEL_WINDOW = (1300, 880)
CELL_WINDOW = (900, 900)
BOOK_WINDOW = (960, 845)
DESK_WINDOW = (1250, 720)
WIDER = 80  # pixels that the panel gets on top of its first width
STILL = 1000  # ms until colours have changed and pictures are drawn
TYPED = 8000  # ms that the agent needs to write in its terminal
AT_WORK = wait(3600)
CHANGE_THEME = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"
EXPOSED = ("--LabApp.expose_app_in_browser=True",)

SIZES = "island,species,count\nTorgersen,Adelie,52\nBiscoe,Gentoo,124\nDream,Chinstrap,68\n"
FIT = """import time

for fold, score in enumerate((0.91, 0.88, 0.93), 1):
    print(f"fold {fold}: {score}", flush=True)
time.sleep(3600)
"""
PLOT = """import pandas as pd

df = pd.read_csv("sizes.csv")
print(df["count"].sum(), "penguins")
df.plot.bar("species", rot=0, legend=False);"""
PLAN = """# Report on the penguins

1. Read `sizes.csv` and check it for gaps.
2. Plot counts by island, one bar for each species.
3. Write `report.md` with the plot and three sentences.

Nothing else is changed.
"""
DESK_TASK = """\
open the desktop and wait 2 seconds, type "ls /usr", press Return and wait 30 seconds, look at the screen"""
CHAT_CELL = """from jupyter_chatd import Chat

chat = Chat("Which files here are larger than 1 MB?")
chat"""
PARTS_CELL = """import ipywidgets
from jupyter_chatd import Chat, widgets

chat = Chat("Clean the table in orders.csv", approvals="ask")
parts = widgets.Approval(chat), widgets.ToolCalls(chat), widgets.AgentTree(chat)
ipywidgets.VBox(parts)"""


class User(Dirs):
    """A user whose folder may be seen."""

    @property
    def work(self) -> Path:
        return FOLDER


@dataclass(frozen=True, slots=True)
class Studio:
    """Where pictures are taken."""

    browser: Browser
    server: JupyterServer
    vendor: Vendor

    def page(self, size: tuple[int, int]) -> Page:
        return self.browser.new_page(viewport={"width": size[0], "height": size[1]})

    def newest_chat(self) -> str:
        """The id of the chat that was begun last."""
        url, headers = self.server.chats_url, self.server.headers
        return httpx.get(url, headers=headers, params={"limit": 1}).raise_for_status().json()[0]["id"]


@contextmanager
def opened_studio() -> Iterator[Studio]:
    FOLDER.mkdir(parents=True)
    write_files()
    try:
        with tempfile.TemporaryDirectory() as folder, in_thread(FakeOpenAI(vendor := Vendor())) as fake:
            env = {**NO_PREFERENCE, "OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": fake.base_url}
            env |= without_browsers(Path(folder) / "programs")
            dirs = with_front_end(User(Path(folder)).make())
            with (
                JupyterServer(dirs, env=env, settings=SETTINGS, args=EXPOSED) as server,
                started_browser() as browser,
            ):
                yield Studio(browser, server, vendor)
    finally:
        shutil.rmtree(FOLDER)


def write_files() -> None:
    (FOLDER / "sizes.csv").write_text(SIZES)
    (FOLDER / "matplotlibrc").write_text("figure.figsize: 3.4, 0.9\n")
    (FOLDER / "fit.py").write_text(FIT)
    (FOLDER / "clean.py").write_text("def clean(df):\n    return df.dropna()\n")
    (FOLDER / "orders.csv").write_text("id,euros\n1,20\n2,35\n2,35\n")
    (FOLDER / "survey.csv").write_bytes(b"1,2,3,4\n" * 300_000)


def shoot(page: Page, shown: Locator | Page, name: str, *, above: Locator | None = None) -> None:
    """Take the picture in both themes, scrolled until *above* and what is over it are seen."""
    for theme in ("Light", "Dark"):
        page.evaluate(CHANGE_THEME, f"JupyterLab {theme}")
        expect(page.locator(f'body[data-jp-theme-name="JupyterLab {theme}"]')).to_have_count(1)
        page.mouse.move(0, 0)  # shows no hint and no button there
        page.wait_for_timeout(STILL)
        if above:
            above.evaluate("element => element.scrollIntoView(false)")
            page.wait_for_timeout(STILL)
        shown.screenshot(path=DOCS / f"{name}-{theme.lower()}.png", animations="disabled")


# The panel


def take_panel(studio: Studio) -> None:
    """The list comes last and shows what the others began."""
    panel = Panel(studio.page(PANEL_WINDOW), studio.server)
    panel.open_lab()
    widen(panel)
    for name, scene in PANEL_SCENES.items():
        panel.begin()
        panel.choose("Ask", is_on=False)
        scene(panel, studio)
        shoot(panel.page, panel.root, name)
    panel.page.close()


def widen(panel: Panel) -> None:
    box = panel.root.bounding_box()
    assert box is not None
    edge, mouse = box["x"] - 2, panel.page.mouse
    mouse.move(edge, 400)
    mouse.down()
    mouse.move(edge - WIDER, 400, steps=5)
    mouse.up()


def show_cards(panel: Panel, studio: Studio) -> None:
    change = {"search": "    return df.dropna()", "replace": "    return df.dropna(subset=['species'])"}
    source = "https://allisonhorst.github.io/palmerpenguins/"
    answer = "Rows without a species are dropped now; the others stay."
    studio.vendor.answers += [
        [call("read_file", {"path": str(FOLDER / "sizes.csv")})],
        [call("execute_code", {"code": PLOT})],
        [call("edit_files", {"files": [{"path": str(FOLDER / "clean.py"), "edits": [change]}]})],
        [Search(query="penguins", url=source, title="palmerpenguins", text=answer)],
    ]
    panel.say("Which species are there? Keep rows that only lack a size.")
    expect(panel.transcript).to_contain_text(answer)
    panel.until_at_rest()
    for tool in ("read_file", "execute_code", "edit_files"):
        open_card(panel.card(tool))
    panel.transcript.evaluate("all => all.scrollTo(0, all.scrollHeight)")


def open_card(card: Locator) -> None:
    header = card.locator(".jp-chatd-cardHeader").first
    if header.get_attribute("aria-expanded") == "false":
        header.click()


def show_plan(panel: Panel, studio: Studio) -> None:
    panel.choose("Plan", is_on=True)
    studio.vendor.answers += [
        [call("read_file", {"path": str(FOLDER / "sizes.csv")})],
        [say("One table, no gaps. By island?")],
    ]
    panel.say("Plan a report on the penguins")
    expect(panel.transcript).to_contain_text("By island?")
    panel.until_at_rest()
    path = str(FOLDER / f".agents/plans/{studio.newest_chat()}.md")
    studio.vendor.answers += [
        [call("write_file", {"path": path, "content": PLAN})],
        [call("propose_plan", {})],
    ]
    panel.say("Yes, by island")
    panel.button("Approve plan").wait_for()
    panel.until_at_rest()


def show_tree(panel: Panel, studio: Studio) -> None:
    tasks = {
        "Read the survey of 2007": "Count rows and gaps in 2007.",
        "Read the survey of 2008": "Count rows and gaps in 2008.",
        "Check the sources": "Compare both with their sources.",
    }
    spawned = [call("spawn_agent", {"type": "general", "title": a, "prompt": b}) for a, b in tasks.items()]
    done, *at_work = tasks.values()
    studio.vendor.always |= {done: [say("344 rows, 11 without a size.")]} | {
        task: [AT_WORK] for task in at_work
    }
    studio.vendor.answers += [[say("Three subagents look at it."), *spawned], [AT_WORK]]
    panel.say("Compare the surveys")
    panel.root.get_by_text("3 subagents, 2 at work").click()


def show_work(panel: Panel, studio: Studio) -> None:
    task = "Find out who counted in 2008."
    studio.vendor.always[task] = [AT_WORK]
    studio.vendor.answers += [
        [
            say("A subagent reads the notes; meanwhile I fit the model."),
            call("spawn_agent", {"type": "explore", "title": "Read the notes", "prompt": task}),
            call("execute", {"command": "python fit.py", "timeout": "2h"}),
        ]
    ]
    panel.say("Fit the model. Who counted in 2008?")
    expect(panel.card("execute", "running")).to_contain_text("fold 3")
    panel.say("Then plot the residuals")
    expect(panel.queue).to_have_count(1)


def show_approval(panel: Panel, studio: Studio) -> None:
    panel.choose("Ask", is_on=True)
    studio.vendor.answers += [
        [say("Three files are older than a year."), call("execute", {"command": "rm -v logs/2024-*.txt"})]
    ]
    panel.say("Remove old logs")
    panel.button("Allow once").wait_for()


def show_list(panel: Panel, _: Studio) -> None:
    panel.root.get_by_text("1 subagent that is done").click()


PANEL_SCENES = {
    "panel-cards": show_cards,
    "panel-plan": show_plan,
    "panel-tree": show_tree,
    "panel-approval": show_approval,
    "panel": show_work,
    "panel-list": show_list,
}


# Cells


def take_cells(studio: Studio) -> None:
    take_notebook(studio, "quickstart", cells=(0, 1), shown=0)
    take_notebook(studio, "subagents", cells=(0, 2, 3, 4), shown=4)
    book = NotebookPage(studio.page(CELL_WINDOW), studio.server, "orders")
    book.open(CHAT_CELL, PARTS_CELL)
    hide_what_is_beside(book.page)
    for cell, (name, scene) in enumerate({"widgets": show_chat, "widgets-parts": show_parts}.items()):
        scene(book, studio)
        shoot(book.page, book.page.locator(".jp-Notebook .jp-CodeCell").nth(cell), name)
    book.page.close()


def hide_what_is_beside(page: Page) -> None:
    """Leave what is in the middle all of the width, and nothing that lies over it."""
    page.locator('[data-id="filebrowser"]').first.click()
    page.add_style_tag(content=".jp-cell-toolbar, .Toastify { display: none }")


def show_chat(book: NotebookPage, studio: Studio) -> None:
    studio.vendor.answers += [
        [call("execute", {"command": "find . -size +1M -printf '%f %k KB\\n'"})],
        [say("One: `survey.csv` has 2.4 MB.")],
    ]
    output = book.run(0)
    expect(output).to_contain_text("2.4 MB")
    open_card(output)


def show_parts(book: NotebookPage, studio: Studio) -> None:
    task = "Find rows that are there twice."
    studio.vendor.always[task] = [AT_WORK]
    studio.vendor.answers += [
        [
            call("read_file", {"path": str(FOLDER / "orders.csv")}),
            call("spawn_agent", {"type": "general", "title": "Find duplicates", "prompt": task}),
        ],
        [call("execute", {"command": "cp orders.csv orders-before.csv"})],
    ]
    output = book.run(1)
    expect(output.get_by_text("Allow once")).not_to_have_count(0)
    expect(output).to_contain_text("Find duplicates")


def take_notebook(studio: Studio, name: str, *, cells: tuple[int, ...], shown: int) -> None:
    """Take a window in which one of the notebooks has run as far as these cells."""
    book = NotebookPage(studio.page(BOOK_WINDOW), studio.server, name)
    nbformat.write(without_outputs(ROOT / "notebooks" / f"{name}.ipynb"), book.path)
    book.load()
    hide_what_is_beside(book.page)
    book.finish(*cells)
    cell = book.page.locator(".jp-Notebook .jp-CodeCell").nth(shown)
    shoot(book.page, book.page, name, above=cell)
    book.page.close()


# The desktop


def take_desktop(studio: Studio) -> None:
    """Here the demo model is at work, which knows what to do on a desktop."""
    (studio.server.dirs.home / ".bashrc").write_text("PS1='ada@lab:~$ '\n")
    panel = Panel(studio.page(DESK_WINDOW), studio.server)
    panel.open_lab()
    hide_what_is_beside(panel.page)
    with Chats(studio.server) as chats:
        chats.begin(DESK_TASK, title="Look around")
    panel.root.get_by_role("list", name="Chats").get_by_text("Look around").click()
    panel.button("Open the desktop").click()
    view = View(panel.page.locator("#jp-main-dock-panel"))
    view.until_it_shows_a_terminal()
    panel.page.wait_for_timeout(TYPED)
    shoot(panel.page, panel.page, "desktop")
    panel.page.close()


TAKEN = {"panel": take_panel, "cells": take_cells, "desktop": take_desktop}


def main(names: list[str]) -> None:
    for name in names or TAKEN:
        with opened_studio() as studio:
            TAKEN[name](studio)


if __name__ == "__main__":
    main(sys.argv[1:])
