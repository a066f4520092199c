"""Two people: one signs a plan, the other carries it out, through the real command line and with OpenSSH's own keys."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from scanner.revoke import journal
from tests.conftest import deadkey

from .parts import ACTION, calls

Start = Callable[..., int]
TOKENS = ["tok_" + "z9Y8x7W6" * 4, "tok_" + "q1W2e3R4" * 4]
RULES = {
    "provider": "Acme",
    "home": "https://acme.example",
    "rules": [
        {
            "id": "acme-token",
            "name": "Acme token",
            "severity": "high",
            "confidence": "high",
            "pattern": r"\btok_[0-9A-Za-z]{32}\b",
            "examples": ["KEY={token}"],
            "rejects": ["tok_1"],
            "docs": "https://acme.example/docs",
            "rotate": "https://acme.example/keys",
            "verify": {**ACTION["verify"], "docs": "https://acme.example/docs"},
            "revoke": {**ACTION["revoke"], "docs": "https://acme.example/docs"},
        }
    ],
}


def _key(folder: Path, name: str, kind: str = "ed25519", *more: str) -> str:
    """A key as OpenSSH makes it; the public half."""
    path = folder / name
    if shutil.which("ssh-keygen"):
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(path), *more], check=True)
        return path.with_suffix(".pub").read_text()
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    key = ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.OpenSSH, s.NoEncryption()))
    return key.public_key().public_bytes(s.Encoding.OpenSSH, s.PublicFormat.OpenSSH).decode() + f" {name}\n"


class Desk:
    """A folder with the rules, the findings, and a configuration for each of two people."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        (folder / "rules").mkdir()
        (folder / "rules/acme.yaml").write_text(yaml.safe_dump(RULES))
        (folder / "tree").mkdir()
        self.leak(TOKENS[:1])
        self.public = {name: _key(folder, name) for name in ("alice", "bob")}
        for name in ("alice", "bob"):
            self.configure(name)

    def leak(self, tokens: list[str]) -> None:
        (self.folder / "tree/app.py").write_text("".join(f"t = '{token}'\n" for token in tokens))
        done = self.do("alice", "scan", "files", "tree", "--show-secrets", "-f", "json", "-o", "found.json", status=1)
        assert not done.stderr

    def configure(self, name: str, **changes: Any) -> None:
        here = f"127.0.0.1:{self.port}"
        two = {"key": {"file": name}, "signers": self.public, **changes}
        config = {
            "verify": {"hosts": [here], "plain_http": [here], "endpoints": {"acme": f"http://{here}"}},
            "revoke": {"journal": f"{name}.jsonl", "recheck": [0], "two_person": two, "hooks": ["rule", "command"]},
        }
        (self.folder / f"{name}.yaml").write_text(yaml.safe_dump(config))

    def do(self, who: str, *arguments: str, status: int) -> subprocess.CompletedProcess[bytes]:
        config = ["--config", f"{who}.yaml"] if (self.folder / f"{who}.yaml").exists() else []
        done = deadkey(*arguments, "--rules", "rules", *config, cwd=self.folder, LOGNAME=who)
        assert done.returncode == status, done.stderr.decode() + done.stdout.decode()
        return done

    def plan(self, who: str = "alice", status: int = 0) -> dict[str, Any]:
        self.do(who, "revoke", "plan", "found.json", "-o", "plan.json", status=status)
        told: dict[str, Any] = json.loads((self.folder / "plan.json").read_text())
        return told

    def carry_out(self, who: str = "bob", status: int = 0, *more: str) -> str:
        done = self.do(who, "revoke", "found.json", "--plan", "plan.json", "-f", "json", *more, status=status)
        return done.stderr.decode() + done.stdout.decode()

    def write(self, plan: dict[str, Any]) -> None:
        (self.folder / "plan.json").write_text(json.dumps(plan))


@pytest.fixture
def desk(issuer: int, tmp_path: Path) -> Desk:
    return Desk(tmp_path, issuer)


def test_one_signs_and_another_carries_out(desk: Desk) -> None:
    plan = desk.plan()
    written = (desk.folder / "plan.json").read_bytes()
    for form in (TOKENS[0].encode(), base64.b64encode(TOKENS[0].encode())[:-2], TOKENS[0][8:-8].encode()):
        assert form not in written
    (entry,) = plan["findings"]
    assert (entry["rule"], entry["hook"], entry["effect"]) == ("acme-token", "rule", "The token stops working.")
    assert entry["identity"] == {"account": "bob"} and entry["places"] == ["tree/app.py"]
    assert calls(desk.port) == []
    told = desk.carry_out()
    assert '"revoked"' in told
    assert calls(desk.port) == TOKENS[:1]
    intent = journal.read(desk.folder / "bob.jsonl")[0]
    assert intent["allowed"].startswith("plan ") and intent["allowed"].endswith(" signed by alice")
    assert intent["actor"].startswith("bob@")


def test_who_signed_does_not_carry_out(desk: Desk) -> None:
    desk.plan()
    assert "alice signed it, so somebody else has to carry it out" in desk.carry_out("alice", 2)
    # Nor with another key at hand, nor with another name.
    desk.configure("alice", key={"file": "bob"})
    assert "somebody else has to carry it out" in desk.carry_out("alice", 2)
    desk.configure("bob", key={"file": "alice"})
    assert "somebody else has to carry it out" in desk.carry_out("bob", 2)
    desk.configure("bob", key=None)
    assert "revoke.two_person.key is not configured" in desk.carry_out("bob", 2)
    assert calls(desk.port) == []


def test_only_listed_people_sign(desk: Desk) -> None:
    desk.plan()
    desk.configure("bob", signers={"bob": desk.public["bob"]})
    assert "signed by a key that revoke.two_person.signers does not list" in desk.carry_out("bob", 2)
    assert calls(desk.port) == []


def test_an_expired_plan(desk: Desk) -> None:
    desk.configure("alice", valid="1s")
    plan = desk.plan()
    while time.time() < float(_seconds(plan["expires"])):
        """The second that it holds goes by."""
    assert f"plan.json: expired at {plan['expires']}; ask alice for a new one" in desk.carry_out("bob", 2)
    assert calls(desk.port) == []


def _seconds(stamp: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(stamp).timestamp()


@pytest.mark.parametrize(
    "change",
    [
        lambda plan: plan["findings"][0].update(effect="Nothing much."),
        lambda plan: plan["findings"].append({**plan["findings"][0], "fingerprint": "0" * 32}),
        lambda plan: plan.update(expires="2999-01-01T00:00:00Z"),
        lambda plan: plan.update(salt="00" * 32),
        lambda plan: plan["signer"].update(actor="eve@elsewhere"),
        lambda plan: plan.update(more="x"),
        lambda plan: plan.update(signature=base64.b64encode(bytes(64)).decode()),
    ],
)
def test_a_changed_plan(change: Callable[[dict[str, Any]], None], desk: Desk) -> None:
    plan = desk.plan()
    change(plan)
    desk.write(plan)
    assert "plan.json: was changed after alice signed it" in desk.carry_out("bob", 2)
    assert calls(desk.port) == []


def test_what_is_not_in_the_plan_is_left_alone(desk: Desk) -> None:
    desk.plan()
    desk.leak(TOKENS)
    told = desk.carry_out("bob", 1)
    assert "it is not in the plan that alice signed" in told
    assert calls(desk.port) == TOKENS[:1]


def test_what_would_be_done_must_be_what_was_signed(desk: Desk) -> None:
    desk.plan()
    other = json.loads(json.dumps(RULES))
    other["rules"][0]["revoke"]["request"]["url"] = "{{ endpoint }}/revoke?all=1"
    (desk.folder / "rules/acme.yaml").write_text(yaml.safe_dump(other))
    assert "its rule is not the one in the plan that alice signed" in desk.carry_out("bob", 1)
    (desk.folder / "rules/acme.yaml").write_text(yaml.safe_dump(RULES))
    config = yaml.safe_load((desk.folder / "bob.yaml").read_text())
    config["revoke"] |= {"hooks": ["command"], "command": ["/bin/true"]}
    (desk.folder / "bob.yaml").write_text(yaml.safe_dump(config))
    assert "what would be done is not what alice signed" in desk.carry_out("bob", 1)
    assert calls(desk.port) == []


def test_a_dry_run_of_a_plan(desk: Desk) -> None:
    desk.plan()
    told = desk.carry_out("bob", 1, "--dry-run")
    assert "dry run: it would be revoked (plan " in told and "signed by alice" in told
    assert calls(desk.port) == [] and not (desk.folder / "bob.jsonl").exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 1}', '{"version": 2}', "[" * 100_000, "\x00"])
def test_what_is_no_plan(text: str, desk: Desk) -> None:
    (desk.folder / "plan.json").write_text(text)
    assert "plan.json: not a plan of `deadkey revoke plan`" in desk.carry_out("bob", 2)


def test_keys_that_cannot_sign(desk: Desk) -> None:
    (desk.folder / "junk").write_text("not a key")
    _key(desk.folder, "curve", "ecdsa")
    for name, problem in (("junk", "not a private key"), ("curve", "not an Ed25519 key"), ("none", "No such file")):
        desk.configure("alice", key={"file": name})
        done = desk.do("alice", "revoke", "plan", "found.json", "-o", "plan.json", status=2)
        assert problem in done.stderr.decode() and done.stderr.count(b"\n") == 1
    assert not (desk.folder / "plan.json").exists() or os.path.getsize(desk.folder / "plan.json") == 0


def test_nothing_live_makes_an_empty_plan(desk: Desk) -> None:
    desk.plan()
    desk.carry_out()
    assert desk.plan(status=1)["findings"] == []
