"""The templates that there are, and the parameters that each takes."""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, cast

from ..errors import InvalidInputError
from ..messages import JsonValue
from .values import Origin, Parameter, Template

_NAMESPACE = uuid.UUID("0d7c2f5e-6f0c-5d8f-9d53-4f6d1a7f3c21")
"""Namespace of template ids: an id follows from the template's name, so it is the same on every server."""

_SOURCE = Parameter(
    name="source",
    description="Absolute path of the folder to copy.",
    required=True,
    pattern=r"/[^\0]*",
    hint="an absolute path",
)
_URL = Parameter(
    name="url",
    description="Address of the repository: https://…, ssh://…, git@host:path, or file:///path.",
    required=True,
    pattern=r"(https?|ssh|git|file)://\S+|[A-Za-z0-9_.-]+@[A-Za-z0-9_.-]+:\S+",
    hint="an address such as https://host/owner/name.git",
)
_BRANCH = Parameter(
    name="branch",
    description="Branch or tag to check out; else the repository's own choice.",
    default="",
    pattern=r"[^-\s]\S*|",
    hint="the name of a branch or tag",
)
_DEPTH = Parameter(
    name="depth",
    type="number",
    description="How many commits of history to fetch; else all.",
    default="",
    pattern=r"[1-9][0-9]{0,8}|",
    hint="a whole number from 1",
)
_PARAMETERS = {
    Origin.HUB: (),
    Origin.EMPTY: (),
    Origin.FOLDER: (_SOURCE,),
    Origin.GIT: (_URL, _BRANCH, _DEPTH),
}
_WORDS = frozenset({"name", "origin", "display_name", "description", "startup_script"})
_HUB_WORDS = frozenset({"name", "origin", "display_name", "description", "options"})
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class TemplateError(InvalidInputError):
    """There is no such template, or not with these parameters; the text says what was expected."""


class TemplateCatalog:
    """All templates of this server. Not changed after it was made.

    Args:
        configured: Templates of whoever runs the server, which come before the built-in ones.
        allowed: Names or ids of those that may be used; empty for all.
        kinds: The kinds of workspaces that this server can have.
    """

    def __init__(
        self,
        configured: Sequence[Template] = (),
        *,
        allowed: Collection[str] = (),
        kinds: Collection[str] = ("process",),
    ) -> None:
        known = {template.id: template for template in (*configured, *_builtin())}
        self._templates = [
            template
            for template in known.values()
            if template.kind in kinds and (not allowed or {template.id, template.name} & set(allowed))
        ]

    def list(self) -> Sequence[Template]:
        """Return the templates that may be used, in a stable order."""
        return tuple(self._templates)

    def get(self, template_id: str) -> Template:
        """Return a template by its id.

        Raises:
            TemplateError: *template_id* is blank, is no id, or there is none that may be used.
        """
        wanted = template_id.strip()
        if not wanted:
            raise TemplateError("The template_id is missing: give one that list_templates shows.")
        try:
            canonical = str(uuid.UUID(wanted))
        except ValueError:
            raise TemplateError(
                f"Expected the id of a template, such as {_id_of('empty')}, came {wanted[:80]!r}. "
                "list_templates shows them."
            ) from None
        for template in self._templates:
            if template.id == canonical:
                return template
        raise TemplateError(f"There is no template {canonical}, or it may not be used. See list_templates.")


def check_parameters(template: Template, given: Mapping[str, str]) -> dict[str, str]:
    """Return all parameters of a workspace: what was given, what the template decided, and the defaults.

    Raises:
        TemplateError: one is missing, unknown or wrong; all problems are told together.
    """
    names = {parameter.name for parameter in template.parameters}
    problems = [f"{name}: there is no such parameter" for name in sorted(set(given) - names)]
    values = dict(template.fixed)
    for parameter in template.parameters:
        value = given.get(parameter.name, parameter.default)
        if value is None or (parameter.required and not value.strip()):
            problems.append(f"{parameter.name}: required, and missing. {parameter.description}")
        elif parameter.pattern and not re.fullmatch(parameter.pattern, value):
            problems.append(f"{parameter.name}: expected {parameter.hint}, came {value[:80]!r}")
        else:
            values[parameter.name] = value
    if problems:
        known = ", ".join(sorted(names)) or "none"
        raise TemplateError(
            f"Wrong parameters for the template {template.name}: {'; '.join(problems)}. It takes: {known}."
        )
    return values


def parse_template(value: Mapping[str, Any]) -> Template:
    """Return a template from the configuration.

    Raises:
        ValueError: it is malformed; the text says what was expected.
    """
    origin = _origin_of(value)
    if origin is Origin.HUB:
        return _parse_hub_template(value)
    parameters = _PARAMETERS[origin]
    names = {parameter.name for parameter in parameters}
    if unknown := sorted(set(value) - _WORDS - names):
        raise ValueError(f"unknown fields {unknown}; expected {sorted(_WORDS | names)}")
    if wrong := sorted(name for name, text in value.items() if not isinstance(text, str)):
        raise ValueError(f"{wrong} must be texts")
    name = _name_of(value)
    fixed = {key: text for key, text in value.items() if key in names}
    return _template(
        name,
        origin,
        display_name=value.get("display_name", ""),
        description=value.get("description", ""),
        startup_script=value.get("startup_script"),
        fixed=_checked(parameters, fixed),
    )


def _name_of(value: Mapping[str, Any]) -> str:
    name = value.get("name", "")
    if not _NAME.fullmatch(name):
        raise ValueError(f"expected a name of a-z, 0-9, _ and -, came {name!r}")
    return name


def _parse_hub_template(value: Mapping[str, Any]) -> Template:
    if unknown := sorted(set(value) - _HUB_WORDS):
        raise ValueError(f"unknown fields {unknown}; expected {sorted(_HUB_WORDS)}")
    texts = {key: text for key, text in value.items() if key in ("name", "display_name", "description")}
    if wrong := sorted(key for key, text in texts.items() if not isinstance(text, str)):
        raise ValueError(f"{wrong} must be texts")
    options = value.get("options", {})
    if not isinstance(options, Mapping):
        raise ValueError(f"options: expected a dict of what the spawner takes, came {options!r}")
    return _template(
        _name_of(value),
        Origin.HUB,
        kind="hub",
        display_name=texts.get("display_name", ""),
        description=texts.get("description", ""),
        options=dict(cast("Mapping[str, JsonValue]", options)),
        fixed={},
    )


def _origin_of(value: Mapping[str, Any]) -> Origin:
    try:
        return Origin(value.get("origin", ""))
    except ValueError:
        words = ", ".join(Origin)
        raise ValueError(f"origin: expected one of {words}, came {value.get('origin')!r}") from None


def _checked(parameters: Iterable[Parameter], fixed: dict[str, str]) -> dict[str, str]:
    for parameter in parameters:
        text = fixed.get(parameter.name)
        if text is not None and not re.fullmatch(parameter.pattern or ".*", text):
            raise ValueError(f"{parameter.name}: expected {parameter.hint}, came {text!r}")
    return fixed


def _template(name: str, origin: Origin, *, fixed: Mapping[str, str], **words: Any) -> Template:
    asked = tuple(parameter for parameter in _PARAMETERS[origin] if parameter.name not in fixed)
    return Template(id=_id_of(name), name=name, origin=origin, parameters=asked, fixed=fixed, **words)


def _id_of(name: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, name))


def _builtin() -> tuple[Template, ...]:
    texts = {
        Origin.EMPTY: ("Empty folder", "A new, empty folder."),
        Origin.FOLDER: (
            "Copy of a folder",
            "A copy of a folder of this machine; the original is left alone.",
        ),
        Origin.GIT: ("Git repository", "A clone of a git repository."),
        Origin.HUB: (
            "Another server",
            "Another server of the user on this JupyterHub, as its spawner starts it by default.",
        ),
    }
    return tuple(
        _template(origin.value, origin, kind=_kind_of(origin), display_name=title, description=text, fixed={})
        for origin, (title, text) in texts.items()
    )


def _kind_of(origin: Origin) -> str:
    return "hub" if origin is Origin.HUB else "process"
