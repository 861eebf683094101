"""Which server a process belongs to."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from jupyter_chatd.client.discovery import find_own_server
from jupyter_chatd.client.errors import ClientError, NoServerError
from jupyter_chatd.client.records import find_record, running_servers
from jupyter_chatd.client.server import Server, parse_address

DEAD = 2**22  # above the largest process id of Linux


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    return tmp_path


def record(folder: Path, pid: int, port: int = 8888, **fields: object) -> None:
    value = {
        "pid": pid,
        "url": f"http://localhost:{port}/",
        "base_url": "/",
        "token": f"token-{port}",
        "root_dir": "/home/me",
        "sock": "",
        **fields,
    }
    (folder / f"jpserver-{pid}.json").write_text(json.dumps(value))


def test_a_kernel_belongs_to_the_server_that_started_it(runtime: Path) -> None:
    record(runtime, 100, 8888)
    record(runtime, 200, 9999)
    found = find_own_server(environ={"JPY_PARENT_PID": "200"})
    assert found == Server(url="http://localhost:9999/", token="token-9999", root_dir="/home/me")


def test_a_named_server_comes_before_the_parent(runtime: Path, tmp_path: Path) -> None:
    record(runtime, 200, 9999)
    token_file = tmp_path / "token"
    token_file.write_text("written down\n")
    environ = {
        "JUPYTER_CHATD_URL": "https://far.example/user/me/lab",
        "JUPYTER_CHATD_TOKEN_FILE": str(token_file),
        "JPY_PARENT_PID": "200",
    }
    assert find_own_server(environ=environ) == Server(
        url="https://far.example/user/me/", token="written down"
    )


def test_an_argument_comes_before_everything(runtime: Path) -> None:
    found = find_own_server("http://127.0.0.1:1234", "given", environ={"JUPYTER_CHATD_URL": "http://other/"})
    assert found == Server(url="http://127.0.0.1:1234/", token="given")


def test_the_only_running_server_is_not_taken(runtime: Path) -> None:
    record(runtime, os.getpid())
    with pytest.raises(NoServerError) as error:
        find_own_server(environ={})
    assert len(error.value.tried) == 3
    assert "JUPYTER_CHATD_URL and JUPYTER_CHATD_TOKEN_FILE" in str(error.value)


def test_a_parent_without_record_is_named(runtime: Path) -> None:
    with pytest.raises(NoServerError, match="JPY_PARENT_PID is 77: no record"):
        find_own_server(environ={"JPY_PARENT_PID": "77"})


HUB = {"JUPYTERHUB_API_TOKEN": "hub", "JUPYTERHUB_SERVICE_PREFIX": "/user/me/"}


@pytest.mark.parametrize(
    "environ, url",
    [
        ({"JUPYTERHUB_SERVICE_URL": "http://127.0.0.1:4321/user/me/"}, "http://127.0.0.1:4321/user/me/"),
        ({"JUPYTERHUB_SERVICE_URL": "http://0.0.0.0:8888/user/me/"}, "http://127.0.0.1:8888/user/me/"),
        ({"JUPYTERHUB_SERVICE_URL": "http://:8888/user/me/"}, "http://127.0.0.1:8888/user/me/"),
        ({"JUPYTERHUB_PUBLIC_URL": "https://me.hub.example/user/me"}, "https://me.hub.example/user/me/"),
        ({"JUPYTERHUB_PUBLIC_HUB_URL": "https://hub.example/"}, "https://hub.example/user/me/"),
        ({"JUPYTERHUB_HOST": "https://hub.example"}, "https://hub.example/user/me/"),
    ],
)
def test_under_a_hub_the_hub_tells(runtime: Path, environ: Mapping[str, str], url: str) -> None:
    assert find_own_server(environ={**HUB, **environ}) == Server(url=url, token="hub")


def test_under_a_hub_the_parent_comes_first(runtime: Path) -> None:
    record(runtime, 200, 9999)
    environ = {**HUB, "JUPYTERHUB_SERVICE_URL": "http://127.0.0.1:1/", "JPY_PARENT_PID": "200"}
    assert find_own_server(environ=environ).url == "http://localhost:9999/"


def test_a_hub_that_tells_no_address_is_named(runtime: Path) -> None:
    with pytest.raises(NoServerError, match="neither JUPYTERHUB_SERVICE_URL nor"):
        find_own_server(environ={"JUPYTERHUB_API_TOKEN": "hub"})


def test_the_token_of_a_named_server_is_looked_up(runtime: Path) -> None:
    record(runtime, os.getpid(), 8888)
    assert find_own_server("http://127.0.0.1:8888/lab").token == "token-8888"
    assert find_own_server("http://127.0.0.1:8888/?token=mine").token == "mine"
    assert find_own_server("http://127.0.0.1:8889/").token == ""


def test_a_token_file_that_is_not_there_is_an_error() -> None:
    environ = {"JUPYTER_CHATD_URL": "http://localhost/", "JUPYTER_CHATD_TOKEN_FILE": "/no/such/file"}
    with pytest.raises(ClientError, match="JUPYTER_CHATD_TOKEN_FILE names /no/such/file"):
        find_own_server(environ=environ)


def test_records_of_the_dead_and_broken_ones_are_passed_over(runtime: Path) -> None:
    record(runtime, os.getpid())
    record(runtime, DEAD)
    (runtime / "jpserver-1.json").write_text('{"pid": 1, "ur')
    (runtime / "jpserver-2.json").write_text("[]")
    (runtime / "jpserver-3.json").write_text('{"pid": "3", "url": "http://x/"}')
    assert [one.pid for one in running_servers()] == [os.getpid()]
    assert find_record(2) is None


def test_a_server_on_a_socket_has_the_address_of_its_base(runtime: Path) -> None:
    record(runtime, 5, url="http+unix://%2Ftmp%2Fs/me/", sock="/tmp/s", base_url="/me/")
    found = find_record(5)
    assert found is not None
    assert (found.server.url, found.server.sock, found.server.shown) == (
        "http://localhost/me/",
        "/tmp/s",
        "unix:/tmp/s",
    )


@pytest.mark.parametrize(
    "text, url, token",
    [
        ("http://127.0.0.1:8888", "http://127.0.0.1:8888/", ""),
        (" http://127.0.0.1:8888/lab?token=abc ", "http://127.0.0.1:8888/", "abc"),
        ("https://hub.example/user/me/lab/tree/a.ipynb", "https://hub.example/user/me/", ""),
        ("http://[::1]:8888/tree", "http://[::1]:8888/", ""),
    ],
)
def test_addresses_as_people_copy_them(text: str, url: str, token: str) -> None:
    assert parse_address(text) == Server(url=url, token=token)


@pytest.mark.parametrize("text", ["", "localhost:8888", "ftp://host/", "http://", "/lab"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="Expected the address of a Jupyter server"):
        parse_address(text)


def test_a_token_is_not_shown() -> None:
    assert "secret" not in repr(Server(url="http://localhost/", token="secret"))
    with pytest.raises(ValueError, match="Expected the address") as error:
        parse_address("localhost:8888/?token=secret")
    assert "secret" not in str(error.value)
