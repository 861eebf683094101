from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from jupyter_chatd.mcp.secret_file import SecretFile, ServerSecrets
from jupyter_chatd.mcp.trust import DECISIONS, FileTrustStore
from jupyter_chatd.private_file import PrivateFileError

pytestmark = pytest.mark.anyio


async def test_trust_is_about_one_path_and_one_content(tmp_path: Path) -> None:
    trust = FileTrustStore(tmp_path / "data")
    assert await trust.find("/a/.mcp.json", "1") is None
    await trust.set("/a/.mcp.json", "1", trusted=True)
    await trust.set("/b/.mcp.json", "1", trusted=False)
    again = FileTrustStore(tmp_path / "data")
    assert [await again.find(f"/{place}/.mcp.json", "1") for place in "abc"] == [True, False, None]
    assert await again.find("/a/.mcp.json", "2") is None


async def test_the_newest_decision_counts_and_old_ones_are_forgotten(tmp_path: Path) -> None:
    trust = FileTrustStore(tmp_path)
    await trust.set("/a", "0", trusted=True)
    await trust.set("/a", "0", trusted=False)
    assert await trust.find("/a", "0") is False
    for number in range(1, DECISIONS + 1):
        await trust.set("/a", str(number), trusted=True)
    assert await trust.find("/a", "0") is None
    assert await trust.find("/a", "1") is True


async def test_only_its_owner_may_read_the_file(tmp_path: Path) -> None:
    trust = FileTrustStore(tmp_path / "new" / "folder")
    await trust.set("/a", "0", trusted=True)
    path = tmp_path / "new" / "folder" / "mcp_trust.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    os.chmod(path, 0o644)
    with pytest.raises(PrivateFileError, match="chmod 600"):
        await trust.find("/a", "0")


@pytest.mark.parametrize("content", ["{", "[]", "\0"])
async def test_a_damaged_file_trusts_nothing_and_is_not_overwritten(tmp_path: Path, content: str) -> None:
    path = tmp_path / "mcp_trust.json"
    path.write_text(content)
    path.chmod(0o600)
    trust = FileTrustStore(tmp_path)
    with pytest.raises(PrivateFileError, match="Repair or delete it"):
        await trust.find("/a", "0")
    with pytest.raises(PrivateFileError):
        await trust.set("/a", "0", trusted=True)
    assert path.read_text() == content


def test_secrets_are_kept_by_config_id(tmp_path: Path) -> None:
    file = SecretFile(tmp_path)
    mine = ServerSecrets(env={"TOKEN": "größe"}, headers={"Authorization": "Bearer x"})
    file.set("1", mine)
    file.set("2", ServerSecrets())
    file.delete("2")
    file.delete("3")
    assert SecretFile(tmp_path).all() == {"1": mine}
    assert stat.S_IMODE((tmp_path / "mcp_secrets.json").stat().st_mode) == 0o600
    assert "Bearer" not in repr(mine)


def test_secrets_that_were_broken_by_hand_are_none(tmp_path: Path) -> None:
    path = tmp_path / "mcp_secrets.json"
    path.write_text('{"1": 2, "2": {"env": [], "headers": {"a": 1, "b": "c"}}}')
    path.chmod(0o600)
    assert SecretFile(tmp_path).all() == {"1": ServerSecrets(), "2": ServerSecrets(headers={"b": "c"})}
