"""One thing that was looked at, as a line and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import click

from .. import wire


class Level(StrEnum):
    """How good a finding is."""

    FINE = "ok"
    NOTE = "note"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    topic: str
    text: str
    level: Level = Level.FINE

    @property
    def line(self) -> str:
        """`ok      database: …`."""
        return f"{self.level.value:<7} {self.topic}: {self.text}"

    def as_json(self) -> dict[str, str]:
        """The same for programs."""
        return {"topic": self.topic, "level": self.level.value, "text": self.text}


def print_findings(findings: Iterable[Finding], *, as_json: bool) -> bool:
    """Print findings, lines as they come; return whether nothing failed."""
    found: list[Finding] = []
    for finding in findings:
        found.append(finding)
        if not as_json:
            click.echo(finding.line)
    if as_json:
        click.echo(wire.dump_json([finding.as_json() for finding in found]))
    return all(finding.level is not Level.FAILED for finding in found)
