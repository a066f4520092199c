"""No secret's value comes through, and nothing else is touched."""

from __future__ import annotations

import base64
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner import pipeline
from scanner.config import Allow, Config, load
from scanner.detect.engine import Engine
from scanner.model import Chunk, DeadkeyError, Origin
from scanner.redaction import Redactor
from scanner.redaction.stream import Stream
from scanner.ruleset.check import examples
from scanner.ruleset.ruleset import Ruleset
from tests.cli.parts import Token
from tests.redaction.parts import private_key


def test_no_rule_s_secret_comes_through(redactor: Redactor) -> None:
    files, bench = pipeline.rule_bench()
    looked = 0
    for rule in (rule for file in files.values() for rule in file.rules if not rule.component):
        for text, secret in examples(rule, bench):
            assert secret not in redactor.data(text), f"{rule.id}: {text!r}"
            stream = Stream(redactor)
            stream.feed(b"a line before\n" + text + b"\na line behind\n")
            out = stream.end()
            assert secret not in out, f"{rule.id}: {text!r}"
            assert out.startswith(b"a line before\n") and out.count(b"\n") == text.count(b"\n") + 3
            looked += 1
    assert looked > 1000


def test_the_value_is_replaced_by_the_rule_s_name_alone(redactor: Redactor, token: Token) -> None:
    value = token("a").decode()
    assert redactor.text(f"GET /é?token={value}&page=2") == "GET /é?token=[github-pat]&page=2"
    assert redactor.text(f"{value} and {value}") == "[github-pat] and [github-pat]"
    assert redactor.data(b"\xff\x00" + token("a") + b"\r\n") == b"\xff\x00[github-pat]\r\n"


def test_a_mark_in_the_text_shields_nothing(redactor: Redactor, token: Token) -> None:
    assert token("a") not in redactor.data(b"t = '" + token("a") + b"'  # deadkey:allow\n")


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_wide_text_stays_wide(redactor: Redactor, token: Token, codec: str) -> None:
    text = f"key = '{token('a').decode()}'\r\nnext line\r\n"
    assert redactor.data(text.encode(codec)).decode(codec) == "key = '[github-pat]'\r\nnext line\r\n"


def test_an_encoded_secret_is_masked_as_it_stands(redactor: Redactor, token: Token) -> None:
    encoded = base64.b64encode(b"ada:" + token("a")).decode()
    said = redactor.text(f"Authorization: Basic {encoded}")
    assert said == "Authorization: Basic [github-pat]"


def test_every_line_of_a_private_key_is_replaced(redactor: Redactor) -> None:
    key = private_key("k", end="\r\n")
    out = redactor.text(f"begin\r\n{key}end\r\n").split("\r\n")
    assert out == ["begin", *["[private-key]"] * key.count("\r\n"), "end", ""]
    escaped = private_key("k").replace("\n", "\\n")
    assert redactor.text(f'{{"key": "{escaped}", "a": 1}}') == '{"key": "[private-key]\\n", "a": 1}'


def test_only_skip_and_the_configuration(token: Token) -> None:
    text = f"token={token('a').decode()}"
    assert Redactor(skip=["github-*", "generic-*"]).text(text) == text
    assert Redactor(only=["github-*"]).text(text) != text
    settings = load()
    allowing = Config(None, settings.verify, settings.revoke, allow=Allow(values=("^ghp_",)))
    assert Redactor(config=allowing).text(text) == text
    with pytest.raises(DeadkeyError, match="did you mean github-pat"):
        Redactor(only=["githb-pat"])
    with pytest.raises(DeadkeyError, match="no such confidence"):
        Redactor(min_confidence="sure")


@given(st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
def test_what_holds_no_secret_comes_out_byte_for_byte(redactor: Redactor, ruleset: Ruleset, data: bytes) -> None:
    found = Engine(ruleset).scan(Chunk(data, Origin("test")))
    assert found or redactor.data(data) == data


@given(st.text(st.characters(), max_size=60), st.text(st.characters(), max_size=60))
def test_what_stands_around_a_secret_is_kept(redactor: Redactor, before: str, behind: str) -> None:
    """Whatever it is, lone surrogates included."""
    value = "gh" + "p_" + "TmXkQ4sWv9bLc2RyJd7HfNz3GpEaZu0uKhIv"
    said = redactor.text(f"{before}\n<{value}>\n{behind}")
    if redactor.text(before) == before and redactor.text(behind) == behind:
        assert said.startswith(before + "\n<") and said.endswith(">\n" + behind)


def test_many_threads_at_once(redactor: Redactor, token: Token) -> None:
    wrong: list[str] = []

    def work(name: str) -> None:
        value = token(name).decode()
        for turn in range(60):
            for line, wanted in (
                (f"{turn} token={value}", f"{turn} token=[github-pat]"),
                (f"{turn} fine", f"{turn} fine"),
            ):
                if (said := redactor.text(line)) != wanted:
                    wrong.append(said)

    threads = [threading.Thread(target=work, args=(str(number),)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
