"""What axe finds wrong for people who use a page by keyboard or with a screen reader."""

from __future__ import annotations

from playwright.sync_api import Page
from servers import ROOT

from .browser import Panel

AXE = ROOT / "labextension/node_modules/axe-core/axe.min.js"
RUN = """async selector => {
    const {violations} = await axe.run(selector, {resultTypes: ['violations']});
    return violations.filter(({impact}) => impact === 'serious' || impact === 'critical')
        .map(({id, nodes}) => id + nodes.map(node => `\\n${node.html} ${node.failureSummary}`).join(''));
}"""


def serious_faults(page: Page, selector: str) -> list[str]:
    """Return the serious and critical faults of what *selector* finds, all of it that is in the page."""
    assert page.locator(selector).count() > 0, f"{selector} is not in the page"
    if not page.evaluate("'axe' in window"):
        page.add_script_tag(path=AXE)
    return page.evaluate(RUN, selector)


def faults(panel: Panel) -> list[str]:
    """Return the serious and critical faults of the panel."""
    return serious_faults(panel.page, "#jupyter-chatd-panel")
