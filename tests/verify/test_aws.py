"""The AWS checker: its signature is AWS's own, and STS's words become the right verdicts."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from scanner.model import Finding, Verdict
from scanner.verify import aws
from scanner.verify.interface import Answer, Call, Unanswered
from scanner.verify.live import ask_one, verify
from scanner.verify.settings import VerifySettings

Make = Callable[..., Finding]
_random = random.Random(7)
KEY_ID = "AKIA" + "".join(_random.choices(string.ascii_uppercase + "234567", k=16))
KEY = "".join(_random.choices(string.ascii_letters + string.digits + "/+", k=40))
SESSION = "".join(_random.choices(string.ascii_letters, k=300))
ACTION = {"verify": {"checker": "aws"}, "with": []}


@pytest.mark.parametrize("session", [None, SESSION])
@pytest.mark.parametrize(("endpoint", "region"), [*aws.PARTITIONS, ("https://sts.corp.example:8443/gate", "us-east-1")])
def test_the_signature_is_the_one_botocore_makes(
    session: str | None, endpoint: str, region: str, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore import auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    call = aws.signed_call(endpoint, region, KEY_ID, KEY, session, clock.now)
    stamp = datetime.fromtimestamp(clock.now, UTC)
    monkeypatch.setattr(auth, "get_current_datetime", lambda remove_tzinfo=True: stamp.replace(tzinfo=None))
    request = AWSRequest("POST", call.url, {"Content-Type": call.headers["Content-Type"]}, call.body)
    auth.SigV4Auth(Credentials(KEY_ID, KEY, session), "sts", region).add_auth(request)
    assert request.headers["X-Amz-Date"] == call.headers["X-Amz-Date"]
    assert request.headers["Authorization"] == call.headers["Authorization"]


@pytest.fixture(scope="module")
def sts() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"{host}:{port}"
    server.stop()


def test_a_key_is_asked_about_at_sts(sts: str, make: Make) -> None:
    named = frozenset({sts})
    settings = VerifySettings(hosts=named, plain_http=named, endpoints={"aws": f"http://{sts}"})
    for finding in (
        make(KEY, companions={"key_id": KEY_ID}),
        make(KEY_ID, companions={"secret": KEY}),
        make(KEY, companions={"key_id": "ASIA" + KEY_ID[4:], "session_token": SESSION}),
    ):
        verdict = verify([finding], lambda rule: ACTION, settings)[0].verdict
        assert verdict and verdict.state == "live"
        assert verdict.identity["account"] == "123456789012"
        assert verdict.identity["arn"].startswith("arn:aws:sts::123456789012:")
        assert verdict.identity["user"]


def _error(code: str, message: str = "") -> str:
    return f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"


@pytest.mark.parametrize(
    ("status", "text", "state", "words"),
    [
        (403, _error("InvalidClientTokenId"), "dead", "no partition of AWS knows this key id"),
        (403, _error("SignatureDoesNotMatch", "The request signature"), "unknown", "does not belong to this key id"),
        (403, _error("SignatureDoesNotMatch", "Signature expired: 2027 is now earlier"), "unknown", "clock is wrong"),
        (403, _error("SignatureDoesNotMatch", "Signature not yet current"), "unknown", "clock is wrong"),
        (400, _error("ExpiredToken"), "dead", "session has expired"),
        (403, _error("UnrecognizedClientException"), "dead", "no partition of AWS knows"),
        (403, _error("AccessDenied"), "live", "lets it do nothing"),
        (400, _error("Throttling"), "unknown", "answered 400 Throttling"),
        (200, "<html>hello</html>", "unknown", "answered 200, which says nothing"),
        (403, "nothing", "unknown", "answered 403"),
    ],
)
def test_what_sts_says(status: int, text: str, state: str, words: str, make: Make, clock: Any) -> None:
    def ask(call: Call, *, again: bool = True) -> Answer:
        return Answer(call.host, status, {}, None, text)

    finding = make(KEY, companions={"key_id": KEY_ID})
    verdict: Verdict = ask_one(finding, ACTION, VerifySettings(), ask, clock)
    assert verdict.state == state and words in verdict.reason


def test_a_key_of_another_partition_is_not_called_dead(make: Make, clock: Any) -> None:
    asked = []

    def ask(call: Call, *, again: bool = True) -> Answer:
        asked.append((call.host, f"/{call.host.split('.')[1]}/sts/" in call.headers["Authorization"]))
        if call.host.endswith(".cn"):
            arn = "arn:aws-cn:iam::123456789012:user/deploy"
            return Answer(call.host, 200, {}, None, f"<Arn>{arn}</Arn><Account>123456789012</Account>")
        return Answer(call.host, 403, {}, None, _error("InvalidClientTokenId"))

    verdict = ask_one(make(KEY, companions={"key_id": KEY_ID}), ACTION, VerifySettings(), ask, clock)
    assert verdict.state == "live" and verdict.identity["arn"].startswith("arn:aws-cn:")
    assert asked[1:] == [("sts.us-gov-west-1.amazonaws.com", True), ("sts.cn-north-1.amazonaws.com.cn", True)]


@pytest.mark.parametrize(
    ("secret", "companions", "words"),
    [
        (KEY, {}, "needs the access key id"),
        (KEY_ID, {}, "needs the secret access key"),
        (KEY, {"key_id": "ASIA" + KEY_ID[4:]}, "needs the session token"),
        ("ä" * 40, {}, "not an AWS key"),
    ],
)
def test_half_a_key_is_uncheckable(secret: str, companions: dict[str, str], words: str, make: Make, clock: Any) -> None:
    def ask(call: Call, *, again: bool = True) -> Answer:
        raise Unanswered("asked although half of it is missing")

    verdict = ask_one(make(secret, companions=companions), ACTION, VerifySettings(), ask, clock)
    assert verdict.state == "uncheckable" and words in verdict.reason
