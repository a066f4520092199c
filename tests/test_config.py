"""The user's configuration: found where the user keeps it, never where a scan happens, and strict about its keys."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from scanner import config
from scanner.model import DeadkeyError
from scanner.revoke.settings import Allowance

FULL = """
verify:
  timeout: 3
  hosts: [Git.Corp, 10.0.0.1:8443]
  plain_http: [localhost:8080]
  endpoints: {gitlab: 'https://git.corp/base/', local: 'http://localhost:8080'}
  ca_bundle: ca.pem
revoke:
  mode: auto
  hooks: [command, rule]
  command: [./revoke.sh, --now]
  webhook: {url: 'https://hooks.corp/deadkey', key: {env: HOOK_KEY}, include_secret: true}
  auto:
    - {rules: [github-*], min_severity: high, max_per_run: 3}
  recheck: [0, 1]
credentials:
  okta.admin: {env: OKTA_ADMIN}
  gitlab.admin: {file: gitlab.token}
  acme.admin: {command: [PYTHON, -c, 'print(" from a command ")']}
allow:
  paths: ['tests/**']
fingerprint_key: {file: salt}
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DEADKEY_CONFIG", "DEADKEY_FINGERPRINT_KEY", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "OKTA_ADMIN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)
    return path


def _modes(path: Path | None = None) -> str:
    return config.load(str(path) if path else None).revoke.mode


def test_defaults_without_a_file(home: Path) -> None:
    loaded = config.load()
    assert loaded.path is None and loaded.revoke.mode == "plan"
    assert loaded.revoke.journal == home / ".local/state/deadkey/journal.jsonl"
    assert not loaded.verify.hosts and loaded.fingerprint_key is None
    assert not loaded.revoke.journal.parent.exists()


def test_where_it_is_looked_for(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(home / ".config/deadkey/config.yaml", "revoke: {mode: ask}")
    assert _modes() == "ask"
    _write(tmp_path / "xdg/deadkey/config.yaml", "revoke: {mode: auto}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    assert _modes() == "auto"
    monkeypatch.setenv("DEADKEY_CONFIG", str(_write(tmp_path / "named.yaml", "revoke: {mode: plan}")))
    assert _modes() == "plan"
    assert _modes(_write(tmp_path / "given.yaml", "revoke: {mode: ask}")) == "ask"


def test_the_scanned_folder_provides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scanned = tmp_path / "scanned"
    for name in ("config.yaml", ".deadkey.yaml", "deadkey.yaml", "deadkey/config.yaml", ".config/deadkey/config.yaml"):
        _write(scanned / name, "revoke: {mode: auto}")
    monkeypatch.chdir(scanned)
    assert config.load().path is None
    monkeypatch.setenv("XDG_CONFIG_HOME", ".")
    monkeypatch.setenv("XDG_STATE_HOME", ".")
    assert config.load().path is None
    assert config.state_folder().is_absolute() and scanned not in config.state_folder().parents
    monkeypatch.setenv("DEADKEY_CONFIG", "config.yaml")
    with pytest.raises(DeadkeyError, match="DEADKEY_CONFIG must be an absolute path"):
        config.load()


def test_a_named_file_must_be_there_and_be_the_users(tmp_path: Path) -> None:
    with pytest.raises(DeadkeyError, match=r"none\.yaml: No such file"):
        config.load(str(tmp_path / "none.yaml"))
    with pytest.raises(DeadkeyError, match="not a file"):
        config.load(str(tmp_path))
    file = _write(tmp_path / "open.yaml", "")
    file.chmod(0o666)
    with pytest.raises(DeadkeyError, match="everybody may write it"):
        config.load(str(file))


def test_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = _write(tmp_path / "own/config.yaml", FULL.replace("PYTHON", sys.executable))
    loaded = config.load(str(file))
    verify, revoke = loaded.verify, loaded.revoke
    assert verify.timeout == 3 and verify.ca_bundle == str(tmp_path / "own/ca.pem")
    assert verify.hosts == {"git.corp", "10.0.0.1:8443", "git.corp:443", "localhost:8080"}
    assert verify.endpoint("gitlab-pat", "GitLab") == "https://git.corp/base"
    assert revoke.mode == "auto" and revoke.hooks == ("command", "rule") and revoke.recheck == (0, 1)
    assert revoke.command == (str(tmp_path / "own/revoke.sh"), "--now")
    assert revoke.auto == (Allowance(("github-*",), ("*",), "high", 3),)
    assert revoke.webhook and revoke.webhook.url == "https://hooks.corp/deadkey" and revoke.webhook.include_secret
    assert loaded.allow.paths == ("tests/**",)
    assert verify.credential("acme-token", "Acme", "admin") == "from a command"
    assert verify.credential("x", "Other", "admin") is None


def test_credentials_are_read_when_needed_and_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = config.load(str(_write(tmp_path / "config.yaml", FULL)))
    with pytest.raises(DeadkeyError, match=r"credential okta\.admin: the environment variable OKTA_ADMIN is not set"):
        loaded.verify.credential("okta-token", "Okta", "admin")
    monkeypatch.setenv("OKTA_ADMIN", "correct-horse")
    assert loaded.verify.credential("okta-token", "Okta", "admin") == "correct-horse"
    with pytest.raises(DeadkeyError, match=r"gitlab\.token: No such file"):
        loaded.verify.credential("gitlab-pat", "GitLab", "admin")
    _write(tmp_path / "gitlab.token", "battery-staple\n")
    assert loaded.verify.credential("gitlab-pat", "GitLab", "admin") == "battery-staple"
    _write(tmp_path / "salt", "s a l t\n")
    assert loaded.fingerprint_key and loaded.fingerprint_key() == "s a l t"
    assert "correct-horse" not in repr(loaded) and "battery-staple" not in repr(loaded)


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (["/nonexistent/x"], "cannot be started: No such file"),
        ([sys.executable, "-c", "import sys; print('correct-horse'); sys.exit(3)"], "ended with status 3"),
        ([sys.executable, "-c", ""], "printed nothing"),
    ],
)
def test_a_command_that_gives_no_credential(argv: list[str], why: str) -> None:
    with pytest.raises(DeadkeyError) as caught:
        config.Source("x.y", command=tuple(argv))()
    assert why in str(caught.value) and "correct-horse" not in str(caught.value)


def test_the_environments_key_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEADKEY_FINGERPRINT_KEY", "from-env")
    for path in (None, str(_write(tmp_path / "config.yaml", FULL))):
        key = config.load(path).fingerprint_key
        assert key and key() == "from-env"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("verify:\n  timeout: 3\n  hosst: [a]\n", 3, "verify.hosst: unknown; did you mean hosts?"),
        ("verfy: {}\n", 1, "verfy: unknown; did you mean verify?"),
        ("a: 1\n", 1, "a: unknown"),
        (
            "revoke:\n  auto:\n    - rules: [x]\n    - {min_severity: high, max_per_rn: 3}\n",
            4,
            "did you mean max_per_run?",
        ),
        (
            "revoke:\n\n  webhook:\n    url: https://x.test\n    kee: 1\n",
            5,
            "revoke.webhook.kee: unknown; did you mean key?",
        ),
        ("revoke:\n  webhook:\n    url: https://x.test\n", 2, "revoke.webhook.key: Field required"),
        ("verify:\n  timeout: soon\n", 2, "verify.timeout: Input should be a valid number"),
        ("verify:\n  timeout: -1\n", 2, "verify.timeout: Input should be greater than 0"),
        ("revoke:\n  hooks:\n    - rule\n    - rul\n", 4, "revoke.hooks.1: Input should be 'rule'"),
        ("verify:\n  hosts: ['https://x.test']\n", 2, "write host or host:port"),
        ("verify:\n  plain_http: [x.test]\n", 2, "write host:port"),
        ("verify:\n  endpoints: {a: 'http://x.test'}\n", 1, "list x.test:80 under verify.plain_http"),
        ("verify:\n  endpoints: {a: 'x.test'}\n", 1, "write an address like"),
        ("verify:\n  endpoints: {a: 'https://me@x.test'}\n", 1, "no user and no fragment"),
        ("credentials:\n  admin: {env: X}\n", 1, "write <provider>.admin"),
        ("credentials:\n  a.b: {env: X, file: y}\n", 2, "give one of env, file and command"),
        ("verify: [\n", 2, "expected the node content"),
        ("- a\n", 1, "the file: Input should be"),
        ("verify: !!python/object/apply:os.system ['true']\n", 1, "could not determine a constructor"),
    ],
)
def test_mistakes_are_named_with_their_line(text: str, line: int, words: str, tmp_path: Path) -> None:
    file = _write(tmp_path / "config.yaml", text)
    with pytest.raises(DeadkeyError) as caught:
        config.load(str(file))
    assert str(caught.value).startswith(f"{file}:{line}: ") and words in str(caught.value), caught.value


def test_a_wrong_value_is_not_repeated(tmp_path: Path) -> None:
    file = _write(tmp_path / "config.yaml", "credentials:\n  okta.admin: correct-horse\n")
    with pytest.raises(DeadkeyError) as caught:
        config.load(str(file))
    assert "correct-horse" not in str(caught.value) and "credentials.okta.admin" in str(caught.value)


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    loaded: Any = config.load(str(_write(tmp_path / "config.yaml", "# nothing yet\n")))
    assert loaded.verify.timeout == 10 and loaded.revoke.mode == "plan"
    assert os.fspath(loaded.path) == str(tmp_path / "config.yaml")


WHOLE_POLICY = """
revoke:
  max_per_run: 20
  max_per_hour: 50
  environments: {production: ['deploy/prod/*'], staging: ['deploy/stage/*']}
  auto:
    - {environments: [staging], identities: ['ci-*'], older_than: 12h, newer_than: 2w}
  two_person:
    key: {env: OWN_KEY}
    signers: {alice: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA alice@acme"}
    required: true
    valid: 4h
notify:
  - {form: slack, url: {env: SLACK}}
  - {form: pagerduty, key: {env: PD}, when: [live, revoked], min_severity: critical}
"""


def test_the_whole_policy_is_read(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(WHOLE_POLICY)
    loaded = config.load(str(file))
    (line,) = loaded.revoke.auto
    assert (line.environments, line.identities) == (("staging",), ("ci-*",))
    assert (line.older_than, line.newer_than) == (43_200.0, 1_209_600.0)
    assert (loaded.revoke.max_per_run, loaded.revoke.max_per_hour) == (20, 50)
    assert loaded.revoke.environments["production"] == ("deploy/prod/*",)
    two = loaded.revoke.two_person
    assert (two.required, two.valid, list(two.signers)) == (True, 14_400.0, ["alice"])
    slack, pagerduty = loaded.notify
    assert slack.form == "slack" and "live" in slack.when and "dead" not in slack.when
    assert pagerduty.url() == "https://events.pagerduty.com/v2/enqueue" and pagerduty.min_severity == "critical"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("revoke:\n  auto:\n    - environments: [prod]", "revoke.environments names no prod"),
        ("revoke:\n  auto:\n    - older_than: soon", "older_than"),
        ("revoke:\n  auto:\n    - older_than: 0d", "older_than"),
        ("revoke:\n  max_per_hour: 0", "max_per_hour"),
        ("revoke:\n  two_person:\n    signers: {alice: ssh-rsa AAAA}", "alice: write an Ed25519 public key"),
        ("notify:\n  - form: slack", "url is missing"),
        ("notify:\n  - {form: pagerduty}", "key is missing"),
        ("notify:\n  - {form: carrier-pigeon, url: {env: X}}", "notify.0.form"),
        ("notify:\n  - {form: slack, url: 'https://hooks.example/x'}", "notify.0.url"),
        ("notify:\n  - {form: slack, url: {env: X}, when: [gone]}", "notify.0.when"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_named(text: str, wrong: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text + "\n")
    with pytest.raises(DeadkeyError) as caught:
        config.load(str(file))
    assert str(caught.value).startswith(f"{file}:") and wrong in str(caught.value)
