"""The harness works: it counts as it says, and every row measures something."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench import report
from bench.__main__ import ROWS
from bench.family import family
from bench.harness import Measured, Plan, Samples, at_least, at_most, interleave, percentile
from jupyter_chatd.messages import Role, ToolResultPart
from jupyter_chatd.providers.protocol import ModelCall, PromptMessage, ToolDefinition

ROOT = Path(__file__).parents[2]
CHEAP = ("tools", "writes", "fetch", "reports", "descent", "workspace")


def run_rows(*names: str) -> str:
    command = [sys.executable, "-m", "tests.bench", *names, "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_rows_measure_something() -> None:
    shown = run_rows(*CHEAP)
    assert [line.split(":")[0] for line in shown.splitlines() if line.startswith(CHEAP)] == list(CHEAP)
    assert shown.count("goal ") >= 6
    assert "FAILED" not in shown


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ROWS if name not in CHEAP])
def test_rows_that_start_servers_measure_something(name: str) -> None:
    assert "FAILED" not in run_rows(name)


def test_l7_a_scale_run_with_a_mock_model_names_what_it_spends_its_time_on() -> None:
    shown = run_rows("steps", "--profile")
    assert "of the looks" in shown
    assert re.search(r"^ +\d+\.\d% +\d+\.\d%  \w+/\w+\.py \S+", shown, re.MULTILINE)


def test_every_row_is_run() -> None:
    assert {path.stem for path in Path(__file__).parent.glob("bench_*.py")} == {
        f"bench_{name}" for name in ROWS
    }


def test_a_family_whose_call_failed_is_not_measured() -> None:
    refused = ToolResultPart(tool_call_id="1", tool_name="spawn_agent", result={"error": "no"}, is_error=True)
    asked = ModelCall(
        messages=(PromptMessage(role=Role.TOOL, parts=(refused,)),),
        tools=(ToolDefinition(name="spawn_agent", description=""),),
    )
    model = family(1, lambda _call: [])
    with pytest.raises(RuntimeError, match="A call of the parent failed"):
        model._next(asked)


@pytest.mark.anyio
async def test_cases_run_in_turn_and_every_other_round_in_reverse() -> None:
    ran: list[str] = []

    def case(name: str):
        async def run() -> dict[str, float]:
            ran.append(name)
            return {name: float(len(ran))}

        return run

    samples = await interleave([case("a"), case("b")], Plan(rounds=3))
    assert ran == ["a", "b", "a", "b", "b", "a", "a", "b"]
    assert samples["a"] == (3.0, 6.0, 7.0)


def test_ratios_are_taken_within_a_round() -> None:
    samples = Samples()
    for ours, theirs in ((1.0, 2.0), (10.0, 20.0), (100.0, 200.0)):
        samples.add({"ours": ours, "theirs": theirs})
    assert samples.ratios("theirs", "ours") == (2.0, 2.0, 2.0)
    assert samples.differences("theirs", "ours") == (1.0, 10.0, 100.0)


def test_the_median_decides() -> None:
    values = (1.0, 2.0, 9.0)
    assert Measured(what="x", values=values, goal=at_most(2.0)).is_met is True
    assert Measured(what="x", values=values, goal=at_most(1.9)).is_met is False
    assert Measured(what="x", values=values, goal=at_least(2.1)).is_met is False
    assert Measured(what="x", values=values).is_met is None
    assert Measured(what="x", goal=at_most(1.0)).is_met is None


def test_percentile_is_a_value_that_came() -> None:
    assert percentile([float(number) for number in range(1, 101)], 99) == 99.0
    assert percentile([5.0], 99) == 5.0


def test_the_document_tells_goal_and_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "DOCUMENT", tmp_path / "benchmarks.md")
    lines = (
        Measured(what="good", values=(1.0, 1.234, 2.0), goal=at_most(1.5)),
        Measured(what="bad", values=(12345.6,), unit="/s", goal=at_least(20000)),
        Measured(what="peer", note="peer not installed"),
    )
    rows = (
        report.Row(name="tools", title="Tools", method="So.", lines=lines),
        report.Row(name="wire", title="Wire", method="So.", failure="no vendor"),
    )
    report.write_document(
        report.Run(date="2026-01-01", machine="m", versions="v", rounds=3, minutes=2.0, rows=rows)
    )
    text = (tmp_path / "benchmarks.md").read_text()
    assert "| good | 1.23 × [1–2] | ≤ 1.5 × | met |" in text
    assert "| bad | 12,346 /s | ≥ 20,000 /s | missed |" in text
    assert "| peer (peer not installed) | – |  |  |" in text
    assert "| [Tools](#tools) | 1 of 2 | 0.0 |" in text
    assert "Could not be measured: no vendor" in text
