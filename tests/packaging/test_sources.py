"""What must stay true between files that name the same thing twice."""

import ast
import json
import re
import sys
import tomllib
from importlib.metadata import packages_distributions, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from jupyter_chatd import __version__

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "labextension" / "yarn.lock"


def front_end_manifest() -> dict[str, dict[str, str]]:
    return json.loads((ROOT / "labextension" / "package.json").read_text())


def imported_names(module: Path) -> set[str]:
    """Return the top-level packages that *module* imports by absolute name, wherever in the file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def declared_distributions() -> set[str]:
    """Return what pyproject.toml promises to whoever runs the agent, with the extras that it asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared: set[str] = set()
    extras = project["optional-dependencies"]
    optional = [line for name in ("bedrock", "google", "mcp", "widgets") for line in extras[name]]
    for requirement in map(Requirement, [*project["dependencies"], *optional]):  # the optional on first use
        declared.add(canonicalize_name(requirement.name))
        for extra in requirement.extras:
            declared |= distributions_of_extra(requirement.name, extra)
    return declared


def distributions_of_extra(distribution: str, extra: str) -> set[str]:
    optional = [Requirement(line) for line in requires(distribution) or [] if "extra ==" in line]
    return {
        canonicalize_name(found.name)
        for found in optional
        if found.marker and found.marker.evaluate({"extra": extra})
    }


def test_every_import_of_the_package_is_a_declared_dependency() -> None:
    imports: set[str] = set().union(*map(imported_names, (ROOT / "jupyter_chatd").rglob("*.py")))
    foreign = imports - sys.stdlib_module_names - {"jupyter_chatd"}
    distributions = packages_distributions()

    undeclared = {
        name
        for name in foreign
        if declared_distributions().isdisjoint(map(canonicalize_name, distributions.get(name, [name])))
    }
    assert undeclared == set()


def test_server_and_front_end_have_one_version() -> None:
    assert front_end_manifest()["version"] == __version__


def test_every_jupyterlab_package_is_pinned() -> None:
    """A new package joins `resolutions` in package.json: some of the newest patches cannot be installed."""
    locked = re.findall(r'^  resolution: "(@jupyterlab/[\w-]+)@npm:([^"]+)"$', LOCK.read_text(), re.MULTILINE)
    pinned = front_end_manifest()["resolutions"]

    assert dict(locked) == {name: pinned.get(name) for name, _ in locked}


def test_the_lock_file_names_no_registry() -> None:
    assert "://" not in LOCK.read_text()
