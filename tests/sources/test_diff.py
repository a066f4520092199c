import io
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scanner.model import Chunk, DeadkeyError, Skip
from scanner.sources.diff import PatchSource, added_chunks
from scanner.sources.interface import Item

ENV = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{who}_{what}": "a@b.example" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}


def git(where: Path, *arguments: str, ok: tuple[int, ...] = (0,)) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=where, env=ENV, capture_output=True)
    assert done.returncode in ok, done.stderr
    return done.stdout


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    return tmp_path


def commit(repo: Path, message: str = "m") -> None:
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", message, "--allow-empty")


def parsed(patch: bytes) -> tuple[list[Chunk], list[Skip]]:
    out = list(added_chunks(io.BytesIO(patch), "diff"))
    return [c for c in out if isinstance(c, Chunk)], [s for s in out if isinstance(s, Skip)]


def added(patch: bytes) -> list[tuple[str | None, int, bytes]]:
    """Path, line number and bytes of every added line; there must be no Skip."""
    chunks, skips = parsed(patch)
    assert skips == []
    lines = []
    for chunk in chunks:
        for begin, end in chunk.touch or ():
            number = chunk.first_line + chunk.data.count(b"\n", 0, begin)
            for line in (
                chunk.data[begin:end].splitlines(keepends=True)
                if b"\r" not in chunk.data
                else (chunk.data[begin:end].replace(b"\n", b"\n\0").rstrip(b"\0").split(b"\0"))
            ):
                lines.append((chunk.origin.path, number, line))
                number += 1
    return lines


def test_added_lines_come_with_their_hunk_and_numbers(repo: Path) -> None:
    (repo / "f").write_bytes(b"".join(b"%d\n" % n for n in range(1, 31)))
    commit(repo)
    lines = [b"%d\n" % n for n in range(1, 31)]
    lines[9:10] = [b"ten\n", b"-- and\n", b"++ more\n"]
    (repo / "f").write_bytes(b"".join(lines))
    (chunk,), _ = parsed(git(repo, "diff"))
    assert chunk.data == b"7\n8\n9\nten\n-- and\n++ more\n11\n12\n13\n"
    assert chunk.touch == ((6, 25),)
    assert (chunk.first_line, chunk.origin.source, chunk.origin.path) == (7, "diff", "f")


NAMES = ["plain", "with blank", "tab\there", 'quo"te', "back\\slash", "b/b", "a/deep/er", "ünï", "new\nline", "x b/x"]


@pytest.mark.parametrize("options", [[], ["--no-prefix"], ["--src-prefix=old/", "--dst-prefix=new/"], ["-U0"], ["-M"]])
@pytest.mark.parametrize("quote", ["true", "false"])
def test_paths_are_read_however_they_are_written(repo: Path, options: list[str], quote: str) -> None:
    names = [os.fsencode(name) for name in NAMES] + [b"latin-\xe9"]
    for name in names:
        path = repo / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"one\n")
    commit(repo)
    for name in names:
        with (repo / os.fsdecode(name)).open("ab") as file:
            file.write(b"two\n")
    changed = git(repo, "-c", f"core.quotePath={quote}", "diff", *options)
    assert sorted(added(changed)) == sorted((os.fsdecode(n), 2, b"two\n") for n in names)
    commit(repo)
    root = git(
        repo,
        "-c",
        f"core.quotePath={quote}",
        "diff",
        *options,
        git(repo, "hash-object", "-t", "tree", os.devnull).decode().strip(),
        "HEAD",
    )
    assert sorted(added(root)) == sorted(
        (os.fsdecode(n), i, t) for n in names for i, t in ((1, b"one\n"), (2, b"two\n"))
    )


def test_mnemonic_prefixes_of_what_is_staged(repo: Path) -> None:
    (repo / "i").mkdir()
    (repo / "i" / "f").write_bytes(b"one\n")
    git(repo, "add", "-A")
    assert added(git(repo, "-c", "diff.mnemonicPrefix=true", "diff", "--cached")) == [("i/f", 1, b"one\n")]


def test_renames_modes_binaries_and_deletions(repo: Path) -> None:
    (repo / "old name").write_bytes(b"".join(b"%d\n" % n for n in range(40)))
    (repo / "tool").write_bytes(b"x\n")
    (repo / "gone").write_bytes(b"secret\n")
    (repo / "bin").write_bytes(bytes(range(256)))
    commit(repo)
    (repo / "sub").mkdir()
    (repo / "old name").rename(repo / "sub" / "new name")
    with (repo / "sub" / "new name").open("ab") as file:
        file.write(b"added\n")
    (repo / "tool").chmod(0o755)
    (repo / "gone").unlink()
    (repo / "bin").write_bytes(bytes(range(255, -1, -1)) * 9)
    git(repo, "add", "-A")
    for options in ([], ["--binary"], ["--no-prefix"]):
        assert added(git(repo, "diff", "--cached", "-M", *options)) == [("sub/new name", 41, b"added\n")]


def test_no_newline_at_the_end_on_either_side(repo: Path) -> None:
    for name, old, new in [("a", b"x", b"y"), ("b", b"x\n", b"y"), ("c", b"x", b"x\ny\n"), ("d", b"x", b"k\nx")]:
        (repo / name).write_bytes(old)
        (repo / f"{name}.new").write_bytes(new)
    commit(repo)
    for name in "abcd":
        (repo / f"{name}.new").rename(repo / name)
    chunks, skips = parsed(git(repo, "diff", "--", "a", "b", "c", "d"))
    assert [c.data for c in chunks] == [b"y", b"y", b"x\ny\n", b"k\nx"]
    assert [c.touch for c in chunks] == [((0, 1),), ((0, 1),), ((0, 4),), ((0, 2),)]
    assert skips == []


def test_carriage_returns_in_contents_stay(repo: Path) -> None:
    (repo / "f").write_bytes(b"a\r\n")
    commit(repo)
    (repo / "f").write_bytes(b"a\r\nb\r\nc\rd\r\n")
    assert added(git(repo, "diff")) == [("f", 2, b"b\r\n"), ("f", 3, b"c\rd\r\n")]


def test_a_patch_whose_lines_were_all_made_crlf(repo: Path) -> None:
    (repo / "f").write_bytes(b"a\n\nb\n")
    commit(repo)
    (repo / "f").write_bytes(b"a\n\nb\nc\n")
    assert added(git(repo, "diff").replace(b"\n", b"\r\n")) == [("f", 4, b"c\r\n")]


def test_mails_with_text_that_looks_like_patches(repo: Path) -> None:
    (repo / "f").write_bytes(b"a\n")
    commit(repo)
    (repo / "f").write_bytes(b"a\nb\n")
    commit(repo, "second\n\n--- not a header\n+ nor an added line\n-- \nnor a signature")
    (repo / "g").write_bytes(b"g\n")
    commit(repo, "third")
    mails = git(repo, "format-patch", "--stdout", "HEAD~2")
    assert added(mails) == [("f", 2, b"b\n"), ("g", 1, b"g\n")]
    assert added(b"garbage\n\n" + mails + b"\x00\xff more\n") == [("f", 2, b"b\n"), ("g", 1, b"g\n")]
    assert added(git(repo, "log", "-p", "--reverse", "HEAD~2..")) == [("f", 2, b"b\n"), ("g", 1, b"g\n")]


def test_a_merge_with_two_and_three_parents(repo: Path) -> None:
    base = [b"%d\n" % n for n in range(20)]
    (repo / "f").write_bytes(b"".join(base))
    commit(repo)
    for n, branch in enumerate(("one", "two")):
        git(repo, "checkout", "-q", "-b", branch, "main")
        (repo / "f").write_bytes(b"".join([*base[:10], b"%s\n" % branch.encode(), *base[10:]]))
        (repo / f"only{n}").write_bytes(b"x\n")
        commit(repo)
    git(repo, "merge", "-q", "one", ok=(1,))
    (repo / "f").write_bytes(b"".join([*base[:10], b"merged\n", b"one\n", *base[10:]]))
    commit(repo, "merge")
    for form in ("--cc", "-c"):
        patch = git(repo, "show", form, "HEAD")
        assert patch.count(b"@@@") == 2
        assert added(patch) == [("f", 11, b"merged\n")]  # the next line is of one parent
    tree = git(repo, "rev-parse", "HEAD^{tree}").decode().strip()
    parents = [part for branch in ("main", "one", "HEAD^1") for part in ("-p", branch)]
    octopus = git(repo, "commit-tree", tree, "-m", "three", *parents).decode().strip()
    patch = git(repo, "show", "-c", octopus)
    assert patch.count(b"@@@@") == 2
    assert added(patch) == [("f", 11, b"merged\n")]


def test_plain_diffs(tmp_path: Path) -> None:
    for folder, text in (("old", b"a\n"), ("new", b"a\nb\n")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "my file").write_bytes(text)
    (tmp_path / "new" / "extra").write_bytes(b"e\n")
    out = subprocess.run(["diff", "-ruN", "old", "new"], cwd=tmp_path, capture_output=True).stdout
    assert added(out) == [("new/extra", 1, b"e\n"), ("new/my file", 2, b"b\n")]
    assert added(b"--- a/f\n+++ b/f\n@@ -0,0 +1 @@\n+x\n") == [("f", 1, b"x\n")]
    assert added(b"--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+x\n") == [("f", 1, b"x\n")]


def test_a_context_line_whose_blank_was_trimmed() -> None:
    assert added(b"--- a/f\n+++ b/f\n@@ -1,3 +1,4 @@\n a\n\n+x\n b\n") == [("f", 3, b"x\n")]


HEADER = b"--- a/f\n+++ b/f\n"
MALFORMED = [
    (HEADER + b"@@ -1,2 +1,9 @@\n a\n+x\n", "which ends early", True),
    (
        HEADER + b"@@ -1,9 +1,9 @@\n a\n+x\ndiff --git a/g b/g\n",
        "which does not hold the lines that its header says",
        True,
    ),
    (HEADER + b"@@ -1 +1 @@\n a\n+x\n", "which goes on after the lines that its header says", False),
    (HEADER + b"@@ -5,2 +5,1 @@\n+x\n+y\n a\n b\n", "which does not hold the lines that its header says", True),
]


@pytest.mark.parametrize(("patch", "problem", "some"), MALFORMED)
def test_counts_that_lie_are_named_by_file_and_line(patch: bytes, problem: str, some: bool) -> None:
    chunks, skips = parsed(patch)
    assert skips == [Skip("f", f"malformed hunk at line 3 of the patch, {problem}: make the diff again")]
    assert bool(chunks) == some


def test_a_hunk_without_a_file_and_one_with_an_odd_header_are_named() -> None:
    _, (skip,) = parsed(b"text\n@@ -1 +1 @@\n+x\n")
    assert "line 2 of the patch has no file header" in skip.reason
    _, (skip,) = parsed(HEADER + b"@@ -1 -1 +1 @@\n+x\n")
    assert skip.path == "f"
    assert skip.reason.startswith("malformed hunk header at line 3")


def test_what_is_no_diff_is_an_error_and_nothing_is_nothing() -> None:
    with pytest.raises(DeadkeyError, match=r"^the input holds no unified diff$"):
        parsed(b"hello\nworld\n")
    assert parsed(b"") == ([], [])
    assert parsed(b"\n\n") == ([], [])


def test_a_prefix_is_put_before_paths() -> None:
    patch = io.BytesIO(HEADER + b"@@ -0,0 +1 @@\n+x\n")
    (chunk,) = added_chunks(patch, "staged", "sub/")
    assert isinstance(chunk, Chunk)
    assert (chunk.origin.source, chunk.origin.path) == ("staged", "sub/f")


def test_a_large_hunk_is_cut_at_line_ends() -> None:
    line = b"y" * 99 + b"\n"
    count = 400_000
    patch = HEADER + b"@@ -0,0 +1,%d @@\n" % count + (b"+" + line) * count
    chunks, skips = parsed(patch)
    assert skips == []
    assert len(chunks) == 3
    assert b"".join(c.data for c in chunks) == line * count
    number = 1
    for chunk in chunks:
        assert len(chunk.data) <= 16 << 20
        assert (chunk.first_line, chunk.fresh) == (number, None)
        assert chunk.touch == ((0, len(chunk.data)),)
        number += chunk.data.count(b"\n")


def test_a_line_longer_than_a_chunk_is_cut_with_context() -> None:
    size = 40 << 20
    patch = HEADER + b"@@ -1 +1,2 @@\n a\n+" + b"x" * size + b"\n"
    chunks, skips = parsed(patch)
    assert skips == []
    reached = 0
    for chunk in chunks:
        assert len(chunk.data) <= 16 << 20
        ((begin, end),) = chunk.fresh or ((0, len(chunk.data)),)
        position = reached - begin
        assert (chunk.first_line, chunk.first_column) == ((2, position - 2 + 1) if position else (1, 1))
        assert chunk.touch == ((0 if position else 2, len(chunk.data)),)
        reached += end - begin
    assert reached == size + 3


texts = st.lists(
    st.sampled_from([b"a", b"b", b"", b"-- x", b"++ y", b"@@ -1 +1 @@", b"\\ No newline", b"c\r", b"\xff\x01", b" "]),
    max_size=14,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(old=texts, new=texts, old_end=st.booleans(), new_end=st.booleans(), context=st.integers(0, 4))
def test_what_git_marks_as_added_is_what_comes_out(
    tmp_path: Path, old: list[bytes], new: list[bytes], old_end: bool, new_end: bool, context: int
) -> None:
    contents = []
    for name, lines, end in (("old", old, old_end), ("new", new, new_end)):
        contents.append(b"\n".join(lines) + (b"\n" if end and lines else b""))
        (tmp_path / name).write_bytes(contents[-1])
    command = ["diff", "--no-index", "--text", f"-U{context}", "old", "new"]
    patch = git(tmp_path, *command, ok=(0, 1))
    after = contents[1].split(b"\n")
    after = [line + b"\n" for line in after[:-1]] + ([after[-1]] if after[-1] else [])
    # git's own count of what it added, and the new file's own lines at those numbers.
    numstat = git(tmp_path, *command[:3], "--numstat", "old", "new", ok=(0, 1)).split()
    chunks, skips = parsed(patch)
    assert skips == []
    marked = 0
    for chunk in chunks:
        begin = chunk.first_line - 1
        lines = after[begin : begin + chunk.data.count(b"\n") + (not chunk.data.endswith(b"\n"))]
        assert chunk.data == b"".join(lines)
        for start, stop in chunk.touch or ():
            assert start == 0 or chunk.data[start - 1 : start] == b"\n"
            assert stop == len(chunk.data) or chunk.data[stop - 1 : stop] == b"\n"
            marked += chunk.data.count(b"\n", start, stop) + (not chunk.data[start:stop].endswith(b"\n"))
    assert marked == (int(numstat[0]) if numstat else 0)
    # Taking the added lines out of the new file leaves what -U0 says was kept.
    zero = git(tmp_path, *command[:3], "-U0", "old", "new", ok=(0, 1))
    assert {(n, line) for _, n, line in added_by_hand(zero)} == {
        (chunk.first_line + i, line)
        for chunk in chunks
        for i, line in enumerate(line + b"\n" for line in chunk.data.removesuffix(b"\n").split(b"\n"))
        if any(a <= sum(len(x) + 1 for x in chunk.data.split(b"\n")[:i]) < b for a, b in chunk.touch or ())
    }


def added_by_hand(zero: bytes) -> list[tuple[None, int, bytes]]:
    """The added lines of a diff without context, where every `+` line follows its hunk header's count."""
    out, lines, at = [], zero.split(b"\n"), 0
    while at < len(lines):
        if lines[at].startswith(b"@@ "):
            removed, kept = lines[at].split(b" ")[1:3]
            skip = int((removed.split(b",") + [b"1"])[1])
            first, count = (int(n) for n in (kept[1:].split(b",") + [b"1"])[:2])
            at += 1
            body = [line for line in lines[at:] if not line.startswith(b"\\ No newline at")][skip : skip + count]
            out += [(None, first + n, line[1:] + b"\n") for n, line in enumerate(body)]
            at += skip + count
            continue
        at += 1
    return out


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(0, 10_000), st.integers(0, 10_000))
def test_no_damage_crashes(noise: bytes, at: int, upto: int) -> None:
    patch = (
        HEADER
        + b"@@ -1,3 +1,4 @@ f()\n a\n+x\n b\n c\n\\ No newline at end of file\n"
        + HEADER.replace(b"f", b'"q\\303')
    )
    begin, end = sorted((at % len(patch), upto % len(patch)))
    try:
        parsed(patch[:begin] + noise + patch[end:])
    except DeadkeyError as e:
        assert "holds no unified diff" in str(e)


def test_a_patch_file(tmp_path: Path) -> None:
    patch = tmp_path / "x.patch"
    patch.write_bytes(HEADER + b"@@ -0,0 +1 @@\n+x\n")
    source = PatchSource(str(patch))
    (item,) = source.items()
    assert item == Item(str(patch), patch.stat().st_size)
    assert isinstance(item, Item)
    (chunk,) = source.read(item)
    assert isinstance(chunk, Chunk)
    assert (chunk.data, chunk.origin.source, chunk.origin.path) == (b"x\n", "diff", "f")
    patch.write_bytes(b"prose\n")
    with pytest.raises(DeadkeyError, match=r"x\.patch holds no unified diff"):
        list(source.read(item))
    with pytest.raises(DeadkeyError, match=r"nowhere: no such file"):
        list(PatchSource(str(tmp_path / "nowhere")).items())
    with pytest.raises(DeadkeyError, match="not a regular file"):
        list(PatchSource(str(tmp_path)).items())


def test_a_patch_on_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(HEADER + b"@@ -0,0 +1 @@\n+x\n")))
    source = PatchSource("-")
    (item,) = source.items()
    assert isinstance(item, Item)
    (chunk,) = source.read(item)
    assert isinstance(chunk, Chunk)
    assert chunk.origin.path == "f"
