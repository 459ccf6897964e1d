import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatport._addresses import why_not_public, why_not_public_name

INSIDE = [
    *["0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.254", "10.0.0.1"],  # noqa: S104 - nothing is bound
    *["10.255.255.255", "172.16.0.1"],
    *["172.31.255.255", "192.168.0.1", "192.168.255.255", "100.64.0.1", "100.127.255.255", "100.100.100.200"],
    *["169.254.0.1", "169.254.169.254", "169.254.170.2", "169.254.170.23", "168.63.129.16", "192.0.0.192"],
    *["192.0.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "192.88.99.1", "198.18.0.1", "198.19.255.255"],
    *["224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"],
    *["::", "::1", "fe80::1", "fe80::1%eth0", "2606:2800::1%1", "fec0::1", "fc00::1", "fd00::1", "ff02::1"],
    *["fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "2001:db8::1", "3fff::1", "100::1", "5f00::1", "4000::1"],
    *["::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:93.184.216.34", "::127.0.0.1", "::93.184.216.34"],
    *["::ffff:0:127.0.0.1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:5db8:d822::1", "64:ff9b::127.0.0.1"],
    *["64:ff9b::169.254.169.254", "64:ff9b::10.0.0.1", "64:ff9b:1::93.184.216.34", "64:ff9b:1:fffe::10.0.0.1"],
    *["2001:0:53aa:64c::f5ff:fffe", "2001::1", "2001:10::1", "2001:2::1", "2606:2800::5efe:10.0.0.1"],
    *["2606:2800::200:5efe:127.0.0.1", "2606:2800::200:5efe:93.184.216.34"],
    *["", "example.com", "127.1", "0177.0.0.1", "2130706433", "127.0.0.1 ", "[::1]", "1.2.3"],
]
PUBLIC = [
    *["93.184.216.34", "8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1"],
    *["168.63.129.15", "168.63.129.17", "169.253.0.1", "11.0.0.1", "223.255.255.255", "192.0.1.1"],
    *["2606:2800:220:1:248:1893:25c8:1946", "2a00:1450:4001::1", "2001:4860:4860::8888", "64:ff9b::93.184.216.34"],
]


@pytest.mark.parametrize("address", INSIDE)
def test_the_inside_is_refused(address: str) -> None:
    """Private, local, shared, reserved, platform and disguised addresses are refused, each with a reason."""
    assert why_not_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_the_public_internet_is_not(address: str) -> None:
    """The neighbours of what is refused are reached, as is the IPv4 internet from a network without IPv4."""
    assert why_not_public(address) is None


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
def test_what_passes_is_global_for_python_too(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """Against an independent table: nothing that the standard library calls private passes."""
    if why_not_public(str(address)) is None:
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_reserved or address in ipaddress.ip_network("64:ff9b::/96")


@given(st.ip_addresses(v=4), st.sampled_from(["::ffff:{}", "::{}", "64:ff9b::{}", "64:ff9b:1::{}", "2606::5efe:{}"]))
def test_no_disguise_helps(address: ipaddress.IPv4Address, form: str) -> None:
    """An IPv4 address that is refused is refused in every IPv6 address around it."""
    if why_not_public(str(address)) is not None:
        assert why_not_public(form.format(address)) is not None


@given(st.ip_addresses(v=4))
def test_no_tunnel_helps(address: ipaddress.IPv4Address) -> None:
    """6to4 and Teredo carry any IPv4 address, so none of theirs is reached."""
    number = int(address)
    for tunnel in (0x2002 << 112 | number << 80 | 1, 0x20010000 << 96 | number ^ 0xFFFFFFFF):
        assert why_not_public(str(ipaddress.IPv6Address(tunnel))) is not None


@pytest.mark.parametrize(
    "name", ["localhost", "a.localhost", "printer.local", "db.internal", "metadata", "router.lan", "x.home.arpa"]
)
def test_names_of_the_neighbourhood_are_refused(name: str) -> None:
    """Some names cannot be public, and are not even looked up."""
    assert why_not_public_name(name)


@pytest.mark.parametrize("name", ["example.com", "localhost.example", "mylocal.example", "xn--bcher-kva.example"])
def test_other_names_are_looked_up(name: str) -> None:
    """What merely sounds alike is a name like any other."""
    assert why_not_public_name(name) is None
