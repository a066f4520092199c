"""`bench/openapi.py` tells the requests of the shipped rules from what a description knows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
SECURITY: dict[str, Any] = {"bearer": {"type": "http", "scheme": "bearer"}}
USER = {"type": "object", "properties": {"login": {"type": "string"}}}


def described(path: str = "/user", method: str = "get", **operation: Any) -> dict[str, Any]:
    answer = {
        "200": {"description": "", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/User"}}}}
    }
    return {
        "openapi": "3.1.0",
        "servers": [{"url": "https://{name}.github.com", "variables": {"name": {"default": "api"}}}],
        "paths": {path: {method: {"responses": answer, "security": [{"bearer": []}], **operation}}},
        "components": {"securitySchemes": SECURITY, "schemas": {"User": USER}},
    }


def compared(path: Path, description: dict[str, Any], *options: str) -> tuple[int, str]:
    """The exit status, and what is said of the first rule that asks for the user."""
    path.write_text(json.dumps(description) if path.suffix == ".json" else yaml.safe_dump(description))
    command = [sys.executable, str(ROOT / "bench/openapi.py"), *options, str(path)]
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    said = [line.partition("/user: ")[2] for line in done.stdout.splitlines() if line.startswith("github-pat verify")]
    return done.returncode, said[0] if said else ""


QUERY = {"name": "q", "in": "query", "required": True}
KEY: dict[str, Any] = {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}
DIFFERING = {
    "path unknown: /user": described("/users/{id}"),
    "method unknown: GET, known are POST": described(method="post"),
    "missing required parameter: query q": described(parameters=[QUERY]),
    "other authentication: key": described(security=[{"key": []}]) | {"components": {"securitySchemes": KEY}},
}


@pytest.mark.parametrize("kind", DIFFERING)
def test_what_differs_is_named(kind: str, tmp_path: Path) -> None:
    assert compared(tmp_path / "api.yaml", DIFFERING[kind]) == (1, kind)


@pytest.mark.parametrize("name", ["api.json", "api.yaml"])
def test_what_is_described_is_ok(name: str, tmp_path: Path) -> None:
    assert compared(tmp_path / name, described())[1] == "ok"
    # Of the rules that ask this server others ask for what is not described.
    assert compared(tmp_path / name, described("/{anything}"), "--answers")[1] == "ok"


def test_an_older_description(tmp_path: Path) -> None:
    old = {"swagger": "2.0", "host": "api.github.com", "basePath": "/", "paths": {"/user": {"get": {}}}}
    assert compared(tmp_path / "api.json", old)[1] == "ok"
    assert compared(tmp_path / "api.json", old | {"host": "acme.example"}) == (2, "")


def test_fields_of_the_answer(tmp_path: Path) -> None:
    other = described()
    other["components"]["schemas"]["User"] = {"type": "object", "properties": {"name": {"type": "string"}}}
    assert compared(tmp_path / "api.json", other)[1] == "ok"
    assert compared(tmp_path / "api.json", other, "--answers") == (1, "field not described: account: login")
