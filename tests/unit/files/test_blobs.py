from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from jupyter_chatd.files.blobs import BlobFolder, BlobMissingError, digest_of

DATA = b"some bytes"
DIGEST = digest_of(DATA)


@pytest.fixture
def blobs(folder: Path) -> BlobFolder:
    return BlobFolder(folder)


def test_bytes_are_kept_privately_under_their_digest(blobs: BlobFolder, folder: Path) -> None:
    blobs.write(DIGEST, DATA)
    assert [path.name for path in folder.iterdir()] == [DIGEST]
    assert stat.S_IMODE((folder / DIGEST).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert blobs.read(DIGEST, size=len(DATA)) == DATA


def test_bytes_that_are_there_are_not_written_again(blobs: BlobFolder, folder: Path) -> None:
    blobs.write(DIGEST, DATA)
    before = (folder / DIGEST).stat()
    blobs.write(DIGEST, DATA)
    after = (folder / DIGEST).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_blob_that_was_cut_is_missing_and_can_be_written_anew(blobs: BlobFolder, folder: Path) -> None:
    blobs.write(DIGEST, DATA)
    (folder / DIGEST).write_bytes(DATA[:3])
    assert not blobs.has(DIGEST, size=len(DATA))
    with pytest.raises(BlobMissingError, match="should have 10 bytes"):
        blobs.read(DIGEST, size=len(DATA))
    blobs.write(DIGEST, DATA)
    assert blobs.read(DIGEST, size=len(DATA)) == DATA


def test_a_link_instead_of_a_blob_is_not_followed(blobs: BlobFolder, folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(DATA)
    folder.mkdir(parents=True)
    (folder / DIGEST).symlink_to(secret)
    with pytest.raises(BlobMissingError):
        blobs.read(DIGEST, size=len(DATA))


@pytest.mark.parametrize(
    "name", ["", "..", "../chats.db", "A" * 64, "a" * 63, f"{'a' * 63}/", "a" * 64 + "\n"]
)
def test_only_digests_are_names(blobs: BlobFolder, name: str) -> None:
    for use in (
        lambda: blobs.read(name, size=1),
        lambda: blobs.write(name, b"x"),
        lambda: blobs.remove(name),
        lambda: blobs.has(name, size=1),
    ):
        with pytest.raises(ValueError, match="expected a SHA-256"):
            use()


def test_a_failed_write_leaves_nothing(
    blobs: BlobFolder, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        blobs.write(DIGEST, DATA)
    assert list(folder.iterdir()) == []


def test_the_listing_knows_what_is_old_and_clears_scratch_files(blobs: BlobFolder, folder: Path) -> None:
    assert blobs.digests(older_than_s=0) == set()
    old, new = digest_of(b"old"), digest_of(b"new")
    blobs.write(old, b"old")
    blobs.write(new, b"new")
    (folder / ".tmp-left").touch()
    (folder / "a stranger's").touch()
    for name in (old, ".tmp-left", "a stranger's"):
        os.utime(folder / name, (time.time() - 4000, time.time() - 4000))
    assert blobs.digests(older_than_s=50) == {old}
    assert {path.name for path in folder.iterdir()} == {old, new, "a stranger's"}
