"""Templates, their parameters, and the names of workspaces."""

from __future__ import annotations

import re
from typing import Any

import pytest

from jupyter_chatd.workspaces.names import name_for
from jupyter_chatd.workspaces.templates import (
    TemplateCatalog,
    TemplateError,
    check_parameters,
    parse_template,
)
from jupyter_chatd.workspaces.values import Template

COURSE = {"name": "course", "origin": "git", "url": "https://host/course.git", "startup_script": "make"}


def find(catalog: TemplateCatalog, name: str) -> Template:
    return next(one for one in catalog.list() if one.name == name)


def test_a_configured_template_asks_only_for_what_is_open() -> None:
    catalog = TemplateCatalog([parse_template(COURSE)])
    assert [one.name for one in catalog.list()] == ["course", "empty", "folder", "git"]
    course = find(catalog, "course")
    assert [parameter.name for parameter in course.parameters] == ["branch", "depth"]
    assert check_parameters(course, {"branch": "main"}) == {
        "url": "https://host/course.git",
        "branch": "main",
        "depth": "",
    }
    with pytest.raises(TemplateError, match="url: there is no such parameter"):
        check_parameters(course, {"url": "https://elsewhere"})


def test_ids_are_the_same_on_every_server() -> None:
    first, second = (find(TemplateCatalog(), "empty").id for _ in range(2))
    assert first == second == TemplateCatalog().get(first.upper()).id


def test_only_allowed_templates_are_there() -> None:
    git = find(TemplateCatalog(), "git")
    catalog = TemplateCatalog(allowed=["empty", git.id])
    assert [one.name for one in catalog.list()] == ["empty", "git"]
    with pytest.raises(TemplateError, match="may not be used"):
        catalog.get(find(TemplateCatalog(), "folder").id)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"origin": "cvs"}, "origin: expected one of empty, folder, git"),
        ({"name": "No!"}, "expected a name"),
        ({"colour": "red"}, "unknown fields"),
        ({"depth": "many"}, "depth: expected a whole number"),
        ({"url": 3}, "must be texts"),
    ],
)
def test_malformed_templates_are_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        parse_template(COURSE | change)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("trial", "trial"),
        ("a-b-2", "a-b-2"),
        ("My Trial!", r"my-trial-[0-9a-f]{4}"),
        ("x" * 40, r"x{27}-[0-9a-f]{4}"),
        ("a--b", r"a-b-[0-9a-f]{4}"),
        ("é!", r"workspace-[0-9a-f]{4}"),
        ("  ", r"course-[0-9a-f]{4}"),
        (None, r"course-[0-9a-f]{4}"),
    ],
)
def test_names(wanted: str | None, expected: str) -> None:
    assert re.fullmatch(expected, name_for(wanted, "course"))


GPU = {"name": "gpu", "origin": "hub", "description": "Has a GPU.", "options": {"profile": "gpu", "hours": 2}}


def test_a_template_of_a_hub_is_what_its_spawner_is_told() -> None:
    catalog = TemplateCatalog([parse_template(GPU)], kinds=("process", "hub"))
    assert [one.name for one in catalog.list()] == ["gpu", "empty", "folder", "git", "hub"]
    gpu, default = find(catalog, "gpu"), find(catalog, "hub")
    assert (gpu.kind, gpu.options, gpu.parameters) == ("hub", {"profile": "gpu", "hours": 2}, ())
    assert (default.kind, default.options, default.parameters) == ("hub", {}, ())
    assert "gpu" not in [one.name for one in TemplateCatalog([parse_template(GPU)]).list()]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": "No!"}, "expected a name"),
        ({"startup_script": "make"}, "unknown fields"),
        ({"options": "gpu"}, "options: expected a dict"),
        ({"description": 3}, "must be texts"),
    ],
)
def test_malformed_templates_of_a_hub_are_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse_template({**GPU, **change})
