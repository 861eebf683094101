"""Where the secrets of a server are, and what runs outside the sandbox."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_chatd.places import code_files, code_folders, private_places, secret_places


@pytest.fixture
def server(tmp_path: Path) -> Any:
    """What is asked of a `ServerApp`."""
    (tmp_path / "runtime").mkdir()
    for name in ("cookie", "settings.py", "server.log"):
        (tmp_path / name).touch()
    log = logging.getLogger(str(tmp_path))
    log.addHandler(logging.FileHandler(tmp_path / "server.log", delay=True))
    return SimpleNamespace(
        config_dir=str(tmp_path / "config"),
        runtime_dir=str(tmp_path / "runtime"),
        kernel_manager=SimpleNamespace(connection_dir=""),
        info_file=str(tmp_path / "runtime" / "jpserver-1.json"),
        cookie_secret_file=str(tmp_path / "cookie"),
        loaded_config_files=[str(tmp_path / "settings.py")],
        log=log,
    )


def test_secrets_are_found_wherever_they_were_put(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    for name in ("jupyter_server_config.json", "jupyter_nbconvert_config.py"):
        (shared / name).touch()
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(shared))
    found = secret_places(server)
    for name in ("config", "runtime", "cookie", "settings.py", "server.log"):
        assert tmp_path / name in found
    assert shared / "jupyter_server_config.json" in found
    assert shared / "jupyter_nbconvert_config.py" not in found


def test_the_users_other_servers_count(server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    assert tmp_path / "data" / "runtime" in secret_places(server)


def test_a_file_that_the_server_prints_to_is_secret(tmp_path: Path) -> None:
    program = (
        "import logging, sys; from jupyter_chatd.places import _log_files;"
        "sys.stderr.write(str(list(_log_files(logging.Logger('x')))))"
    )
    with (tmp_path / "nohup.out").open("wb") as out:
        done = subprocess.run(
            [sys.executable, "-c", program], stdout=out, stderr=subprocess.PIPE, text=True, check=True
        )
    assert done.stderr == str([str(tmp_path / "nohup.out")])


def test_what_runs_outside_is_the_environment_and_what_programs_start_with(tmp_path: Path) -> None:
    found = code_files({"PATH": f"{tmp_path}/bin:relative:"}, tmp_path)
    assert {f"{tmp_path}/bin", f"{tmp_path}/.bashrc", f"{tmp_path}/.ssh"} <= set(found)
    assert not {"relative", "", "/", "/usr"} & set(found)


def test_folders_of_kernels_and_of_ipython_run_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("IPYTHONDIR", raising=False)
    assert {str(tmp_path / "data"), str(tmp_path / ".ipython")} <= set(code_folders(tmp_path))
    assert str(tmp_path / "data" / "notebook_secret") in private_places(tmp_path)


FORGET = "import sys; from jupyter_chatd.places import forget_workspace_modules as forget"


@pytest.mark.parametrize(
    ("workspace", "path", "forgotten"), [(".", "", True), ("elsewhere", "", False), (".", ".", False)]
)
def test_a_server_that_was_started_in_the_workspace_does_not_import_from_it(
    tmp_path: Path, workspace: str, path: str, forgotten: bool
) -> None:
    """`python -m` in it; a folder that the user put on the path stays."""
    (tmp_path / "started.py").write_text(
        f"{FORGET}\nprint(forget(sys.argv[1]), {str(tmp_path)!r} in sys.path)"
    )
    root = str(Path(__file__).parents[2])
    own = [str(tmp_path)] if path else []
    done = subprocess.run(
        [sys.executable, "-m", "started", str(tmp_path / workspace)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*own, root])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(forgotten), str(not forgotten)]
