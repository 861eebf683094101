"""The tools by which a root chat makes, starts and stops its workspace. Their texts lie beside this module.

Idempotence, statuses and fields: spec/chatd.md §6.1-6.5. All of a chat's calls that change its workspace hold
one lock, whichever tool they are of.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import with_config

from ..errors import ChatdError
from ..messages import Chat, JsonValue
from ..store import reads
from ..tools.arguments import STRICT_OBJECT
from ..tools.builtin import BuiltinTool
from ..tools.protocol import Tool, ToolContext, ToolOutput, error_output
from ..tools.results import json_output
from .lookup import AgentLookup
from .manager import WorkspaceManager
from .provisioner import Say
from .readiness import DIAL_LIMIT, readiness
from .values import Build, BuildStatus, Phase, Standing, Template, Transition

PAGE = 10  # templates of one answer
DESCRIPTION = 200  # characters of a template's description in a listing

A = TypeVar("A")

_NO_WORKSPACE = (
    "This chat has no workspace of its own: it works in the folder of the Jupyter server itself, which can "
    "be neither started nor stopped. Use create_workspace to make one."
)
_DELETED = "The workspace of this chat was deleted. Use create_workspace to make a new one."
_ROOT_ONLY = "Only the chat that the user talks to can change its workspace, not a subagent."
_STOPPED = "The workspace is stopped. Use start_workspace to start it; do not make another one."
_EXISTS = "This chat has a workspace already; it is used as it is."


class WorkspaceTool(BuiltinTool[A]):
    """A tool about workspaces. Subclasses implement `act`."""

    package = __spec__.parent or ""
    key = "workspace"

    def __init__(self, manager: WorkspaceManager, lookup: AgentLookup) -> None:
        super().__init__()
        self.manager = manager
        self.lookup = lookup

    async def call(self, args: A, context: ToolContext) -> ToolOutput:
        """Act for the caller; what cannot be done is an error output."""
        try:
            return await self.act(args, context)
        except ChatdError as error:
            return error_output(str(error))

    async def act(self, args: A, context: ToolContext) -> ToolOutput:
        """Do it.

        Raises:
            ChatdError: what the model should read.
        """
        raise NotImplementedError

    async def chat(self, context: ToolContext) -> Chat:
        """Return the chat as it is stored now: a call before this one may have given it a workspace."""
        return await self.manager.store.read(lambda conn: reads.get_chat(conn, context.chat_id))

    async def standing(self, chat: Chat) -> Standing | None:
        """Return how the chat's workspace stands, `None` when it has none or that was deleted."""
        if chat.workspace_id is None:
            return None
        standing = await self.manager.find(chat.workspace_id)
        if standing is not None and await self.manager.note_if_gone(standing):
            return await self.manager.find(chat.workspace_id)
        return standing

    async def ready_fields(self, standing: Standing, *, patient: bool = True) -> dict[str, JsonValue]:
        """Return what a result tells of the agent."""
        if standing.agent is None:
            return {"agent_status": "no_agent"}
        return await readiness(self.lookup, standing.workspace.id, patient=patient)

    async def finish(self, build: Build, context: ToolContext) -> Standing:
        """Wait for a build, showing its log, and return how the workspace stands then.

        Raises:
            BuildFailedError: it failed or was canceled.
        """
        ended = await self.manager.wait(build.id, say=_teller(context))
        standing = await self.manager.find(build.workspace_id)
        if standing is None:
            raise BuildFailedError(_DELETED)
        if ended.status is not BuildStatus.SUCCEEDED:
            raise BuildFailedError(
                f"The {ended.transition.value} of the workspace {standing.workspace.full_name} "
                f"{'was canceled' if ended.status is BuildStatus.CANCELED else 'failed'}: {ended.error}"
            )
        return standing


class BuildFailedError(ChatdError):
    """A build did not succeed; the text says why."""


def _teller(context: ToolContext) -> Say:
    return lambda line: context.emit(f"{line}\n")


@with_config(STRICT_OBJECT)
@dataclass(frozen=True, slots=True, kw_only=True)
class ListArguments:
    """What `list_templates` takes."""

    query: str | None = None
    """Words to look for in names and descriptions."""
    page: int = 1
    """Which ten templates, from 1."""


class ListTemplates(WorkspaceTool[ListArguments]):
    """`{templates, count, page, total_pages, total_count}`."""

    name = "list_templates"
    arguments_type = ListArguments
    repeatable = True
    key = None

    async def act(self, args: ListArguments, context: ToolContext) -> ToolOutput:
        """List a page of them."""
        words = (args.query or "").lower().split()
        found = [template for template in await self.manager.offered() if _matches(template, words)]
        page = max(args.page, 1)
        shown = found[(page - 1) * PAGE : page * PAGE]
        return json_output(
            {
                "templates": [_listed(template) for template in shown],
                "count": len(shown),
                "page": page,
                "total_pages": max(math.ceil(len(found) / PAGE), 1),
                "total_count": len(found),
            }
        )


def _matches(template: Template, words: list[str]) -> bool:
    text = f"{template.name} {template.display_name} {template.description}".lower()
    return all(word in text for word in words)


def _listed(template: Template) -> dict[str, JsonValue]:
    texts = {"display_name": template.display_name, "description": template.description[:DESCRIPTION]}
    return {"id": template.id, "name": template.name, **{key: text for key, text in texts.items() if text}}


@with_config(STRICT_OBJECT)
@dataclass(frozen=True, slots=True, kw_only=True)
class ReadArguments:
    """What `read_template` takes."""

    template_id: str
    """The template, by the id that list_templates shows."""


class ReadTemplate(WorkspaceTool[ReadArguments]):
    """`{template, parameters}`."""

    name = "read_template"
    arguments_type = ReadArguments
    repeatable = True
    key = None

    async def act(self, args: ReadArguments, context: ToolContext) -> ToolOutput:
        """Tell what the template is and takes."""
        template = self.manager.templates.get(args.template_id)
        return json_output(template_fields(template))


def template_fields(template: Template) -> dict[str, JsonValue]:
    """Return a template as tools and routes tell it."""
    whole: dict[str, JsonValue] = {**_listed(template), "description": template.description}
    return {"template": whole, "parameters": [_parameter(one) for one in template.parameters]}


def _parameter(parameter: Any) -> dict[str, JsonValue]:
    fields: dict[str, JsonValue] = {
        "name": parameter.name,
        "type": parameter.type,
        "description": parameter.description,
        "required": parameter.required,
        "default": parameter.default,
        "validation_regex": parameter.pattern,
    }
    return {key: value for key, value in fields.items() if value is not None}


@with_config(STRICT_OBJECT)
@dataclass(frozen=True, slots=True, kw_only=True)
class CreateArguments:
    """What `create_workspace` takes."""

    template_id: str
    """The template, by the id that list_templates shows."""
    name: str | None = None
    """Lower case letters, digits and hyphens; default: from the template's name."""
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    """Values of the template's parameters, by name; read_template shows them."""


class CreateWorkspace(WorkspaceTool[CreateArguments]):
    """`{created, workspace_name, build_id, …}`; makes nothing where there is one that can be used."""

    name = "create_workspace"
    arguments_type = CreateArguments

    async def act(self, args: CreateArguments, context: ToolContext) -> ToolOutput:
        """Answer with the workspace that there is, else make one, and wait until it can be used."""
        self.manager.templates.get(args.template_id)
        async with self.manager.lock(context.chat_id):
            chat = await self.chat(context)
            if chat.parent_chat_id is not None:
                return error_output(_ROOT_ONLY)
            existing = await self._existing(chat, context)
            if existing is not None:
                return existing
            _, build = await self.manager.create(
                chat.owner_id,
                template_id=args.template_id,
                name=args.name,
                parameters=args.parameters,
                chat_id=chat.id,
            )
            standing = await self.finish(build, context)
            return json_output(
                {
                    "created": True,
                    "workspace_name": standing.workspace.full_name,
                    "build_id": build.id,
                    **await self.ready_fields(standing),
                }
            )

    async def _existing(self, chat: Chat, context: ToolContext) -> ToolOutput | None:
        """Return the answer of a chat that has a workspace; `None` to go on and create. Table: §6.2."""
        standing = await self.standing(chat)
        if standing is not None and standing.phase is Phase.BUILDING and standing.build is not None:
            await self.manager.wait(standing.build.id, say=_teller(context))
            standing = await self.standing(chat)
        if standing is None or standing.build is None or standing.phase in (Phase.BROKEN, Phase.BUILDING):
            return None
        if standing.phase is Phase.STOPPED:
            return _found(standing, "stopped", _STOPPED)
        is_new = self._is_new(standing.build)
        fields = await self.ready_fields(standing, patient=is_new)
        if "agent_status" in fields and not is_new:  # it is there and does not answer: of no use any more
            return None
        return _found(standing, "already_exists", _EXISTS, build_id=standing.build.id, **fields)

    def _is_new(self, build: Build) -> bool:
        """Whether its agent may still be on its way: it is dialled then, and no second workspace is made."""
        return self.manager.store.clock() - (build.completed_at or build.created_at) < DIAL_LIMIT


def _found(standing: Standing, status: str, message: str, **more: JsonValue) -> ToolOutput:
    return json_output(
        {
            "created": False,
            "status": status,
            "workspace_name": standing.workspace.full_name,
            "message": message,
            **more,
        }
    )


@with_config(STRICT_OBJECT)
@dataclass(frozen=True, slots=True, kw_only=True)
class NoArguments:
    """Nothing."""


class ChangeWorkspace(WorkspaceTool[NoArguments]):
    """Starts or stops the chat's workspace, unless it is so already."""

    arguments_type = NoArguments
    transition: Transition
    goal: Phase
    done: str
    """The field that says so."""

    async def act(self, args: NoArguments, context: ToolContext) -> ToolOutput:
        """Do what is missing and wait for it."""
        async with self.manager.lock(context.chat_id):
            chat = await self.chat(context)
            if chat.parent_chat_id is not None:
                return error_output(_ROOT_ONLY)
            if chat.workspace_id is None:
                return error_output(_NO_WORKSPACE)
            standing = await self.standing(chat)
            if standing is None:
                return error_output(_DELETED)
            was_there = standing.phase is self.goal
            standing = await self._reach_goal(standing, context)
            fields = await self.fields(standing, was_there=was_there)
            return json_output({self.done: True, "workspace_name": standing.workspace.full_name, **fields})

    async def fields(self, standing: Standing, *, was_there: bool) -> dict[str, JsonValue]:
        """Return what the result tells besides."""
        raise NotImplementedError

    async def _reach_goal(self, standing: Standing, context: ToolContext) -> Standing:
        if standing.phase is Phase.BUILDING and standing.build is not None:
            if standing.build.transition is self.transition:
                return await self.finish(standing.build, context)
            await self.manager.wait(standing.build.id, say=_teller(context))
            standing = await self.manager.find(standing.workspace.id) or standing
        if standing.phase is self.goal:
            return standing
        return await self.finish(await self.manager.build(standing.workspace, self.transition), context)


class StartWorkspace(ChangeWorkspace):
    """`{started, workspace_name, agent_status?, …}`; an agent that is not ready is no error."""

    name = "start_workspace"
    transition = Transition.START
    goal = Phase.RUNNING
    done = "started"

    async def fields(self, standing: Standing, *, was_there: bool) -> dict[str, JsonValue]:
        """Return how the agent stands; asked once where nothing was started: the answer comes at once."""
        return await self.ready_fields(standing, patient=not was_there)


class StopWorkspace(ChangeWorkspace):
    """`{stopped, workspace_name}`."""

    name = "stop_workspace"
    transition = Transition.STOP
    goal = Phase.STOPPED
    done = "stopped"

    async def fields(self, standing: Standing, *, was_there: bool) -> dict[str, JsonValue]:
        """Return nothing more."""
        return {}


def workspace_tools(manager: WorkspaceManager, lookup: AgentLookup) -> tuple[Tool, ...]:
    """The tools in the order in which the model is told of them."""
    kinds = (ListTemplates, ReadTemplate, CreateWorkspace, StartWorkspace, StopWorkspace)
    return tuple(kind(manager, lookup) for kind in kinds)
