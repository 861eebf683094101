"""What people install: the wheel is whole, and installing it is enough to have the agent enabled."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_chatd import __version__

ROOT = Path(__file__).parents[2]
STEM = f"jupyter_chatd-{__version__}"
BUNDLE = "jupyter_chatd/labextension"
DATA = f"{STEM}.data/data"
LABEXTENSION = f"{DATA}/share/jupyter/labextensions/jupyter-chatd"
SERVER_CONFIG = "etc/jupyter/jupyter_server_config.d/jupyter_chatd.json"


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the source distribution and the wheel that was built from it.

    `make bundle` came before: no node is in reach here, so nothing builds the front end a second time.
    """
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, path=os.devnull)
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(dist / f"{STEM}-py3-none-any.whl") as opened:
        yield opened


@pytest.fixture(scope="module")
def installed(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the `bin` folder of a new environment: the wheel, and dependencies lent by this one.

    The `.pth` line lends this environment's packages but not what their own `.pth` files add, which is how
    an editable install of the project works: so the wheel is what gets imported.
    """
    home = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", "--without-pip", home)
    python = home / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", *dist.glob("*.whl"))
    purelib = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    Path(purelib, "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python.parent


def run(*command: str | Path, path: str = os.environ["PATH"]) -> str:
    """Return what *command* printed, both streams; fail with it when the command fails.

    The configuration of Jupyter and the package in the working folder are out of its sight.
    """
    env = {key: value for key, value in os.environ.items() if not key.startswith(("JUPYTER", "PYTHON"))}
    env |= {"JUPYTER_NO_CONFIG": "1", "PATH": path, "PYTHONNOUSERSITE": "1", "PYTHONSAFEPATH": "1"}
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    return done.stdout


def listing(*command: str | Path) -> str:
    """Return what *command* printed as one line, without colours and with single spaces."""
    return " ".join(re.sub(r"\x1b\[\d*m", "", run(*command)).split())


def tracked(folder: str) -> set[str]:
    """Return the paths of the files below *folder* that belong to the project, as git knows them."""
    if not (ROOT / ".git").exists():
        pytest.skip("needs the git checkout to know which files belong to the project")
    return set(run("git", "-C", ROOT, "ls-files", folder).splitlines())


def test_the_wheel_carries_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    assert tracked("jupyter_chatd") <= set(wheel.namelist())


def test_the_wheel_enables_the_server_extension(wheel: zipfile.ZipFile) -> None:
    config = json.loads(wheel.read(f"{DATA}/{SERVER_CONFIG}"))

    assert config == {"ServerApp": {"jpserver_extensions": {"jupyter_chatd": True}}}


def test_the_wheel_carries_the_built_front_end(wheel: zipfile.ZipFile) -> None:
    manifest = json.loads(wheel.read(f"{LABEXTENSION}/package.json"))
    built = manifest["jupyterlab"]["_build"]

    assert manifest["version"] == __version__
    assert built["load"].startswith("static/remoteEntry.")
    assert {f"{LABEXTENSION}/{built['load']}", f"{LABEXTENSION}/install.json"} <= set(wheel.namelist())


def test_the_wheel_carries_what_draws_the_widgets_once(wheel: zipfile.ZipFile) -> None:
    static = [
        Path(name) for name in wheel.namelist() if Path(name).parent.name == "static" and "widgets" in name
    ]
    names = "|".join(sorted(path.name for path in static))

    assert re.fullmatch(r"loader\.js\|novnc-\w+\.js\|widgets-\w+\.js", names)


def test_the_wheel_carries_the_license_and_nothing_of_the_workshop(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    tops = {name.split("/")[0] for name in names}

    assert f"{STEM}.dist-info/licenses/LICENSE" in names
    assert tops == {"jupyter_chatd", f"{STEM}.data", f"{STEM}.dist-info"}
    assert not {name for name in names if "node_modules" in name or name.startswith(BUNDLE)}


def test_the_source_distribution_needs_no_node_to_build(dist: Path) -> None:
    with tarfile.open(dist / f"{STEM}.tar.gz") as opened:
        names = {name.split("/", 1)[1] for name in opened.getnames()}

    assert {f"{BUNDLE}/package.json", "labextension/src/index.ts", "LICENSE", "README.md"} <= names
    assert not {name for name in names if "node_modules" in name or name.startswith((".venv", ".ci"))}


def test_installing_the_wheel_enables_the_server_extension(installed: Path) -> None:
    extensions = listing(installed / "python", "-m", "jupyter_server.extension.serverextension", "list")

    assert "jupyter_chatd enabled" in extensions
    assert f"jupyter_chatd {__version__} OK" in extensions


def test_installing_the_wheel_enables_the_front_end(installed: Path) -> None:
    extensions = listing(installed / "python", "-m", "jupyterlab.labextensions", "list")

    assert f"jupyter-chatd v{__version__} enabled OK (python, jupyter_chatd)" in extensions


def test_installing_the_wheel_adds_the_command(installed: Path) -> None:
    usage = run(installed / "python", "-m", "jupyter", "chatd", "--help", path=str(installed))

    assert "Usage: " in usage
