"""The sentences that the demo model understands. Pure: text in, plan out.

    run `ls -l`                             execute; may end with "in the background", "with timeout 30s"
    run the code `1 + 1`                    execute_code; also: run `1 + 1` in the kernel
    look at the code                        code_output; list, inspect variables: inspect_variables
    interrupt the kernel, restart the kernel  interrupt_kernel, restart_kernel
    list the notebooks, read the notebook   list_notebooks, read_notebook: JupyterLab's, as the next four;
                                            "of lab.ipynb" behind one says which notebook
    look at cell 3                          read_cell
    replace "a" with "b" in cell 3          edit_cell; "and run it" runs it, as does `run cell 3`: run_cells
    insert the cell `x = 1` after cell 3    insert_cell; "before cell", or none for the end; "and run it"
    move cell 3 after cell 5, delete cell 3   move_cell, delete_cell
    read notes.txt                          read_file
    write "hello" to notes.txt              write_file; also: create the file notes.txt with "hello"
    replace "a" with "b" in notes.txt       edit_files; "replace all" for every match
    list processes                          process_list
    check process ID, stop process ID       process_output, process_signal; "kill" for SIGKILL
    delegate "count to 3"                   spawn_agent; "delegate exploring ..." for a look-up
    ask an explore agent to read notes.txt  spawn_agent of that type (a general agent too, or just "an agent")
    wait for the subagents                  wait_agent, for each that this turn has spawned
    open the desktop and ...                spawn_agent of type computer_use, which gets the rest; wait_agent
    call TOOL with {"x": 1}                 any tool that the chat has, a client's too
    say TEXT, think about TEXT, count to N  no tool

A subagent at a desktop has `computer` and also understands:

    open a terminal, open the browser       their keys, and a moment for the window
    type "ls"                               "type" alone does not press Return
    press Return, click at 100, 200
    wait 2 seconds
    look at the screen, read the screen     a picture

"and" puts instructions into one step (their tools run at the same time), "then" and a new line into the next
step. Text that itself holds such words goes into quotes or backticks.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

MAX_COUNT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class UseTool:
    """Call a tool."""

    tool: str
    args: Mapping[str, Any]
    intent: str
    """What the call does, to follow "I will": `run "ls"`."""


@dataclass(frozen=True, slots=True)
class Tell:
    """Say something."""

    text: str


@dataclass(frozen=True, slots=True)
class Ponder:
    """Reason about something, visibly."""

    text: str


@dataclass(frozen=True, slots=True)
class Collect:
    """Wait for every subagent that this turn has spawned."""


Instruction = UseTool | Tell | Ponder | Collect


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a message asks for."""

    steps: Sequence[Sequence[Instruction]] = ()
    """Instructions of one step happen together."""
    unknown: Sequence[str] = ()
    """Clauses that are not understood; nothing is done then."""


VERBS = (
    r"(?:please )?(?:run|execute|read|write|create|replace|list|check|stop|kill|delegate|ask|wait|call|say"
    r"|think|count|open|type|press|click|look|interrupt|restart|inspect|insert|delete|move)\b"
)
QUOTED = re.compile(r"```(?:\w*\n)?.*?```|`[^`]*`|\"[^\"]*\"|(?<!\w)'[^']*'(?!\w)", re.DOTALL)
NEXT_STEP = re.compile(rf"\s*(?:[,;.]?\s*\b(?:and )?then\b,?\s+(?={VERBS})|\n+)\s*", re.IGNORECASE)
SAME_STEP = re.compile(
    rf"\s*[,;]?\s+and\s+(?={VERBS})(?!run it\b)"
    rf"|\s*;\s*(?={VERBS})|\s*,\s*(?=(?:type|press|click|look|open) )",
    re.IGNORECASE,
)
DESKTOP = re.compile(
    r"(?:please |can you |could you )*open (?:the |a )?desktop(?:,? and|,? then|:)? (?P<task>.+)",
    re.IGNORECASE | re.DOTALL,
)
"""The rest is for the subagent, whatever it says."""
START_WAIT = 4.0  # seconds for the browser that a new desktop opens, which would cover what opens before it
WINDOW_WAIT = 2.0  # seconds for a program's window to open
MASK = "\x00{}\x00"  # no message holds a NUL


def parse_plan(text: str, *, directory: str) -> Plan:
    """Read *text*. Relative paths are taken in *directory*."""
    if match := DESKTOP.fullmatch(text.strip()):
        return Plan(steps=[[_use_desktop(match["task"])], [Collect()]])
    masked, quotes = _mask(text.strip())
    steps: list[list[Instruction]] = []
    unknown: list[str] = []
    for step in filter(None, NEXT_STEP.split(masked)):
        instructions: list[Instruction] = []
        for clause in filter(None, SAME_STEP.split(step)):
            found = _parse_clause(clause.strip(), quotes, directory)
            if found is None:
                unknown.append(_unmask(clause.strip(), quotes))
            else:
                instructions += _with_pauses(found)
        steps.append(instructions)
    return Plan(steps=[step for step in steps if step], unknown=unknown)


def _mask(text: str) -> tuple[str, list[str]]:
    """Put numbers in place of quoted text, so that words in it are no instructions."""
    quotes: list[str] = []

    def hide(match: re.Match[str]) -> str:
        quotes.append(match[0])
        return MASK.format(len(quotes) - 1)

    return QUOTED.sub(hide, text), quotes


def _unmask(text: str, quotes: Sequence[str]) -> str:
    return re.sub(r"\x00(\d+)\x00", lambda match: quotes[int(match[1])], text)


def _plain(text: str, quotes: Sequence[str]) -> str:
    """The text meant: what is in the quotes when it is one quotation, else all of it."""
    text = text.strip()
    whole = _unmask(text, quotes)
    if not re.fullmatch(r"\x00\d+\x00", text):
        return whole
    if whole.startswith("```"):
        return re.sub(r"\A```(?:\w*\n)?|```\Z", "", whole)
    return whole[1:-1]


# Clauses. Each pattern's groups go to its maker, unquoted.

Maker = Callable[..., Instruction | None]


def _run(command: str, background: str | None, timeout: str | None) -> Instruction:
    args: dict[str, Any] = {"command": command}
    if background:
        args["run_in_background"] = True
    if timeout:
        args["timeout"] = timeout
    return UseTool(tool="execute", args=args, intent=f"run `{command}`")


def _run_code(code: str, timeout: str | None = None) -> Instruction:
    args = {"code": code} | ({"timeout": timeout} if timeout else {})
    shown = "code" if "\n" in code.strip() else f"`{code.strip()}`"
    return UseTool(tool="execute_code", args=args, intent=f"run {shown} in the kernel")


def _look_at_code() -> Instruction:
    return UseTool(tool="code_output", args={}, intent="look at the output of the code")


def _kernel(verb: str) -> Instruction:
    return UseTool(tool=f"{verb.lower()}_kernel", args={}, intent=f"{verb.lower()} the kernel")


def _variables() -> Instruction:
    return UseTool(tool="inspect_variables", args={}, intent="look at the variables")


def _notebook_tool(tool: str, intent: str, notebook: str | None, **args: Any) -> Instruction:
    """A call of a tool of JupyterLab; without a name it is about the notebook in front."""
    given = {name: value for name, value in args.items() if value is not None}
    return UseTool(tool=tool, args={**({"path": notebook} if notebook else {}), **given}, intent=intent)


def _list_notebooks() -> Instruction:
    return _notebook_tool("list_notebooks", "list the notebooks", None)


def _read_notebook(notebook: str | None) -> Instruction:
    return _notebook_tool("read_notebook", "read the notebook", notebook)


def _look_at_cell(cell: str, notebook: str | None) -> Instruction:
    return _notebook_tool("read_cell", f"look at cell {cell}", notebook, cell=cell)


def _run_cell(cell: str, notebook: str | None) -> Instruction:
    return _notebook_tool("run_cells", f"run cell {cell}", notebook, cells=[cell])


def _replace_in_cell(
    search: str, replace: str, cell: str, notebook: str | None, run: str | None
) -> Instruction:
    edits = [{"search": search, "replace": replace}]
    return _notebook_tool(
        "edit_cell", f"change cell {cell}", notebook, cell=cell, edits=edits, run=True if run else None
    )


def _insert_cell(
    kind: str | None,
    source: str,
    place: str | None,
    cell: str | None,
    notebook: str | None,
    run: str | None,
) -> Instruction:
    args = {place.lower(): cell} if place else {}
    made = kind.strip().lower() if kind else None
    return _notebook_tool(
        "insert_cell", "insert a cell", notebook, source=source, type=made, run=True if run else None, **args
    )


def _move_cell(cell: str, place: str, other: str, notebook: str | None) -> Instruction:
    return _notebook_tool("move_cell", f"move cell {cell}", notebook, cell=cell, **{place.lower(): other})


def _delete_cell(cell: str, notebook: str | None) -> Instruction:
    return _notebook_tool("delete_cell", f"delete cell {cell}", notebook, cell=cell)


def _notebook_variables(notebook: str | None) -> Instruction:
    return _notebook_tool("notebook_variables", "look at the notebook's variables", notebook)


def _read(path: str) -> Instruction:
    return UseTool(tool="read_file", args={"path": path}, intent=f"read {path}")


def _write(content: str, path: str) -> Instruction:
    return UseTool(tool="write_file", args={"path": path, "content": content}, intent=f"write {path}")


def _create(path: str, content: str) -> Instruction:
    return _write(content, path)


def _replace(every: str | None, search: str, replace: str, path: str) -> Instruction:
    edit: dict[str, Any] = {"search": search, "replace": replace}
    if every:
        edit["replace_all"] = True
    return UseTool(
        tool="edit_files", args={"files": [{"path": path, "edits": [edit]}]}, intent=f"change {path}"
    )


def _list() -> Instruction:
    return UseTool(tool="process_list", args={}, intent="list the processes")


def _check(process_id: str) -> Instruction:
    return UseTool(
        tool="process_output",
        args={"process_id": process_id},
        intent=f"look at the output of process {process_id}",
    )


def _stop(verb: str, process_id: str) -> Instruction:
    signal = "kill" if verb.lower() == "kill" else "terminate"
    args = {"process_id": process_id, "signal": signal}
    return UseTool(tool="process_signal", args=args, intent=f"{verb.lower()} process {process_id}")


def _delegate(exploring: str | None, prompt: str) -> Instruction:
    kind = "explore" if exploring else "general"
    return UseTool(
        tool="spawn_agent", args={"type": kind, "prompt": prompt}, intent=f"let a subagent “{prompt}”"
    )


def _use_desktop(task: str) -> Instruction:
    args = {"type": "computer_use", "prompt": task}
    return UseTool(tool="spawn_agent", args=args, intent=f"open the desktop and let a subagent “{task}”")


_PROGRAMS = {"terminal": "ctrl+alt+t", "browser": "ctrl+alt+b"}
"""The keys of desktops that we start."""


def _computer(intent: str, action: str, **args: Any) -> UseTool:
    return UseTool(tool="computer", args={"action": action, **args}, intent=intent)


def _open(program: str) -> Instruction:
    return _computer(f"open the {program.lower()}", "key", keys=_PROGRAMS[program.lower()])


def _with_pauses(instruction: Instruction) -> Sequence[Instruction]:
    """Put a moment before and after a program is opened: tools of one desktop run in their order."""
    is_program = isinstance(instruction, UseTool) and instruction.args.get("keys") in _PROGRAMS.values()
    return [_pause(START_WAIT), instruction, _pause(WINDOW_WAIT)] if is_program else [instruction]


def _pause(seconds: str | float) -> Instruction:
    return _computer("wait a moment", "wait", seconds=float(seconds))


def _type(text: str) -> Instruction:
    return _computer(f"type “{text}”", "type", text=text)


def _press(keys: str) -> Instruction:
    return _computer(f"press {keys}", "key", keys=keys)


def _click(x: str, y: str) -> Instruction:
    return _computer(f"click at {x}, {y}", "click", at=[int(x), int(y)])


def _look() -> Instruction:
    return _computer("look at the screen", "screenshot")


def _call(tool: str, args: str | None) -> Instruction | None:
    try:
        value = cast("object", json.loads(args or "{}"))
    except ValueError:
        return None
    if not isinstance(value, dict):
        return None
    return UseTool(tool=tool, args=cast("dict[str, Any]", value), intent=f"call {tool}")


def _count(limit: str) -> Instruction:
    return Tell(" ".join(str(number) for number in range(1, min(int(limit), MAX_COUNT) + 1)))


POLITE = r"(?:please |can you |could you |now )*"
PATH = r"(?:the )?(?:file )?(?P<path>\S+?)"
COMMAND = r"(?P<command>\x00\d+\x00|(?!\x00).+?)"
"""One quotation, or a command that does not begin with one."""
CODE = COMMAND.replace("command", "code")
TIMEOUT = r"(?: with (?:a )?timeout (?:of )?(?P<timeout>[\dhms]+))?"
CELL = r"(?:the )?cell (?P<cell>[\w-]+)"
OF_NOTEBOOK = r"(?: (?:of|in) (?:the )?(?:notebook )?(?P<notebook>\S+?\.ipynb))?"
AND_RUN = r"(?P<run>,? and run it)?"
END = r"(?:(?<=[\w\x00)/])[.!])?"
"""The end of a sentence; no dot that is a path of its own, as in `ls .` and `cd ..`."""
CLAUSES: tuple[tuple[re.Pattern[str], Maker], ...] = tuple(
    (re.compile(rf"{POLITE}{pattern}{END}", re.IGNORECASE | re.DOTALL), maker)
    for pattern, maker in (
        (r"list (?:the |all |open )*notebooks", _list_notebooks),
        (r"read (?:the )?notebook(?: (?P<notebook>\S+?\.ipynb))?", _read_notebook),
        (rf"(?:look at|read) {CELL}{OF_NOTEBOOK}", _look_at_cell),
        (rf"(?:run|execute) {CELL}{OF_NOTEBOOK}", _run_cell),
        (
            rf"replace (?P<search>.+?) (?:with|by) (?P<replace>.+) in {CELL}{OF_NOTEBOOK}{AND_RUN}",
            _replace_in_cell,
        ),
        (
            r"insert (?:the |a )?(?P<kind>markdown |raw )?cell (?P<source>\x00\d+\x00)"
            rf"(?: (?P<place>before|after) {CELL})?{OF_NOTEBOOK}{AND_RUN}",
            _insert_cell,
        ),
        (rf"move {CELL} (?P<place>before|after) (?:the )?cell (?P<other>[\w-]+){OF_NOTEBOOK}", _move_cell),
        (rf"delete {CELL}{OF_NOTEBOOK}", _delete_cell),
        (
            r"(?:list|inspect|look at) (?:the |all )?variables of the notebook"
            r"(?: (?P<notebook>\S+?\.ipynb))?",
            _notebook_variables,
        ),
        (rf"(?:run|execute) (?:the )?(?:python )?code {CODE}{TIMEOUT}", _run_code),
        (rf"(?:run|execute) {CODE} in the kernel{TIMEOUT}", _run_code),
        (r"look at the code", _look_at_code),
        (r"(?P<verb>interrupt|restart) (?:the )?kernel", _kernel),
        (r"(?:list|inspect|look at) (?:the |all )?variables", _variables),
        (
            rf"(?:run|execute) (?:the command )?{COMMAND}(?P<background> in (?:the )?background)?"
            rf"{TIMEOUT}",
            _run,
        ),
        (r"open (?:a |the )?(?P<program>terminal|browser)", _open),
        (r"(?:look at|read) (?:what is on )?the screen", _look),
        (r"type (?P<text>.+)", _type),
        (r"press (?P<keys>\S+)", _press),
        (r"click (?:at )?\(?(?P<x>\d{1,4}),? (?P<y>\d{1,4})\)?", _click),
        (r"wait (?:for )?(?P<seconds>\d{1,2}) seconds?", _pause),
        (rf"read {PATH}", _read),
        (rf"write (?P<content>.+) (?:in)?to {PATH}", _write),
        (rf"create (?:a )?{PATH} (?:with|containing|saying) (?P<content>.+)", _create),
        (
            rf"replace (?P<every>all )?(?P<search>.+?) (?:with|by) (?P<replace>.+) in {PATH}",
            _replace,
        ),
        (r"list (?:the |all )?processes", _list),
        (r"check (?:the )?process (?P<process_id>\S+?)", _check),
        (r"(?P<verb>stop|kill) (?:the )?process (?P<process_id>\S+?)", _stop),
        (r"delegate (?P<exploring>exploring )?(?P<prompt>.+)", _delegate),
        (
            r"ask (?:an? )?(?:(?P<exploring>explor(?:e|ing) )|general )?(?:sub)?agent to (?P<prompt>.+)",
            _delegate,
        ),
        (r"wait for (?:the |all )?(?:sub)?agents?", Collect),
        (r"call (?P<tool>[\w-]+)(?: with (?P<args>.+))?", _call),
        (r"say (?P<text>.+)", Tell),
        (r"think about (?P<text>.+)", Ponder),
        (r"count to (?P<limit>\d{1,9})", _count),
    )
)


def _parse_clause(clause: str, quotes: Sequence[str], directory: str) -> Instruction | None:
    for pattern, maker in CLAUSES:
        if match := pattern.fullmatch(clause):
            groups = {name: value and _plain(value, quotes) for name, value in match.groupdict().items()}
            if (path := groups.get("path")) is not None:
                groups["path"] = posixpath.join(directory, path)
            return maker(**groups)
    return None
