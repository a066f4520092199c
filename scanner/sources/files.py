"""Files and folders as they stand, archives opened."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import FileIO

from scanner.model import Chunk, DeadkeyError, Location, Origin, Skip
from scanner.sources.interface import Item

BESIDE_FILES = 64
BESIDE_BYTES = 256 << 10
"""Of a folder around a place so many files are read, of at most so many bytes each."""
SMALL = 4 << 20
"""Files of at most so many bytes are read at once."""

# A link put in a file's place after the walk is not followed (O_NOFOLLOW), nor does a fifo put there hang (O_NONBLOCK).
_FLAGS = os.O_RDONLY
for _name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY"):
    _FLAGS |= getattr(os, _name, 0)


def reason(error: OSError) -> str:
    """Why a file or folder cannot be read, as one phrase with the remedy where there is one."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return "cannot be read: permission denied; run as a user who may read it"
    if error.errno == errno.ENOENT:
        return "cannot be read: it went away during the scan; scan again"
    if error.errno == errno.ELOOP:
        return "is a symbolic link, which is never followed; name its target"
    return f"cannot be read: {(error.strerror or 'input error').lower()}"


def open_regular(path: str, links: bool = False) -> FileIO:
    """Open a regular file unbuffered. A symbolic link is followed only if `links`. Raises OSError for anything else."""
    flags = _FLAGS & ~getattr(os, "O_NOFOLLOW", 0) if links else _FLAGS
    fd = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file")
    return FileIO(fd, "rb")


def check_exists(path: str, links: bool = False) -> os.stat_result | Skip:
    """The status of a path that the user named. Raises DeadkeyError if there is no such file or folder."""
    try:
        return (os.stat if links else os.lstat)(path)
    except (FileNotFoundError, NotADirectoryError, ValueError) as e:
        raise DeadkeyError(f"{path}: no such file or folder") from e
    except OSError as e:
        return Skip(path, reason(e))


def walk(folder: str, wanted: Callable[[str, str], bool] = lambda path, name: True) -> Iterator[Item | Skip]:
    """Every regular file below `folder` that is `wanted(path, name)`, in the order of names, folder by folder.

    Symbolic links, special files and `.git` folders are left out; a folder that cannot be read comes as a Skip.
    """
    stack = [folder]
    while stack:
        path = stack.pop()
        if isinstance(found := _list(path), Skip):
            yield found
            continue
        below = []
        for entry in found:
            try:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name != ".git":
                        below.append(entry.path)
                elif entry.is_file(follow_symlinks=False) and wanted(entry.path, entry.name):
                    yield Item(entry.path, entry.stat(follow_symlinks=False).st_size)
            except OSError as e:
                yield Skip(entry.path, reason(e))
        stack.extend(reversed(below))


def _list(folder: str) -> list[os.DirEntry[str]] | Skip:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as e:
        return Skip(folder, reason(e))


def beside(paths: Sequence[str]) -> Iterator[tuple[int, bytes]]:
    """For each path, by its number, the contents of the small files in its folder, its own included. What stands in an archive
    is left alone."""
    for number, path in enumerate(paths):
        listed = _list(os.path.dirname(path) or ".") if path and "!/" not in path else []
        read = 0
        for entry in listed if not isinstance(listed, Skip) else ():
            try:
                if not entry.is_file(follow_symlinks=False) or entry.stat(follow_symlinks=False).st_size > BESIDE_BYTES:
                    continue
                with open_regular(entry.path) as file:
                    yield number, file.read(BESIDE_BYTES)
            except OSError:
                continue  # it was named when it was scanned
            read += 1
            if read == BESIDE_FILES:
                break


@dataclass(frozen=True)
class FilesSource:
    """Files and folders by name (`os.fsdecode` form). Symbolic links are never followed."""

    paths: tuple[str, ...]
    kind: str = "files"

    def items(self) -> Iterator[Item | Skip]:
        """Each path's regular files. Raises DeadkeyError for a path that does not exist."""
        for path in dict.fromkeys(self.paths):
            status = check_exists(path)
            if isinstance(status, Skip):
                yield status
            elif stat.S_ISDIR(status.st_mode):
                yield from walk(path)
            elif stat.S_ISREG(status.st_mode):
                yield Item(path, status.st_size)
            elif stat.S_ISLNK(status.st_mode):
                yield Skip(path, reason(OSError(errno.ELOOP, "")))
            else:
                yield Skip(path, reason(OSError(errno.EINVAL, "not a regular file")))

    def beside(self, places: Sequence[Location]) -> Iterator[tuple[int, bytes]]:
        """For each place, by its number, the contents of the small files in its folder, its own included."""
        return beside([place.path or "" for place in places])

    def read(self, item: Item) -> Iterator[Chunk | Skip]:
        """Windows of the file, or of its members when it is an archive."""
        from scanner.sources.archives import RECORD, recognise, unpack  # much to import for those who only walk

        try:
            with open_regular(item.path) as file:
                # most files are small, and read at once; only at its end does a regular file give less than asked for
                data = file.read(item.size + 1) if item.size <= SMALL else b""
                if len(data) == item.size <= SMALL and recognise(data[:RECORD]) is None:
                    if data:
                        yield Chunk(data, Origin(self.kind, item.path))
                else:
                    yield from unpack(file, item.path, self.kind)
        except OSError as e:
            yield Skip(item.path, reason(e))
