import io
import resource
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.model import Origin
from scanner.sources.stdin import StdinSource
from scanner.sources.windows import windows

ORIGIN = Origin("test", "x")


class Dribble(io.RawIOBase):
    """A stream that, as a pipe may, gives at most a few bytes at a time."""

    def __init__(self, data: bytes) -> None:
        self.file = io.BytesIO(data)

    def read(self, n: int = -1) -> bytes:
        return self.file.read(min(n, 3))


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([b"\n", b"a", b"bc", b"\r\n", b"\xff"]), max_size=120).map(b"".join),
    st.integers(0, 7),
    st.integers(1, 30),
    st.booleans(),
)
def test_windows_tile_any_stream_and_carry_context_and_position(
    data: bytes, reach: int, more: int, dribble: bool
) -> None:
    size = 2 * reach + more
    stream = Dribble(data) if dribble else io.BytesIO(data)
    chunks = list(windows(stream, ORIGIN, size, reach))
    if len(data) <= size:
        assert [(c.data, c.fresh) for c in chunks] == ([(data, None)] if data else [])
        return
    line_starts = [0] + [i + 1 for i, byte in enumerate(data) if byte == 10]
    reached = 0
    for chunk in chunks:
        assert len(chunk.data) <= size
        assert chunk.fresh is not None
        ((begin, end),) = chunk.fresh
        base = reached - begin
        assert data[base : base + len(chunk.data)] == chunk.data
        assert begin >= reach or base == 0
        assert len(chunk.data) - end >= reach or base + len(chunk.data) == len(data)
        assert chunk.first_line == 1 + data.count(b"\n", 0, base)
        assert chunk.first_column == base - line_starts[chunk.first_line - 1] + 1
        assert end > begin
        reached = base + end
    assert reached == len(data)


def test_a_window_must_be_longer_than_its_context() -> None:
    with pytest.raises(ValueError, match="longer"):
        list(windows(io.BytesIO(b"x"), ORIGIN, 8, 4))


def test_standard_input_of_one_long_line_is_read_in_bounded_memory() -> None:
    program = """
import resource, sys
from scanner.sources.stdin import StdinSource
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
source = StdinSource()
chunks = columns = 0
for item in source.items():
    for chunk in source.read(item):
        chunks += 1
        column = chunk.first_column
print(chunks, chunk.first_line, column, item.path, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    total = 200 << 20
    feeder = f"import sys\nfor _ in range({total >> 20}): sys.stdout.buffer.write(b'x' * (1 << 20))"
    with subprocess.Popen([sys.executable, "-c", feeder], stdout=subprocess.PIPE) as pipe:
        done = subprocess.run([sys.executable, "-c", program], stdin=pipe.stdout, capture_output=True, check=True)
    chunks, line, column, path, grown = done.stdout.split()
    step = (16 << 20) - (64 << 10)
    assert int(chunks) == -(-total // step)
    assert (int(line), int(column)) == (1, (int(chunks) - 1) * step + 1)
    assert path == b"<stdin>"
    assert int(grown) * (1 if sys.platform == "darwin" else 1024) < 100 << 20
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss > 0


def test_standard_input_is_one_item() -> None:
    assert [item.path for item in StdinSource().items()] == ["<stdin>"]
