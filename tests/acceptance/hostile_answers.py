"""Answers of a model that would like to run, fetch, or look like the page."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

HTML = """
<script>window.hacked = 1</script><img src=x onerror="window.hacked = 1">
<svg onload="window.hacked = 1"><image href="https://evil.example/1"/></svg>
<iframe src="https://evil.example/2" srcdoc="<script>top.hacked = 1</script>"></iframe>
<object data="https://evil.example/3"></object><embed src="https://evil.example/4">
<style>body { background: url(https://evil.example/5) } * { display: none }</style>
<link rel=stylesheet href="https://evil.example/6"><meta http-equiv=refresh content="0;url=https://evil.example/7">
<base href="https://evil.example/"><form action="https://evil.example/8"><button>send</button></form>
<video poster="https://evil.example/9"></video><audio src="https://evil.example/10" autoplay></audio>
<div style="position:fixed;inset:0;background:url(https://evil.example/11)" id="main">cover</div>
<input type=image src="https://evil.example/12"><table background="https://evil.example/13"><tr><td>cell</table>
<a href="javascript:window.hacked=1">one</a> <a href="data:text/html,<script>1</script>">two</a>
<a href="jav&#x09;ascript:window.hacked=1">three</a> <a href="//evil.example" ping="https://evil.example/14">four</a>

And *so* on.
"""
WORDS = """
![a](https://evil.example/15) ![b](//evil.example/16 "t") [c](javascript:window.hacked=1) [d](vbscript:x)
![e](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9ImFsZXJ0KDEpIi8+) <https://evil.example/17>

$\\href{javascript:window.hacked=1}{x}$ $\\style{background:url(https://evil.example/18)}{y}$
$\\href{https://evil.example/20}{f}$ $\\href{/lab/tree?reset}{g}$
$\\class{jp-Dialog}{z}$ $\\cssId{main}{w}$ $\\require{html}\\unicode{<img src=x onerror=window.hacked=1>}$

$$\\def\\x{\\x\\x}\\x$$

```mermaid
graph TD; A["<img src='https://evil.example/19' onerror='window.hacked=1'>"] --> B
click B "javascript:window.hacked=1"
```

```mermaid
graph TD; C[a diagram] --> D
```

```html
<script>window.hacked = 1</script>
```

And *so* on.
"""


def expect_checked_formulas(shown: Locator) -> None:
    """The formulas of `WORDS` are set: one has a link to another site, and says so; the others have none."""
    link = shown.locator("mjx-container a[href]")
    expect(link).to_have_attribute("rel", "noopener noreferrer")
    assert (link.get_attribute("href"), link.get_attribute("target")) == ("https://evil.example/20", "_blank")
    expect(shown).to_contain_text("(evil.example)")
