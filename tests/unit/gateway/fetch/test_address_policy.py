"""The address policy, for every way to embed one address in another."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_serving.gateway.fetch.address_policy import AddressPolicy

PRIVATE = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4",
]  # fmt: skip


@st.composite
def private(draw: st.DrawFn) -> IPv4Address:
    """Generates an address of a special-purpose network (RFC 6890)."""
    network = ip_network(draw(st.sampled_from(PRIVATE)))
    return IPv4Address(int(network[0]) + draw(st.integers(0, network.num_addresses - 1)))


def wrapped(address: IPv4Address) -> list[IPv6Address]:
    """Returns it as compatible, mapped, translated, NAT64, local NAT64, 6to4 and Teredo."""
    low = int(address)
    return [
        IPv6Address(low),
        IPv6Address(0xFFFF << 32 | low),
        IPv6Address(0xFFFF << 48 | low),
        IPv6Address(0x0064FF9B << 96 | low),
        IPv6Address(0x0064FF9B0001 << 80 | low),
        IPv6Address(0x2002 << 112 | low << 80 | 1),
        IPv6Address(0x20010000 << 96 | low ^ 0xFFFFFFFF),
    ]


@given(private())
def test_a_private_address_is_refused_however_it_is_wrapped(address: IPv4Address) -> None:
    for each in (address, *wrapped(address)):
        assert not AddressPolicy().allows(str(each)), each


@given(private())
def test_where_ipv6_is_allowed_private_addresses_within_are_not(address: IPv4Address) -> None:
    policy = AddressPolicy(["::/0"])
    _, mapped, _, nat64, _, six_to_four, teredo = wrapped(address)
    for each in (mapped, nat64, six_to_four, teredo):
        assert not policy.allows(str(each)), each


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_allowed_addresses_are_always_global(address: IPv4Address | IPv6Address) -> None:
    if AddressPolicy().allows(str(address)):
        assert ip_address(address).is_global or getattr(address, "ipv4_mapped", None)


@pytest.mark.parametrize(
    "address",
    [
        "168.63.129.16", "192.0.0.192", "100.100.100.200", "169.254.169.254", "169.254.170.2",
        "fd00:ec2::254", "fd20:ce::254",
    ],
)  # fmt: skip
def test_cloud_metadata_addresses_are_refused(address: str) -> None:
    """Azure, Oracle, Alibaba, AWS and most others, ECS; AWS and Google by IPv6."""
    assert not AddressPolicy().allows(address)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("169.254.169.254", "0.0.0.0/0"), ("169.254.170.23", "169.254.0.0/16"),
        ("::ffff:169.254.169.254", "0.0.0.0/0"), ("64:ff9b::a9fe:a9fe", "0.0.0.0/0"),
        ("100.100.100.200", "100.64.0.0/10"), ("fd00:ec2::254", "fd00::/8"),
        ("fd20:ce::254", "fc00::/7"),
    ],
)  # fmt: skip
def test_an_allowed_network_does_not_allow_a_metadata_service_in_it(
    address: str, network: str
) -> None:
    assert not AddressPolicy([network]).allows(address)


@pytest.mark.parametrize("address", ["fec0::1", "5f00::1", "4000::1", "3fff::1", "100::1", "::1"])
def test_ipv6_outside_global_unicast_is_refused(address: str) -> None:
    assert not AddressPolicy().allows(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "::ffff:8.8.8.8", "64:ff9b::808:808", "2001:4860:4860::8888"]
)
def test_public_addresses_are_allowed_in_their_usual_spellings(address: str) -> None:
    assert AddressPolicy().allows(address)


def test_an_allowed_network_also_allows_its_mapped_addresses_and_no_others() -> None:
    policy = AddressPolicy(["10.1.0.0/16", "fd00:1::/32", "168.63.129.16"])
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203", "fd00:1::5"):
        assert policy.allows(address)
    assert policy.allows("168.63.129.16")
    for address in ("10.2.0.1", "::ffff:10.2.0.1", "fd00:2::5", "::10.1.2.3"):
        assert not policy.allows(address)


@pytest.mark.parametrize("network", ["10.0.0.0/40", "intranet", ""])
def test_an_invalid_network_prevents_startup(network: str) -> None:
    with pytest.raises(ValueError):
        AddressPolicy([network])
