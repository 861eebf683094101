"""Routes of workspaces: which there are, making, starting and stopping them, and what their builds say."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import asdict
from typing import Any

from tornado.iostream import StreamClosedError

from .. import wire
from ..errors import ConflictError, InvalidInputError
from ..workspaces.manager import WorkspaceManager
from ..workspaces.tools import template_fields
from ..workspaces.values import Build, BuildStatus, Phase, Standing, Template, Transition
from . import requests
from .base import BASE, ChatdHandler, permission

WORKSPACES = BASE + r"/workspaces"
WORKSPACE = WORKSPACES + r"/(?P<workspace_id>[^/]+)"
BUILDS = WORKSPACE + r"/builds"
BUILD = BUILDS + r"/(?P<build_id>[^/]+)"


class _WorkspaceHandler(ChatdHandler):
    @property
    def manager(self) -> WorkspaceManager:
        """What knows the workspaces."""
        return self.extension.runtime.workspaces

    async def find_workspace(self, workspace_id: str) -> Standing:
        """Return how a workspace of the caller stands.

        Raises:
            NotFoundError: there is none.
        """
        return await self.manager.get(workspace_id, owner_id=self.owner_id)


class TemplatesHandler(_WorkspaceHandler):
    """`/chats/workspaces/templates`."""

    @permission("read", "chats")
    async def get(self) -> None:
        """List what workspaces can be made from, with the parameters of each."""
        self.reply([_template_reply(template) for template in await self.manager.offered()])


class WorkspacesHandler(_WorkspaceHandler):
    """`/chats/workspaces`."""

    @permission("read", "chats")
    async def get(self) -> None:
        """List the caller's workspaces, by name."""
        self.reply([_workspace_reply(one) for one in await self.manager.list(owner_id=self.owner_id)])

    @permission("execute", "workspaces")
    async def post(self) -> None:
        """Make a workspace and begin to start it; a chat that is named has it at once."""
        body = self.body(requests.WorkspaceCreate)
        if body.chat_id is None:
            self.reply(await self._create(body), status=201)
            return
        chat_id = body.chat_id
        async with self.manager.lock(chat_id):
            await self._require_free(chat_id)
            self.reply(await self._create(body), status=201)

    async def _require_free(self, chat_id: str) -> None:
        """Refuse a chat that is a subagent's or has a workspace.

        Raises:
            ChatNotFoundError: no such chat.
            ConflictError: it has one.
            InvalidInputError: it is a subagent's.
        """
        chat = await self.find_chat(chat_id)
        if chat.parent_chat_id is not None:
            raise InvalidInputError("A subagent works where its parent does.", detail="chat_id: not a root")
        if chat.workspace_id is not None and await self.manager.find(chat.workspace_id) is not None:
            raise ConflictError(
                "The chat has a workspace already.", state="has a workspace", transition="create"
            )

    async def _create(self, body: requests.WorkspaceCreate) -> dict[str, Any]:
        workspace, _ = await self.manager.create(
            self.owner_id,
            template_id=body.template_id,
            name=body.name,
            parameters=body.parameters,
            chat_id=body.chat_id,
        )
        return _workspace_reply(await self.find_workspace(workspace.id))


class WorkspaceHandler(_WorkspaceHandler):
    """`/chats/workspaces/{id}`."""

    @permission("read", "chats")
    async def get(self, workspace_id: str) -> None:
        """Return how the workspace stands."""
        self.reply(_workspace_reply(await self.find_workspace(workspace_id)))

    @permission("execute", "workspaces")
    async def delete(self, workspace_id: str) -> None:
        """Stop it and forget it. Its folder stays, unless the query says `remove_files=true`."""
        word = self.get_query_argument("remove_files", "false")
        if word not in ("true", "false"):
            raise InvalidInputError(
                "Invalid query.", detail=f"remove_files: expected true or false, came {word[:80]!r}"
            )
        standing = await self.find_workspace(workspace_id)
        await self.manager.delete(standing.workspace, remove_files=word == "true")
        self.reply_empty()


class BuildsHandler(_WorkspaceHandler):
    """`/chats/workspaces/{id}/builds`."""

    @permission("read", "chats")
    async def get(self, workspace_id: str) -> None:
        """List the newest 50 builds, newest first."""
        standing = await self.find_workspace(workspace_id)
        builds = await self.manager.builds(standing.workspace.id)
        self.reply([_build_reply(build) for build in builds])

    @permission("execute", "workspaces")
    async def post(self, workspace_id: str) -> None:
        """Begin to start or stop it; what is so already stays as it is and answers with the latest build."""
        body = self.body(requests.BuildCreate)
        standing = await self.find_workspace(workspace_id)
        transition = Transition(body.transition)
        await self.manager.note_if_gone(standing)
        standing = await self.find_workspace(workspace_id)
        goal = Phase.RUNNING if transition is Transition.START else Phase.STOPPED
        if standing.phase is goal and standing.build is not None:
            self.reply(_build_reply(standing.build))
            return
        self.reply(_build_reply(await self.manager.build(standing.workspace, transition)), status=201)


class BuildLogHandler(_WorkspaceHandler):
    """`/chats/workspaces/{id}/builds/{build}/log`."""

    @permission("read", "chats")
    async def get(self, workspace_id: str, build_id: str) -> None:
        """Answer with what the build says, as it says it; the answer ends with the build."""
        standing = await self.find_workspace(workspace_id)
        build = await self.manager.get_build(standing.workspace.id, build_id)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Accel-Buffering", "no")
        if build.status is BuildStatus.RUNNING:
            await self._follow(build.id)
        else:
            self.write(build.log)
        self.finish(set_content_type="text/plain; charset=utf-8")

    async def _follow(self, build_id: str) -> None:
        try:
            async with aclosing(self.manager.follow(build_id)) as lines:
                async for line in lines:
                    self.write(f"{line}\n")
                    await self.flush()
        except StreamClosedError:
            return  # the client went away


def _template_reply(template: Template) -> dict[str, Any]:
    fields: dict[str, Any] = template_fields(template)
    return {"display_name": "", "description": "", **fields["template"], "parameters": fields["parameters"]}


def _workspace_reply(standing: Standing) -> dict[str, Any]:
    workspace = asdict(standing.workspace)
    del workspace["deleted_at"]
    workspace["created_at"] = wire.rfc3339(standing.workspace.created_at)
    build = _build_reply(standing.build) if standing.build is not None else None
    return {**workspace, "status": standing.phase.value, "latest_build": build}


def _build_reply(build: Build) -> dict[str, Any]:
    fields = asdict(build)
    del fields["log"], fields["worker_id"]
    ended = wire.rfc3339(build.completed_at) if build.completed_at is not None else None
    times = {"created_at": wire.rfc3339(build.created_at), "completed_at": ended}
    return {**fields, **times, "transition": build.transition.value, "status": build.status.value}


ROUTES = [
    (WORKSPACES, WorkspacesHandler),
    (WORKSPACES + r"/templates", TemplatesHandler),
    (WORKSPACE, WorkspaceHandler),
    (BUILDS, BuildsHandler),
    (BUILD + r"/log", BuildLogHandler),
]
