"""Workspaces, builds, agents and templates, as the store and everybody above it know them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum

from ..messages import JsonValue


class Transition(StrEnum):
    """What a build does."""

    START = "start"
    STOP = "stop"


class BuildStatus(StrEnum):
    """How a build stands."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    """The server was stopped meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A place to work in. Running or not is a matter of its latest build."""

    id: str
    owner_id: str
    name: str
    """Lower case letters, digits and single hyphens; one living workspace of an owner has it."""
    kind: str
    """Which provisioner it belongs to."""
    template_id: str
    parameters: Mapping[str, str]
    directory: str | None
    """Its folder on this machine; `None` where that is elsewhere."""
    created_at: float
    deleted_at: float | None = None

    @property
    def full_name(self) -> str:
        """`<owner>/<name>`, as tools call it."""
        return f"{self.owner_id}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One start or stop of a workspace."""

    id: str
    workspace_id: str
    number: int
    """From 1; the latest build has the highest."""
    transition: Transition
    status: BuildStatus
    worker_id: str
    """The server that does it, by the name of its lock: when that is free, nobody does it any more."""
    created_at: float
    completed_at: float | None = None
    error: str | None = None
    log: str = ""
    """What it said on the way, once it has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentAddress:
    """Where a started build can be asked; only its provisioner reads `place`. Holds no secret."""

    id: str
    place: Mapping[str, str | int]


class Phase(Enum):
    """What a workspace is to whoever wants to use it."""

    BUILDING = "building"
    STOPPED = "stopped"
    RUNNING = "running"
    """The latest build is a succeeded start; whether its agent answers is another question."""
    BROKEN = "broken"
    """The latest build failed, was canceled, or there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A living workspace with its latest build and that build's first agent."""

    workspace: Workspace
    build: Build | None
    agent: AgentAddress | None = None

    @property
    def phase(self) -> Phase:
        """What it is to whoever wants to use it."""
        match self.build:
            case Build(status=BuildStatus.RUNNING):
                return Phase.BUILDING
            case Build(status=BuildStatus.SUCCEEDED, transition=Transition.STOP):
                return Phase.STOPPED
            case Build(status=BuildStatus.SUCCEEDED):
                return Phase.RUNNING
            case _:
                return Phase.BROKEN


class Origin(StrEnum):
    """Where the files of a new workspace come from."""

    EMPTY = "empty"
    FOLDER = "folder"
    GIT = "git"
    HUB = "hub"
    """Whatever a JupyterHub's spawner gives a server of the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A value that whoever creates a workspace gives."""

    name: str
    description: str
    type: str = "string"
    required: bool = False
    default: str | None = None
    pattern: str | None = None
    """A regular expression that the whole value must match."""
    hint: str = ""
    """What the pattern means, for an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What workspaces are made from."""

    id: str
    name: str
    origin: Origin
    kind: str = "process"
    display_name: str = ""
    description: str = ""
    parameters: tuple[Parameter, ...] = ()
    fixed: Mapping[str, str] = field(default_factory=dict[str, str])
    """Values of parameters that whoever set the template up has decided."""
    options: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    """What a JupyterHub's spawner is told, as its form tells it."""
    startup_script: str | None = None
    """Run in a new agent before the workspace counts as ready."""
