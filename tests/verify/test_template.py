"""Templates fill requests in; they reach no other host, run nothing, and their errors name no value."""

from __future__ import annotations

import base64
import hashlib
import hmac
from types import SimpleNamespace

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.verify.interface import Unaskable
from scanner.verify.settings import VerifySettings
from scanner.verify.template import render, render_call, render_text, render_url

PLAIN = VerifySettings()
DOMAINS = ["acme.example"]


def url(template: str, settings: VerifySettings = PLAIN, **values: str) -> str:
    return render_url(template, values, DOMAINS, settings).url


def test_filters() -> None:
    values = {"secret": "s3cr/t?", "user": "bob", "key": "k"}
    mac = hmac.new(b"k", b"s3cr/t?", hashlib.sha256)
    for template, expected in {
        "{{ secret | b64encode }}": base64.b64encode(b"s3cr/t?").decode(),
        "{{ '??>' | b64url }}": "Pz8-",
        "{{ 'YWJj' | b64decode }}": "abc",
        "{{ secret | hex }}": b"s3cr/t?".hex(),
        "{{ secret | urlencode }}": "s3cr%2Ft%3F",
        "{{ secret | hmac_sha256(key) }}": mac.hexdigest(),
        "{{ secret | hmac_sha256(key) | b64encode }}": base64.b64encode(mac.digest()).decode(),
        "{{ user | basic(secret) }}": "Basic " + base64.b64encode(b"bob:s3cr/t?").decode(),
        "{{ secret.split('/')[0] }}": "s3cr",
        "{{ region | default('eu') }}": "eu",
    }.items():
        assert render_text(template, values) == expected


def test_nested_values_are_rendered_and_scalars_kept() -> None:
    given_ = {"a": ["{{ secret }}", 1, None, True], "b": {"c": "x{{ secret }}"}}
    assert render(given_, {"secret": "s"}) == {"a": ["s", 1, None, True], "b": {"c": "xs"}}


def test_a_secret_that_looks_like_a_template_is_not_rendered() -> None:
    assert render_text("{{ secret }}", {"secret": "{{ 1 + 1 }}"}) == "{{ 1 + 1 }}"


@pytest.mark.parametrize(
    "template",
    [
        "{{ secret.__class__ }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ secret * 1000000000 }}",
        "{{ 'a' * 1000000000 }}",
        "{{ 9 ** 999999999 }}",
        "{{ '%999999999d' % 1 }}",
        "{{ secret.center(999999999) }}",
        "{{ secret.zfill(999999999) }}",
        "{{ '{:>999999999}'.format(secret) }}",
        "{{ range(10) }}",
        "{% for a in secret %}x{% endfor %}",
        "{{ secret | attr('__class__') }}",
        "{{ owner.nobody }}",
        "{{ secret[secret] }}",
        "{{ '_!' | b64decode }}",
        "{{ missing }}",
        "{{",
    ],
)
def test_what_a_template_may_not_do_fails_without_naming_a_value(template: str) -> None:
    with pytest.raises(Unaskable) as caught:
        render_text(template, {"secret": "hunter2hunter2", "owner": SimpleNamespace(admin="correct-horse")})
    assert "hunter2" not in str(caught.value) and "correct-horse" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_missing_variable_is_named() -> None:
    with pytest.raises(Unaskable, match="needs account_id, which is not known here"):
        render_text("{{ account_id }}", {})


def test_hosts_of_the_rule_and_of_the_user() -> None:
    assert url("https://api.acme.example/me") == "https://api.acme.example/me"
    assert url("https://{{ shop }}.acme.example/me", shop="bob-1") == "https://bob-1.acme.example/me"
    assert url("https://{{ shop }}.acme.example/me", shop="a.b") == "https://a.b.acme.example/me"
    assert (
        url("https://api.acme.example?q={{ secret | urlencode }}", secret="a/#") == "https://api.acme.example?q=a%2F%23"
    )
    own = VerifySettings(endpoints={"acme": "https://git.corp/base"})
    assert url("{{ endpoint }}/api", own, endpoint="https://git.corp/base") == "https://git.corp/base/api"
    assert url("{{ endpoint | default('https://acme.example') }}/api") == "https://acme.example/api"
    named = VerifySettings(hosts=frozenset({"db.corp"}))
    assert url("https://{{ host }}/me", named, host="db.corp") == "https://db.corp/me"


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("https://{{ x }}.acme.example/", "evil.test/"),
        ("https://{{ x }}.acme.example/", "evil.test#"),
        ("https://{{ x }}.acme.example/", "user@evil"),
        ("https://{{ x }}.acme.example/", "a:1"),
        ("https://{{ x }}.acme.example/", "a..b"),
        ("https://{{ x }}.acme.example/", ""),
        ("https://{{ x }}.acme.example/", "a\n"),
        ("https://{{ x }}.acme.example/", "аcme"),
        ("https://acme.example{{ x }}/", ".evil.test"),
        ("https://acme.example{{ x }}/", "@evil.test"),
        ("https://acme.example.{{ x }}/", "evil"),
        ("https://{{ x }}/me", "evil.test"),
        ("https://notacme.example/{{ x }}", "a"),
        ("https://evil.test/acme.example", "a"),
        ("http://api.acme.example/{{ x }}", "a"),
        ("ftp://api.acme.example/{{ x }}", "a"),
        ("{{ x }}", "https://evil.test/"),
        ("{{ endpoint | default(x) }}/", "https://evil.test"),
        ("https://api.acme.example/v1/{{ x }}/keys", "../../admin"),
        ("https://api.acme.example/v1/{{ x }}", ".."),
        ("https://api.acme.example/v1/{{ x }}", "a#b"),
        ("https://api.acme.example/v1/{{ x }}", "a b"),
        ("https://api.acme.example/v1/{{ x }}", "a\\b"),
        ("https://api.acme.example/v1/{{ x }}", "a\r\nHost: evil"),
    ],
)
def test_no_value_leads_elsewhere(template: str, value: str) -> None:
    with pytest.raises(Unaskable) as caught:
        url(template, x=value)
    assert len(value) < 3 or value not in str(caught.value)


@hypothesis.settings(deadline=None)
@given(st.text(max_size=40))
def test_whatever_a_value_is_the_host_stays_below_the_domain(value: str) -> None:
    for template in ("https://{{ x }}.acme.example/a", "https://api.acme.example/{{ x }}"):
        try:
            call = render_url(template, {"x": value}, DOMAINS, PLAIN)
        except Unaskable:
            continue
        assert call.host.endswith(".acme.example") and call.url.startswith(f"https://{call.url[8:].split('/')[0]}/")
        assert call.url[8:].split("/")[0].lower() == call.host


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\x00b", "ä"])
def test_headers_with_odd_characters_are_refused(value: str) -> None:
    request = {"url": "https://acme.example/", "headers": {"Authorization": "Bearer {{ secret }}"}}
    with pytest.raises(Unaskable) as caught:
        render_call(request, {"secret": value}, DOMAINS, PLAIN)
    assert value not in str(caught.value)


def test_a_call_does_not_print_its_secret() -> None:
    request = {
        "method": "POST",
        "url": "https://acme.example/{{ secret }}",
        "headers": {"A": "{{ secret }}"},
        "params": {"q": "{{ secret }}"},
        "json": {"t": "{{ secret }}"},
        "basic": ["{{ secret }}", "x"],
    }
    call = render_call(request, {"secret": "hunter2hunter2"}, DOMAINS, PLAIN)
    assert call.headers["Authorization"] == "Basic " + base64.b64encode(b"hunter2hunter2:x").decode()
    assert call.json == {"t": "hunter2hunter2"}
    assert "hunter2" not in repr(call)
