"""What stands where a secret could and is none is dropped for the reason a person would give, and `--explain` says it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.detect.engine import Engine
from scanner.detect.generic.place import BEFORE, BEHIND, Place, read
from scanner.detect.generic.refusal import REASONS, refusal
from scanner.model import Span
from scanner.ruleset.ruleset import Rule, Ruleset
from tests.detect.plain import chunk

SECRET = "q7Zk2Wv9" + "RtX4mB1cLp8s"
DIGEST = "3f9c1d7e5ab28046e1d39f7ac50b84d26e1fa973"


def explained(ruleset: Ruleset, text: str) -> list[tuple[bytes, str]]:
    out: list[tuple[bytes, str]] = []

    def note(_rule: Rule, _span: Span, value: bytes, reason: str) -> None:
        out.append((value, reason))

    Engine(ruleset, None, note).scan(chunk(text.encode()))
    return out


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('token: "${{ secrets.TOKEN1 }}"\n', "a reference to a value kept elsewhere"),
        ('token = "${TOKEN_1}"\n', "a reference to a value kept elsewhere"),
        ("password = %DB_PASSWORD%\n", "a reference to a value kept elsewhere"),
        ('password: "{{ vault_password1 }}"\n', "a reference to a value kept elsewhere"),
        ("password = process.env.DB_PASS1\n", "a reference to a value kept elsewhere"),
        ('password = "op://vault/item/field1"\n', "a reference to a value kept elsewhere"),
        ('secret_arn = "arn:aws:ssm:eu-1:123:x"\n', "a reference to a value kept elsewhere"),
        ('password = "your-password"\n', "a placeholder"),
        ('password = "changeme"\n', "a placeholder"),
        ('password = "<password>"\n', "a placeholder"),
        ('password = "mot de passe"\n', "a placeholder"),
        ('password = "xxxxxxxx"\n', "a placeholder"),
        ('password = "пароль1"\n', "a placeholder"),
        ("password: string;\n", "a type"),
        ("password: Optional[str],\n", "a type"),
        ("password = get_password1(user)\n", "a call or an expression"),
        ("password = req->password1;\n", "a call or an expression"),
        ("password = Foo::Password1;\n", "a call or an expression"),
        ("password = user.password\n", "an identifier"),
        ("password = self_password\n", "an identifier"),
        ('"LABEL_PASSWORD": "Passwort anzeigen",\n', "a text for people"),
        ('"SHOW_PASSWORD": "비밀번호 표시",\n', "a placeholder"),
        ('"FORGOT_PASSWORD": "Zapomniałeś hasła?",\n', "a text for people"),
        ('password_hint: "It must be at least ten letters long"\n', "a text for people"),
        (f'token_sha1 = "{DIGEST}"\n', "a hash"),
        ('password = "$2b$12$C6UzMDM.H6dfI/f/IKcEeO7ZB1n5N1q5ZB1n5N1q5ZB1n5N1q5ZB1"\n', "a hash"),
        ('password_integrity: "sha512-Zk2Wv9RtX4mB1cLp8sq7Zk2Wv9RtX4mB1cLp8s=="\n', "a hash"),
        ('token_id = "123e4567-e89b-12d3-a456-426614174000"\n', "a UUID used as an id"),
        ('key_version: "1.12.3"\n', "a version"),
        ('token_file = "/run/secrets/token1"\n', "a path or an address"),
        ('token_url = "https://acme.dev/oauth2/token"\n', "a path or an address"),
        ('token_file = "token1.json"\n', "a path or an address"),
        (f'public_key = "{SECRET}"\n', "a public key"),
        ('ssh_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKGEJnCqQiHjcB9RE86B"\n', "a public key"),
        (f'password = "ENC[AES256_GCM,data:{SECRET},type:str]"\n', "an encrypted value"),
        ('password = "vault:v1:8SDd3WHDOjf7mq69CyCqYjBXAiQQAVZRkFM13ok481zoCmHnSeDX9vyf7w=="\n', "an encrypted value"),
        ("password: $ANSIBLE_VAULT;1.1;AES256\n", "an encrypted value"),
        ("PASS: ld-x86-64/pr19609-7d\n", "a test's result"),
        ("the station identified by Zq7xKw2v is kept\n", "a text for people"),
        ('secret = "a1"\n', "too short"),
    ],
)
def test_a_dropped_candidate_is_explained(ruleset: Ruleset, line: str, reason: str) -> None:
    reasons = [why for _, why in explained(ruleset, line)]
    assert reason in reasons
    assert "" not in reasons


def test_a_candidate_in_minified_code_is_explained(ruleset: Ruleset) -> None:
    code = "".join(f"a{n}=b?c({n}):d[{n}],e&&f({{g:{n}}});" for n in range(20))
    assert "minified code" in {why for _, why in explained(ruleset, f'{code}x={{password:"qX7!kP2z"}};{code}')}


def test_words_without_a_question_of_their_own_are_explained_too(ruleset: Ruleset) -> None:
    reasons = {why for _, why in explained(ruleset, 'secret = "keep-this-to-yourself"\n')}
    assert any(re.match(r"words or code|score 0\.\d\d is below", why) for why in reasons)


@pytest.mark.parametrize(
    "line",
    [
        'password = "{}"',
        "password='{}'",
        "PASSWORD={}\n",
        "password: {}\r\n",
        '"password": "{}",',
        "<password>{}</password>",
        "mysql --password {} --host db",
        "password := `{}`",
        'login("deploy", "{}")',
        '"name": "db_password",\n  "value": "{}"',
        "ALTER ROLE app WITH PASSWORD '{}';",
        "curl -u deploy:{} https://ci.acme.dev/job",
        "https://deploy:{}@git.acme.dev/app.git",
        "Authorization: Bearer {}",
        "$pass = ConvertTo-SecureString '{}' -AsPlainText -Force",
        '{{\\"password\\":\\"{}\\"}}',
        "Server=db.acme.dev;Uid=app;Pwd={};Database=app",
        "machine git.acme.dev login deploy password: {}",
        "set_password({!r})",
    ],
)
def test_a_secret_is_kept_in_every_setting(ruleset: Ruleset, line: str) -> None:
    assert SECRET.encode() in [m.secret.reveal() for m in Engine(ruleset).scan(chunk(line.format(SECRET).encode()))]


def test_every_reason_is_asked_once() -> None:
    assert len(set(REASONS)) == len(REASONS)


@settings(deadline=None)
@given(st.binary(max_size=60), st.binary(min_size=1, max_size=60), st.binary(max_size=20))
def test_any_bytes_are_judged_by_what_stands_near(left: bytes, value: bytes, right: bytes) -> None:
    def place(before: bytes, behind: bytes) -> Place:
        data = before + b"key=" + value + behind
        return read("generic-secret", data, len(before), (len(before) + 4, len(before) + 4 + len(value)))

    near = place(b"x" * BEFORE + left, right + b"y" * BEHIND)
    assert refusal(near) == refusal(place(b"\n1\n" + b"x" * BEFORE + left, right + b"y" * BEHIND + b"zz\n"))


@pytest.mark.parametrize(
    "piece", [b"a", b"a.", b"a-", b"aB", b"a/", b"../", b" ", b"1", b"a_1", b"a ", b"your ", b"aa(", b"$a", b"{", b"x:"]
)
def test_long_values_that_end_unlike_they_begin_are_judged(piece: bytes) -> None:
    """No expression backtracks without end: these are answered at once, or not within a lifetime."""
    refusal(Place("generic-secret", b"", b"secret", b" = ", piece * (4_000 // len(piece)) + b"\x80\x01", b"\n"))
    refusal(
        Place("generic-secret", piece * 40, b"secret" + piece * 8, b' = "', piece * (1_000 // len(piece)) + b"!", b'"')
    )
