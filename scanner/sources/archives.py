"""Archives and compressed files as streams of their members, within bounds and without writing anything by name.

Everything here is read from hostile input, so nothing is handed to code that sizes its buffers by what a header says:
zip's directory is read by `zipfile` under a limit, its members by the decoders below; tar's headers are parsed by
`tarfile`, its members are passed through as they stream by.
"""

from __future__ import annotations

import bz2
import io
import lzma
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from scanner.model import Chunk, Origin, Skip
from scanner.sources.windows import BLOCK, Readable, read_up_to, windows

DEPTH = 3
SPOOLED = 64 << 20
"""Bytes of a nested zip that are kept in memory; a larger one goes to an unlinked temporary file."""
MEMORY = 128 << 20
"""The largest window or dictionary, in bytes, that a compressed stream may ask for."""
RECORD = 512
NAMES = 1 << 20
"""The longest tar name or extended header, in bytes, that is looked at."""
DIRECTORY = 32 << 20
"""The largest zip directory, in bytes, that is opened."""


@dataclass(frozen=True)
class Limits:
    """What one outer archive may cost, whatever is nested in it. `ratio` counts from `ratio_from` bytes on."""

    unpacked: int = 1 << 30
    ratio: int = 200
    ratio_from: int = 10 << 20
    members: int = 100_000


class Seekable(Readable, Protocol):
    """A stream that can be gone back in."""

    def seek(self, offset: int, whence: int = 0, /) -> int: ...
    def tell(self) -> int: ...


class _Exceeded(Exception):
    """A bound was reached. The message completes "the archive …"."""


class _Budget:
    """What one outer archive of `packed` bytes has used of its limits."""

    def __init__(self, limits: Limits, packed: int) -> None:
        self.limits, self.packed = limits, packed
        self.unpacked = self.members = 0
        self.over: str | None = None

    def room(self) -> int:
        """Bytes that may still be unpacked."""
        by_ratio = max(self.limits.ratio_from, self.limits.ratio * self.packed)
        return min(self.limits.unpacked, by_ratio) - self.unpacked

    def unpack(self, n: int) -> None:
        self.unpacked += n
        if self.room() < 0:
            by_size = self.unpacked > self.limits.unpacked
            bound = f"{self.limits.unpacked:,} bytes" if by_size else f"{self.limits.ratio} times its size"
            self._stop(f"unpacks to more than {bound}")

    def member(self) -> None:
        self.members += 1
        if self.members > self.limits.members:
            self._stop(f"has more than {self.limits.members:,} members")

    def _stop(self, why: str) -> None:
        self.over = f"{why}; the rest was not scanned: unpack it and scan the folder"
        raise _Exceeded(self.over)


# Decoders: one shape over four libraries, with bounded output ---------------------------------------------------------


class _Decoder(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Zlib:
    """zlib's decompressor in the shape of bz2's and lzma's."""

    def __init__(self, wbits: int) -> None:
        self._zlib = zlib.decompressobj(wbits)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        out = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        # A full buffer may leave output behind inside zlib even when all input is taken.
        self.needs_input = len(out) < max_length
        return out


class _Zstandard:
    """zstandard's decompressor, which knows no bound on its output, fed in steps small enough to keep one.

    A kilobyte can hold 256 blocks of 128 KiB at most, so a step yields 32 MiB at worst.
    """

    STEP = 1024

    def __init__(self) -> None:
        import zstandard

        self._zstd = zstandard.ZstdDecompressor(max_window_size=MEMORY).decompressobj()
        self._pending = memoryview(b"")

    @property
    def eof(self) -> bool:
        return self._zstd.eof

    @property
    def unused_data(self) -> bytes:
        return self._zstd.unused_data + bytes(self._pending)

    @property
    def needs_input(self) -> bool:
        return not self._pending

    def decompress(self, data: bytes, max_length: int) -> bytes:
        import zstandard

        if data:
            self._pending = memoryview(bytes(self._pending) + data)
        out, length = [], 0
        while self._pending and length < max_length and not self._zstd.eof:
            step, self._pending = self._pending[: self.STEP], self._pending[self.STEP :]
            try:
                out.append(self._zstd.decompress(step))
            except zstandard.ZstdError as e:
                raise ValueError(str(e)) from e
            length += len(out[-1])
        return b"".join(out)


def _lzma1(properties: bytes) -> _Decoder:
    """A decoder for zip's method 14, by the five bytes of properties (section 5.8.8 of the zip specification)."""
    first, dictionary = struct.unpack("<BI", properties)
    if first >= 225 or dictionary > MEMORY:
        raise ValueError("bad LZMA properties")
    chain = {"id": lzma.FILTER_LZMA1, "dict_size": dictionary, "lc": first % 9, "lp": first // 9 % 5, "pb": first // 45}
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[chain])


_DECODERS: dict[str, Callable[[], _Decoder]] = {
    "gzip": lambda: _Zlib(31),
    "bzip2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=2 * MEMORY),
    "zstd": _Zstandard,
}
_ZIP_METHODS: dict[int, Callable[[], _Decoder]] = {8: lambda: _Zlib(-15), 12: bz2.BZ2Decompressor, 93: _Zstandard}


def recognise(head: bytes) -> str | None:
    """What the first bytes of a file (512 are enough) say it is: a compression, `zip`, `tar` or None."""
    if head[:3] == b"\x1f\x8b\x08" and not head[3:4] > b"\x1f":
        return "gzip"
    if head[:3] == b"BZh" and head[4:10] in (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90"):
        return "bzip2"
    if head[:6] == b"\xfd7zXZ\0":
        return "xz"
    if head[:4] == b"\x28\xb5\x2f\xfd" or (head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50):
        return "zstd"
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return "zip"
    return "tar" if _tar_header(head) else None


class Unpacked:
    """A compressed stream's content, with every member of a concatenation. Ends early, with `problem` set, when broken.

    `form` is one of gzip, bzip2, xz and zstd. What could be read before the break is read.
    """

    def __init__(self, stream: Readable, form: str) -> None:
        self.problem: str | None = None
        self._stream, self._form = stream, form
        self._make: Callable[[], _Decoder] | None = _DECODERS.get(form)
        self._decoder: _Decoder | None = None
        self._input = self._ready = b""
        self._budget: _Budget | None = None

    @classmethod
    def once(cls, stream: Readable, decoder: _Decoder) -> Unpacked:
        """The content of a single compressed run, as in a zip: what follows its end is not looked at."""
        self = cls(stream, "")
        self._decoder = decoder
        return self

    def within(self, budget: _Budget) -> Unpacked:
        """The same, reading no more than the budget has room for."""
        self._budget = budget
        return self

    def read(self, n: int, /) -> bytes:
        """At most `n` bytes, fewer only at the end."""
        out = []
        while n > 0 and (piece := self._take(n)):
            out.append(piece)
            n -= len(piece)
        return out[0] if len(out) == 1 else b"".join(out)

    def _take(self, n: int) -> bytes:
        if not self._ready and self.problem is None:
            try:
                self._ready = self._decode(min(n, BLOCK))
                if self._budget:
                    room, length = self._budget.room(), len(self._ready)
                    self._ready = self._ready[: max(room, 0)]
                    self._budget.unpack(length)
            except _Exceeded as e:
                self.problem = str(e)
            except (zlib.error, lzma.LZMAError, EOFError, OSError, ValueError):
                # bz2 says OSError. The libraries' own words may quote content and help nobody.
                self.problem = "is damaged: only what stands before the damage was scanned"
        piece, self._ready = self._ready[:n], self._ready[n:]
        return piece

    def _decode(self, n: int) -> bytes:
        while True:
            if self._decoder is None or self._decoder.eof:
                if not self._next_member():
                    return b""
                continue
            data = b""
            if self._decoder.needs_input:
                data = self._input or self._stream.read(BLOCK >> 4)
                self._input = b""
                if not data:
                    self.problem = "ends early: only what could be unpacked was scanned"
                    return b""
            if out := self._decoder.decompress(data, n):
                return out

    def _next_member(self) -> bool:
        if self._make is None:
            return False
        rest = (self._decoder.unused_data if self._decoder else b"") + self._input
        self._input = b""
        while len(rest) < RECORD and (more := self._stream.read(RECORD)):
            rest = (rest + more).lstrip(b"\0") if self._decoder else rest + more  # padding, as tapes and xz have it
        rest = rest.lstrip(b"\0") if self._decoder else rest
        if not rest:
            return False
        if self._decoder and recognise(rest) != self._form:
            self.problem = f"goes on after its end with bytes that are no {self._form} and were not scanned"
            return False
        self._decoder, self._input = self._make(), rest
        return True


class _Joined:
    """Bytes that were read already, then the stream they were read from, to `length` bytes in all when given."""

    def __init__(self, head: bytes, stream: Readable, length: int | None = None) -> None:
        self._head, self._stream, self.left = head, stream, length

    def read(self, n: int, /) -> bytes:
        if self.left is not None:
            n = min(n, self.left)
        if n <= 0:
            return b""
        piece, self._head = (self._head[:n], self._head[n:]) if self._head else (self._stream.read(n), b"")
        if self.left is not None:
            self.left -= len(piece)
        return piece


# Walking an archive ---------------------------------------------------------------------------------------------------


def unpack(file: Seekable, path: str, kind: str, limits: Limits | None = None) -> Iterator[Chunk | Skip]:
    """Windows of a seekable `file`, or of its members where it is an archive, as `path!/member` of source `kind`.

    What a bound cut off, what is encrypted and what is damaged comes as a Skip naming it. Raises OSError when `file`
    cannot be read.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    yield from _Walk(kind, _Budget(limits or Limits(), size)).scan(file, path, 0, file)


@dataclass(frozen=True)
class _Walk:
    kind: str
    budget: _Budget

    def scan(self, stream: Readable, path: str, depth: int, file: Seekable | None = None) -> Iterator[Chunk | Skip]:
        """`stream` from its beginning; `file` is the same thing where it can be sought in."""
        head = read_up_to(stream, BLOCK >> 4)
        form = recognise(head[:RECORD])
        rest = _Joined(head, stream)
        if form is None:
            yield from windows(rest, Origin(self.kind, path))
        elif depth >= DEPTH:
            yield Skip(path, f"is an archive more than {DEPTH} deep in others: unpack it and scan the folder")
        elif form == "tar":
            yield from self._tar(rest, path, depth)
        elif form == "zip":
            yield from self._zip(rest, path, depth, file)
        else:
            content = Unpacked(rest, form).within(self.budget)
            inner = read_up_to(content, RECORD)
            joined = _Joined(inner, content)
            if recognise(inner) == "tar":
                yield from self._tar(joined, path, depth)
            else:
                yield from self.scan(joined, path, depth + 1)
            # A reader inside may have stopped short of the end; only the end says whether the stream is whole.
            while content.problem is None and content.read(BLOCK):
                pass
            if content.problem:
                yield Skip(path, content.problem)

    def _tar(self, stream: Readable, path: str, depth: int) -> Iterator[Chunk | Skip]:
        name: str | None = None
        size: int | None = None
        while header := read_up_to(stream, RECORD):
            if not header.strip(b"\0"):
                break
            info = _tar_header(header)
            if info is None:
                if not self.budget.over:
                    yield Skip(path, "is a damaged tar: only the members before the damage were scanned")
                return
            kind = info.type
            if kind in (b"L", b"x", b"X"):
                text = _joined_padding(stream, info.size)
                if kind == b"L":
                    name = _text(text.rstrip(b"\0"))
                else:
                    extended = _pax(text)
                    name = _text(extended[b"path"]) if b"path" in extended else name
                    digits = extended.get(b"size", b"")
                    size = int(digits) if digits.isdigit() and len(digits) < 20 else None
                continue
            if kind == b"S":  # GNU sparse: the map goes on in records of its own, the data are the parts that are
                more = header[482:483] != b"\0"
                while more and len(record := read_up_to(stream, RECORD)) == RECORD:
                    more = record[504:505] != b"\0"
            member = f"{path}!/{name or info.name}"
            length = max(size if size is not None else info.size, 0)
            name = size = None
            if kind in (b"1", b"2", b"3", b"4", b"5", b"6"):  # links, devices, folders, fifos have no data
                continue
            try:
                self.budget.member()
            except _Exceeded as e:
                yield Skip(path, str(e))
                return
            content = _Joined(b"", stream, length)
            if kind not in (b"K", b"g"):
                yield from self.scan(content, member, depth + 1)
            while content.read(BLOCK):
                pass
            if content.left:
                if not self.budget.over:
                    yield Skip(member, "ends early: only what the archive holds of it was scanned")
                return
            read_up_to(stream, -length % RECORD)
            if self.budget.over:
                return

    def _zip(self, stream: Readable, path: str, depth: int, file: Seekable | None) -> Iterator[Chunk | Skip]:
        if file is not None:
            yield from self._zip_file(file, path, depth)
            return
        with tempfile.SpooledTemporaryFile(max_size=SPOOLED) as spooled:
            while piece := stream.read(BLOCK):
                spooled.write(piece)
            yield from self._zip_file(spooled, path, depth)

    def _zip_file(self, file: Seekable, path: str, depth: int) -> Iterator[Chunk | Skip]:
        try:
            members = zipfile.ZipFile(_Guarded(file)).infolist()
        except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error, EOFError):
            # ValueError takes in names that are no UTF-8. What is stored rather than packed can still be seen.
            yield Skip(path, "is a damaged or unknown kind of zip: its members could not be unpacked; repair it")
            file.seek(0)
            yield from windows(file, Origin(self.kind, path))
            return
        for n, info in enumerate(members):
            if info.is_dir():
                continue
            name = f"{path}!/{info.filename}"
            try:
                self.budget.member()
                content = _zip_member(file, info)
            except _Exceeded as e:
                yield Skip(path, str(e), count=len(members) - n)
                return
            except ValueError as e:
                yield Skip(name, str(e))
                continue
            content.within(self.budget)
            yield from self.scan(content, name, depth + 1)
            while content.problem is None and content.read(BLOCK):
                pass
            if content.problem:
                yield Skip(name, content.problem)
            if self.budget.over:
                return


class _At:
    """A run of bytes in a file that others seek in too."""

    def __init__(self, file: Seekable, offset: int, length: int) -> None:
        self._file, self._offset, self._end = file, offset, offset + length

    def read(self, n: int, /) -> bytes:
        self._file.seek(self._offset)
        piece = self._file.read(max(min(n, self._end - self._offset), 0))
        self._offset += len(piece)
        return piece


class _Stored:
    """The decoder of what is not compressed: ends with its input, so needs its length."""

    needs_input = True
    unused_data = b""

    def __init__(self, length: int) -> None:
        self._left = length

    @property
    def eof(self) -> bool:
        return self._left <= 0

    def decompress(self, data: bytes, max_length: int) -> bytes:
        self._left -= len(data)
        return data


def _zip_member(file: Seekable, info: zipfile.ZipInfo) -> Unpacked:
    """The content of one member. Raises ValueError saying why it cannot be read."""
    if info.flag_bits & 0x1:
        raise ValueError("is encrypted: unpack it with its password and scan the folder")
    file.seek(info.header_offset)
    header = file.read(30)
    if len(header) < 30 or header[:4] != b"PK\x03\x04":
        raise ValueError("is damaged: its header is not where the archive says")
    name_length, extra_length = struct.unpack("<HH", header[26:30])
    begin, length = info.header_offset + 30 + name_length + extra_length, info.compress_size
    if info.compress_type == 14:
        file.seek(begin)
        properties = file.read(9)
        if len(properties) < 9 or properties[2:4] != b"\x05\0":
            raise ValueError("is damaged: its LZMA header makes no sense")
        decoder, begin, length = _lzma1(properties[4:]), begin + 9, length - 9
        if not info.flag_bits & 0x2:  # no end marker: the decoder cannot tell the end, the directory does
            decoder = _Sized(decoder, info.file_size)
    elif info.compress_type == 0:
        decoder = _Stored(length)
    elif info.compress_type in _ZIP_METHODS:
        decoder = _ZIP_METHODS[info.compress_type]()
    else:
        raise ValueError(
            f"is packed by a method that is not known here ({info.compress_type}): unpack it and scan that"
        )
    return Unpacked.once(_At(file, begin, length), decoder)


class _Sized:
    """A decoder whose end is known by the length of its output."""

    def __init__(self, decoder: _Decoder, length: int) -> None:
        self._decoder, self._left = decoder, length

    unused_data = b""

    @property
    def eof(self) -> bool:
        return self._left <= 0 or self._decoder.eof

    @property
    def needs_input(self) -> bool:
        return self._decoder.needs_input

    def decompress(self, data: bytes, max_length: int) -> bytes:
        out = self._decoder.decompress(data, min(max_length, self._left))
        self._left -= len(out)
        return out


class _Guarded(io.RawIOBase):
    """A file for `zipfile` to read the directory from, which refuses to read more than a directory's worth at once."""

    def __init__(self, file: Seekable) -> None:
        self._file = file

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, n: int = -1, /) -> bytes:
        if n > DIRECTORY:
            raise zipfile.BadZipFile("its directory is too large")
        return self._file.read(n)


def _tar_header(record: bytes) -> tarfile.TarInfo | None:
    """A tar header, known by its checksum, so that tars from before `ustar` are known too."""
    if len(record) < RECORD or record[148:156].strip(b" 01234567\0"):  # the checksum's place, in octal digits
        return None
    try:
        return tarfile.TarInfo.frombuf(record[:RECORD], "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError, IndexError, struct.error):
        return None


def _joined_padding(stream: Readable, length: int) -> bytes:
    """The data of a header member, empty if longer than any honest one; the stream stands at the next header after."""
    data = read_up_to(stream, length) if length <= NAMES else b""
    left = length - len(data) + -length % RECORD
    while left > 0 and (piece := stream.read(min(left, BLOCK))):
        left -= len(piece)
    return data


def _pax(text: bytes) -> dict[bytes, bytes]:
    """The records `length key=value\\n` of a pax header, as far as they make sense."""
    records = {}
    at = 0
    while at < len(text):
        digits, space, _ = text[at : at + 8].partition(b" ")
        if not space or not digits.isdigit() or int(digits) <= len(digits) + 1:
            break
        key, equals, value = text[at + len(digits) + 1 : at + int(digits) - 1].partition(b"=")
        if equals:
            records[key] = value
        at += int(digits)
    return records


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
