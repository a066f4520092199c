import os
import pickle
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scanner.model import Chunk, DeadkeyError, Skip
from scanner.sources.files import FilesSource
from scanner.sources.interface import Item


@contextmanager
def unprivileged() -> Iterator[None]:
    """As somebody to whom permissions apply: root may read what mode 000 forbids."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def read(source: FilesSource) -> list[Chunk | Skip]:
    return [out for item in source.items() if isinstance(item, Item) for out in source.read(item)]


def test_a_folder_is_walked_in_order_without_links_special_files_and_git(tmp_path: Path) -> None:
    for name in ("b/z", "b/a", "a.txt", "c/.git/config", "c/.gitignore", "sub/.git-not/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "link").symlink_to(tmp_path / "a.txt")
    (tmp_path / "linked").symlink_to(tmp_path / "b")
    os.mkfifo(tmp_path / "pipe")
    items = list(FilesSource((str(tmp_path),)).items())
    assert [os.path.relpath(i.path, tmp_path) for i in items] == [
        "a.txt",
        "b/a",
        "b/z",
        "c/.gitignore",
        "sub/.git-not/x",
    ]
    assert items[0] == Item(str(tmp_path / "a.txt"), 5)


def test_paths_stay_as_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_bytes(b"one")
    (chunk,) = read(FilesSource(("./d",)))
    assert isinstance(chunk, Chunk)
    assert (chunk.data, chunk.origin.source, chunk.origin.path) == (b"one", "files", "./d/f")


def test_a_name_that_is_no_utf8_survives(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9"
    Path(os.fsdecode(name)).write_bytes(b"x")
    (chunk,) = read(FilesSource((str(tmp_path),)))
    assert isinstance(chunk, Chunk)
    assert chunk.origin.path is not None
    assert os.fsencode(chunk.origin.path) == name


@pytest.mark.parametrize("path", ["nowhere", "file/below", "nul\0byte"])
def test_a_path_that_does_not_exist_is_an_error_naming_it(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(DeadkeyError, match=r"^(nowhere|file/below|nul.byte): no such file or folder$"):
        list(FilesSource((path,)).items())


def test_a_named_link_is_skipped_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"x")
    (tmp_path / "link").symlink_to("real")
    (skip,) = FilesSource((str(tmp_path / "link"),)).items()
    assert skip == Skip(str(tmp_path / "link"), "is a symbolic link, which is never followed; name its target")


def test_what_was_swapped_or_removed_after_the_walk_is_skipped(tmp_path: Path) -> None:
    for name in ("link", "pipe", "gone"):
        (tmp_path / name).write_bytes(b"x")
    source = FilesSource((str(tmp_path),))
    items = [item for item in source.items() if isinstance(item, Item)]
    for name in ("link", "pipe", "gone"):
        (tmp_path / name).unlink()
    (tmp_path / "link").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe")
    reasons = {Path(s.path).name: s.reason for i in items for s in source.read(i) if isinstance(s, Skip)}
    assert reasons == {
        "gone": "cannot be read: it went away during the scan; scan again",
        "link": "is a symbolic link, which is never followed; name its target",
        "pipe": "cannot be read: not a regular file",
    }


def test_what_may_not_be_read_is_skipped_with_the_remedy() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "closed").mkdir(mode=0o700)
        (folder / "closed" / "inside").touch()
        (folder / "file").write_bytes(b"x")
        (folder / "file").chmod(0)
        (folder / "closed").chmod(0)
        source = FilesSource((name,))
        with unprivileged():
            found = list(source.items())
            found += [out for item in found if isinstance(item, Item) for out in source.read(item)]  # type: ignore[misc]
            named = list(FilesSource((name + "/closed/inside",)).items())
        (folder / "closed").chmod(0o700)
    why = "cannot be read: permission denied; run as a user who may read it"
    assert [skip for skip in found if isinstance(skip, Skip)] == [
        Skip(name + "/closed", why),
        Skip(name + "/file", why),
    ]
    assert named == [Skip(name + "/closed/inside", why)]


def test_folders_nested_deeper_than_recursion_allows_are_walked(tmp_path: Path) -> None:
    here = Path.cwd()
    depth = 1500
    try:
        os.chdir(tmp_path)
        for _ in range(depth):
            Path("d").mkdir()
            os.chdir("d")
        Path("f").write_bytes(b"deep")
        os.chdir(tmp_path)
        (item,) = FilesSource((".",)).items()
        assert item.path == "./" + "d/" * depth + "f"
    finally:
        # shutil.rmtree, which would clean up otherwise, recurses.
        os.chdir(str(tmp_path) + "/d" * depth)
        Path("f").unlink()
        for _ in range(depth):
            os.chdir("..")
            Path("d").rmdir()
        os.chdir(here)


def test_a_source_can_be_sent_to_another_process() -> None:
    source = FilesSource(("a", "b"))
    assert pickle.loads(pickle.dumps(source)) == source
