"""Tables from HTML to Markdown, which both models and people read."""

from __future__ import annotations

from html.parser import HTMLParser

_ROWS = 200
_CELL = 200  # characters
_HTML = 512 * 1024  # characters: a longer text takes the loop too long


def markdown_of(html: str) -> str | None:
    """Return the one table of *html* as Markdown, with the words around it; `None` when there is not one."""
    if html.count("<table") != 1 or len(html) > _HTML:
        return None
    parser = _TableParser()
    parser.feed(html)
    parser.close()
    rows = [row for row in parser.rows if row]
    if not rows:
        return None
    width = max(map(len, rows))
    lines = [_line(row, width) for row in rows[:_ROWS]]
    lines.insert(1, "|" + " --- |" * width)
    if len(rows) > _ROWS:
        lines.append(f"({len(rows) - _ROWS} more rows)")
    after = " ".join(" ".join(parser.outside).split())
    return "\n".join([*lines, *(["", after] if after else [])]) + "\n"


def _line(cells: list[str], width: int) -> str:
    padded = [*cells, *[""] * (width - len(cells))]
    return "| " + " | ".join(padded) + " |"


class _TableParser(HTMLParser):
    """Collects the cells of each row, and the text outside."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.rows: list[list[str]] = []
        self.outside: list[str] = []
        self._cell: list[str] | None = None
        self._span = 1
        self._is_inside = False
        self._is_muted = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        match tag:
            case "table":
                self._is_inside = True
            case "tr":
                self._end_cell()
                self.rows.append([])
            case "td" | "th":
                self._end_cell()
                self._cell, self._span = [], _span(dict(attrs).get("colspan"))
            case "style" | "script":
                self._is_muted = True
            case "br" if self._cell is not None:
                self._cell.append(" ")
            case _:
                return

    def handle_endtag(self, tag: str) -> None:
        match tag:
            case "td" | "th" | "tr":
                self._end_cell()
            case "table":
                self._end_cell()
                self._is_inside = False
            case "style" | "script":
                self._is_muted = False
            case _:
                return

    def handle_data(self, data: str) -> None:
        if self._is_muted:
            return
        if self._cell is not None:
            self._cell.append(data)
        elif not self._is_inside:
            self.outside.append(data)

    def _end_cell(self) -> None:
        if self._cell is None:
            return
        if not self.rows:
            self.rows.append([])
        text = " ".join("".join(self._cell).split()).replace("|", "\\|")
        self.rows[-1] += [text[:_CELL], *[""] * (self._span - 1)]
        self._cell = None


def _span(text: str | None) -> int:
    return min(int(text), 100) if text is not None and text.isdecimal() and text != "0" else 1
