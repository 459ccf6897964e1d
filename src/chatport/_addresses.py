"""Which network addresses are the public internet, and which are somebody's inside.

The table is our own, and stricter than `ipaddress.is_global`, whose answers differ between releases of Python. It
follows the special-purpose registries of IANA (RFC 6890 and its updates) and adds the services that cloud platforms
offer to their own machines only, which answer everybody who asks with that machine's credentials.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_PLATFORM = "a cloud platform's service for its own machines"

# The first match counts, so what is most telling stands first.
_IPV4: tuple[tuple[IPv4Network, str], ...] = tuple(
    (IPv4Network(network), reason)
    for network, reason in (
        ("169.254.169.254/32", _PLATFORM),  # instance metadata, on most platforms
        ("169.254.170.2/32", _PLATFORM),  # credentials of containers
        ("169.254.170.23/32", _PLATFORM),  # credentials of pods
        ("168.63.129.16/32", _PLATFORM),  # lies in a public range
        ("100.100.100.200/32", _PLATFORM),
        ("192.0.0.192/32", _PLATFORM),
        ("0.0.0.0/8", "this machine (RFC 1122)"),
        ("127.0.0.0/8", "loopback"),
        ("10.0.0.0/8", "a private network"),
        ("172.16.0.0/12", "a private network"),
        ("192.168.0.0/16", "a private network"),
        ("100.64.0.0/10", "shared by carriers (RFC 6598)"),
        ("169.254.0.0/16", "link-local"),
        ("192.0.0.0/24", "reserved for protocols"),
        ("192.0.2.0/24", "for documentation"),
        ("198.51.100.0/24", "for documentation"),
        ("203.0.113.0/24", "for documentation"),
        ("192.88.99.0/24", "a relay of 6to4"),
        ("198.18.0.0/15", "for benchmarks"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
_IPV6: tuple[tuple[IPv6Network, str], ...] = tuple(
    (IPv6Network(network), reason)
    for network, reason in (
        ("fd00:ec2::254/128", _PLATFORM),
        ("fd00:ec2::23/128", _PLATFORM),
        ("fd20:ce::254/128", _PLATFORM),
        ("::1/128", "loopback"),
        ("::/128", "this machine"),
        ("::ffff:0:0/96", "an IPv4 address in disguise (mapped)"),
        ("::ffff:0:0:0/96", "an IPv4 address in disguise (translated)"),
        ("::/96", "an IPv4 address in disguise (compatible)"),
        ("64:ff9b:1::/48", "an IPv4 address behind a local translator"),
        ("2002::/16", "an IPv4 address in disguise (6to4)"),
        ("2001::/32", "an IPv4 address in disguise (Teredo)"),
        ("2001::/23", "reserved for protocols"),
        ("2001:db8::/32", "for documentation"),
        ("3fff::/20", "for documentation"),
        ("fc00::/7", "a private network"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
    )
)
_PUBLIC_IPV6 = IPv6Network("2000::/3")  # all that has been given out as global unicast
_NAT64 = IPv6Network("64:ff9b::/96")
_ISATAP_MARKS = frozenset({0x00005EFE, 0x02005EFE, 0x01005EFE, 0x03005EFE})

# Names that mean a machine nearby, whatever a resolver says; a name without a dot is completed from the machine's own
# search list.
_LOCAL_ENDINGS = ("localhost", "local", "localdomain", "internal", "intranet", "lan", "home.arpa", "onion")


def why_not_public(address: str) -> str | None:
    """Return why an address must not be reached for somebody else, or None where it is the public internet.

    Args:
        address: A literal address, as a resolver gives it.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return "no address"
    if isinstance(parsed, IPv4Address):
        return _why_not_public_ipv4(parsed)
    return _why_not_public_ipv6(parsed)


def why_not_public_name(name: str) -> str | None:
    """Return why a host's name cannot be one of the public internet, or None.

    Args:
        name: The name in lower case, without a final dot.
    """
    if any(name == ending or name.endswith("." + ending) for ending in _LOCAL_ENDINGS):
        return "a name of the local network"
    return None if "." in name else "a name without a domain"


def _why_not_public_ipv4(address: IPv4Address) -> str | None:
    return next((reason for network, reason in _IPV4 if address in network), None)


def _why_not_public_ipv6(address: IPv6Address) -> str | None:
    if address.scope_id is not None:
        return "an address of one link only (zone id)"
    if address in _NAT64:
        # How a network without IPv4 reaches the IPv4 internet (RFC 6052): as good as the address inside.
        return _why_not_public_ipv4(IPv4Address(int(address) & 0xFFFFFFFF))
    found = next((reason for network, reason in _IPV6 if address in network), None)
    if found is not None:
        return found
    if address not in _PUBLIC_IPV6:
        return "reserved"
    if (int(address) >> 32) & 0xFFFFFFFF in _ISATAP_MARKS:
        return "an IPv4 address in disguise (ISATAP)"
    return None
