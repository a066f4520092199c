"""Which network addresses a secret may be sent to: public ones. The rest only when the user names the host."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

# Not covered by the standard library's own tables of every supported version.
EXTRA = tuple(
    ip_network(net)
    for net in (
        "168.63.129.16/32",  # Azure's host agent, a public address that is not
        "192.88.99.0/24",  # 6to4 relays, RFC 7526
        "64:ff9b:1::/48",  # local-use NAT64, RFC 8215
        "fec0::/10",  # site-local, RFC 3879
        "100::/64",  # discard, RFC 6666
        "5f00::/16",  # SRv6 segment identifiers, RFC 9602
        "3fff::/20",  # documentation, RFC 9637
    )
)
NAT64 = IPv6Network("64:ff9b::/96")
COMPATIBLE = IPv6Network("::/96")


def problem(text: str) -> str | None:
    """Say why the address must not be asked, in a word or two, or None when it is public. ValueError for no address.

    IPv4 addresses inside IPv6 ones (mapped, compatible, 6to4, NAT64, Teredo) are judged as what they lead to.
    """
    address = ip_address(text.split("%", 1)[0])
    for inner in _embedded(address):
        if why := _own(inner):
            return why
    return _own(address) if not _wraps(address) else None


def _wraps(address: IPv4Address | IPv6Address) -> bool:
    return isinstance(address, IPv6Address) and (address.ipv4_mapped is not None or address in NAT64)


def _embedded(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    if isinstance(address, IPv4Address):
        return []
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in NAT64 or (address in COMPATIBLE and int(address) > 0xFFFF):
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [inner for inner in found if inner is not None]


def _own(address: IPv4Address | IPv6Address) -> str | None:
    for why, holds in (
        ("loopback", address.is_loopback),
        ("link-local", address.is_link_local),
        ("multicast", address.is_multicast),
        ("unspecified", address.is_unspecified),
        ("private", address.is_private),
        ("reserved", address.is_reserved or any(address in net for net in EXTRA) or not address.is_global),
    ):
        if holds:
            return why
    return None
