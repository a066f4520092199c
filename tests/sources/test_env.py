import base64
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.model import Chunk, DeadkeyError, Origin, Skip
from scanner.sources.env import EnvSource, env_chunks, process_environment
from scanner.sources.interface import Item


def parsed(data: bytes, path: str = ".env") -> list[tuple[int, bytes]]:
    """Line and `KEY=value` of each variable; the whole must come last, as long as the file and with its line ends."""
    *values, whole = env_chunks(data, Origin("env", path))
    assert len(whole.data) == len(data)
    assert (whole.first_line, whole.first_column, whole.fresh) == (1, 1, None)
    assert [i for i, b in enumerate(whole.data) if b == 10] == [i for i, b in enumerate(data) if b == 10]
    assert all(new in (old, 32) for new, old in zip(whole.data, data, strict=True))
    return [(v.first_line, v.data) for v in values]


def rest(data: bytes, path: str = ".env") -> bytes:
    return list(env_chunks(data, Origin("env", path)))[-1].data


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"A=b", b"A=b"),
        (b"A = b c  ", b"A=b c"),
        (b"A=b # comment", b"A=b"),
        (b"A=b#c", b"A=b#c"),
        (b"A= # only a comment", None),
        (b"A=", None),
        (b"A='single $x \\n # no'  # yes", b"A=single $x \\n # no"),
        (b'A="double \\"q\\" \\\\ \\n\\t\\$x # no" # yes', b'A=double "q" \\ \n\t$x # no'),
        (b'A=`back "tick" \'s`', b'A=back "tick" \'s'),
        (b"export A=b", b"A=b"),
        (b"A: value", b"A=value"),
        (b"A=b=c==", b"A=b=c=="),
        (b"a.b-c=d", b"a.b-c=d"),
        (b'A="never closed', b'A="never closed'),
        (b"\xef\xbb\xbfA=b", b"A=b"),
        (b"A=b\r\n", b"A=b"),
        (b'A="b"\r\n', b"A=b"),
        (b"# A=b", None),
        (b"A=caf\xc3\xa9 \xff", b"A=caf\xc3\xa9 \xff"),
        (b'$env:A = "b `"q`" ""r"" `n"', b'A=b "q" "r" \n'),
        (b"${env:A} = 'it''s'", b"A=it's"),
        (b"set A=b c", b"A=b c"),
        (b'SET "A=b & c"', b"A=b & c"),
        (b"setenv A 'b c'", b"A=b c"),
        (b"set -gx A b", b"A=b"),
        (b"set -x A 'b c' d", b"A=b c"),
        (b"set --global --export A b", b"A=b"),
        (b'ENV A="b c"', b"A=b c"),
    ],
)
def test_a_line_in_any_format(text: bytes, value: bytes | None) -> None:
    assert parsed(text) == ([(1, value)] if value is not None else [])
    assert parsed(b"\n\n" + text + b"\nZ=z\n" if not text.startswith(b"\xef") else text) == (
        [(3 if not text.startswith(b"\xef") else 1, value)] if value is not None else []
    ) + ([(4 + text.count(b"\n"), b"Z=z")] if not text.startswith(b"\xef") else [])


def test_quoted_values_of_several_lines() -> None:
    data = b"A=1\nKEY=\"-----BEGIN\nabc\\nxyz\n-----END\"\nB='x\r\ny'\nC=3\n"
    assert parsed(data) == [
        (1, b"A=1"),
        (2, b"KEY=-----BEGIN\nabc\nxyz\n-----END"),
        (5, b"B=x\ny"),
        (7, b"C=3"),
    ]


def test_columns_are_the_files_own() -> None:
    chunks = list(env_chunks(b"\n  export  LONG_NAME=value\nA='b'\n", Origin("env", ".env")))
    for chunk, column in zip(chunks, (21, 4), strict=False):
        assert chunk.first_column + chunk.data.index(b"=") + 1 == column


def test_comments_and_what_is_not_understood_are_still_looked_at_and_values_only_once() -> None:
    data = b"# old: token-one\nA=token-two # was token-three\nwhat is this token-four\n"
    left = rest(data)
    assert left == data.replace(b"token-two", b" " * 9)


SHELL = b"""#!/bin/sh
export A=b C="d e" F='g'\\''h' # export NO=no
PLAIN=v1; OTHER=v2
readonly R="a\\"b\\n"
    declare -x D=dd
X=$(command "sub") cmd
export P="two
lines"
echo not=this
Q="x" R2='y' run
"""


def test_shell() -> None:
    assert parsed(SHELL, "deploy.sh") == [
        (2, b"A=b"),
        (2, b"C=d e"),
        (2, b"F=g'h"),
        (3, b"PLAIN=v1"),
        (4, b'R=a"b\\n'),
        (5, b"D=dd"),
        (6, b"X=$"),
        (7, b"P=two\nlines"),
        (10, b"Q=x"),
        (10, b"R2=y"),
    ]
    assert b"OTHER=v2" in rest(SHELL, "deploy.sh")


def test_what_a_shell_itself_makes_of_it_agrees(tmp_path: Path) -> None:
    script = tmp_path / "x.sh"
    script.write_bytes(b'export A=b"c d"\'e\'\\ f\nexport B="x\\$y\\\\z\\\nw"\nexport C=\'#\'"#"#\n')
    out = subprocess.run(
        ["/bin/sh", "-c", '. "$0"; printf "%s\\0" "A=$A" "B=$B" "C=$C"', str(script)], capture_output=True, check=True
    ).stdout
    assert [value for _, value in parsed(script.read_bytes(), "x.sh")] == out.split(b"\0")[:-1]


def test_systemd() -> None:
    data = b"""[Service]
Environment="A=b c" D=e 'F=g\\th'
Environment=URL=https://x.example/?a=1&b=2;c \\
  NEXT=n
EnvironmentFile=/etc/default/x
"""
    assert parsed(data, "x.service") == [
        (2, b"A=b c"),
        (2, b"D=e"),
        (2, b"F=g\th"),
        (3, b"URL=https://x.example/?a=1&b=2;c"),
        (4, b"NEXT=n"),
        (5, b"EnvironmentFile=/etc/default/x"),
    ]


COMPOSE = """# café 🎉
services:
  web:
    image: x
    environment:
      - A=b
      - "C=d \\"e\\""
      - ONLY_NAMED
    labels: {k: v}
  db:
    environment:
      PASSWORD: 'it''s ü'
      EMPTY:
      NUMBER: 12
      LONG: |
        first
        second
  shared: &s
    env: {FLOW: flow}
  again: *s
  pod:
    env:
      - name: NAMED
        value: given
      - name: REF
        valueFrom: {secretKeyRef: {name: n, key: k}}
"""


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_compose(mark: bytes, newline: bytes) -> None:
    data = mark + COMPOSE.encode().replace(b"\n", newline)
    assert parsed(data, "compose.yaml") == [
        (6, b"A=b"),
        (7, b'C=d "e"'),
        (12, "PASSWORD=it's ü".encode()),
        (14, b"NUMBER=12"),
        (16, b"LONG=first\nsecond\n"),
        (19, b"FLOW=flow"),
        (24, b"NAMED=given"),
    ]
    left = rest(data, "compose.yaml")
    assert "café 🎉".encode() in left
    assert b"ONLY_NAMED" in left
    assert "ü".encode() not in left
    assert b"second" not in left


def test_kubernetes_secrets_are_decoded_and_nothing_else_is() -> None:
    encoded = base64.b64encode(b"user:\xffword").decode()
    data = f"""apiVersion: v1
kind: ConfigMap
data: {{X: {encoded}}}
---
kind: Secret
metadata: {{name: s}}
data:
  LOGIN: {encoded}
  BROKEN: "%%%"
  FOLDED: >-
    dG9r
    ZW4=
stringData:
  PLAIN: text
  FILE: |
    A=b
---
kind: List
items:
  - kind: Secret
    data: {{IN_LIST: dG9rZW4=}}
"""
    assert parsed(data.encode(), "secret.yml") == [
        (8, b"LOGIN=user:\xffword"),
        (11, b"FOLDED=token"),
        (14, b"PLAIN=text"),
        (16, b"FILE=A=b\n"),
        (21, b"IN_LIST=token"),
    ]
    assert b"%%%" in rest(data.encode(), "secret.yml")


HOSTILE = [
    b"[" * 300_000,
    b"- " * 300_000,
    b"? " * 300_000,
    b"{a: " * 100_000,
    b"a: &a [*a]\n",
    b"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nenvironment: *c\n",
    b"a: {{ template }}\n",
    b"\xff\xfe\x00",
    b"a: \x01\n",
    b"kind: Secret\ndata: [1]\n",
    b"a: 'unclosed",
    b"environment: !!python/object/apply:os.system [x]\n",
]


@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
def test_yaml_that_does_not_parse_or_is_hostile_comes_as_it_stands(data: bytes) -> None:
    assert rest(data, "x.yaml") == data or parsed(data, "x.yaml")


@pytest.mark.parametrize(
    "line",
    [
        b'A="\\',
        b"export A='x",
        b"set -x" + b"x" * 5000,
        b"set" + b" -x" * 5000,
        b'$env:A="`',
        b"A" * 5000,
        b"A=\"`'",
        b"declare" + b" -x" * 5000,
    ],
    ids=range(8),
)
@pytest.mark.parametrize("path", [".env", "x.sh", "x.service"])
def test_time_grows_with_length_only(line: bytes, path: str) -> None:
    data = (line + b"\n") * (400_000 // len(line))
    begin = time.process_time()
    parsed(data, path)
    assert time.process_time() - begin < 5


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                b"A=",
                b'"',
                b"'",
                b"`",
                b"\\",
                b"\n",
                b"\r\n",
                b" ",
                b"#",
                b"x",
                b"export ",
                b"$env:B=",
                b"set -x C ",
                b"Environment=",
                b": ",
                b"- ",
                b"environment:\n  ",
                b"kind: Secret\ndata:\n  ",
                b"|\n  ",
                b"\xff",
                "é".encode(),
            ]
        ),
        max_size=40,
    ).map(b"".join),
    st.sampled_from([".env", "x.sh", "x.service", "x.yaml"]),
)
def test_no_content_crashes_or_is_lost(data: bytes, path: str) -> None:
    if data:
        parsed(data, path)


def test_an_empty_file_gives_nothing() -> None:
    assert list(env_chunks(b"", Origin("env", ".env"))) == []


def test_a_folder_gives_what_looks_like_env_and_a_named_file_always(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    yes = {
        ".bashrc": b"",
        ".env": b"",
        ".env.local": b"",
        ".envrc": b"",
        ".profile": b"",
        "a/docker-compose.prod.yml": b"",
        "a/compose.yaml": b"",
        "a/env": b"",
        "a/prod.env": b"",
        "a/run.sh": b"echo\nexport A=b\n",
        "a/secret.yaml": b"apiVersion: v1\nkind: Secret\n",
        "a/unit.service": b"[Service]\nEnvironment=A=b\n",
        "a/x.conf": b"Environment=A=b\n",
    }
    no = {"a/main.py": b"A=b", "a/other.yaml": b"kind: Pod\n", "a/y.conf": b"x", "a/z.sh": b"ls\n", ".git/x.env": b""}
    for name, data in {**yes, **no}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    monkeypatch.chdir(tmp_path)
    assert [item.path for item in EnvSource().items()] == [f"./{name}" for name in sorted(yes)]
    assert [item.path for item in EnvSource(("a/main.py",)).items()] == ["a/main.py"]
    with pytest.raises(DeadkeyError, match="nowhere"):
        list(EnvSource(("nowhere",)).items())


def test_a_file_is_read_and_a_large_one_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"A='b'\n")
    source = EnvSource((str(path),))
    (item,) = source.items()
    assert isinstance(item, Item)
    chunks = [c for c in source.read(item) if isinstance(c, Chunk)]
    assert [(c.data, c.origin) for c in chunks] == [
        (b"A=b", Origin("env", str(path))),
        (b"A=' '\n", Origin("env", str(path))),
    ]
    path.write_bytes(b"A=b\n" * (2 << 20))
    (chunk,) = source.read(item)
    assert isinstance(chunk, Chunk)
    assert len(chunk.data) == 8 << 20
    path.unlink()
    assert list(source.read(item)) == [Skip(str(path), "cannot be read: it went away during the scan; scan again")]


def test_the_environment_of_a_process() -> None:
    environment = {"PATH": os.environ["PATH"], "KEY": "va=lue", "ODD": "caf\udce9"}
    program = "print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stdout.readline()
        chunks = [c for c in process_environment(process.pid) if isinstance(c, Chunk)]
        process.communicate(b"\n")
    found = {c.origin.path: c.data for c in chunks}
    assert found[f"<process {process.pid}>/KEY"] == b"KEY=va=lue"
    assert found[f"<process {process.pid}>/ODD"] == b"ODD=caf\xe9"
    with pytest.raises(DeadkeyError, match=rf"process {process.pid}: no such process"):
        list(process_environment(process.pid))
    with pytest.raises(DeadkeyError, match="no such process"):
        list(process_environment(-1))


def test_a_process_that_may_not_be_looked_at_is_skipped() -> None:
    # The imports come first: whom we become may not be allowed to read them.
    program = """
import os
import psutil
from scanner.sources.env import process_environment
psutil.Process().environ()
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
print(list(process_environment(1)))
"""
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert out.startswith("[Skip(path='<process 1>', reason='its environment may not be read: run as its owner")
