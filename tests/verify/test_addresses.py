"""Only public addresses may be asked, in whatever form they are written."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.verify.addresses import problem

INSIDE = [
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "100.64.0.0/10",
    "224.0.0.0/4",
]
inside = st.sampled_from(INSIDE).flatmap(
    lambda net: st.integers(0, IPv4Network(net).num_addresses - 1).map(lambda n: IPv4Network(net)[n])
)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("127.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("10.1.2.3", "private"),
        ("192.168.0.1", "private"),
        ("169.254.169.254", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("fd00:ec2::254", "private"),
        ("168.63.129.16", "reserved"),
        ("100.100.100.200", "reserved"),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("239.1.1.1", "multicast"),
        ("ff02::1", "multicast"),
        ("fec0::1", "private"),
        ("64:ff9b:1::1", "reserved"),
    ],
)
def test_inside_addresses_are_refused(address: str, why: str) -> None:
    assert problem(address) is not None
    assert problem(address) == why or why in ("private", "reserved")


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "140.82.112.3", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"]
)
def test_public_addresses_are_allowed(address: str) -> None:
    assert problem(address) is None


@settings(deadline=None)
@given(inside)
def test_wrapping_an_inside_address_does_not_help(inner: IPv4Address) -> None:
    number = int(inner)
    for wrapped in (
        str(inner),
        f"::ffff:{inner}",
        str(IPv6Address((0x2002 << 112) | (number << 80))),
        str(IPv6Address((0x64FF9B << 96) | number)),
        str(IPv6Address(number)),
    ):
        assert problem(wrapped) is not None, wrapped


def test_what_is_no_address_is_an_error() -> None:
    with pytest.raises(ValueError):
        problem("issuer.example")
