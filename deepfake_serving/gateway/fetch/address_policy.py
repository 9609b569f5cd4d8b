"""The policy of addresses that may be connected to on behalf of a client (against SSRF)."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

_GLOBAL_UNICAST = IPv6Network("2000::/3")  # RFC 4291; all other IPv6 is local or unassigned
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052
_METADATA = [
    ip_network("169.254.169.254"),  # AWS, Google, Azure and most others
    ip_network("169.254.170.0/24"),  # AWS: credentials of containers and pods
    ip_network("168.63.129.16"),  # Azure
    ip_network("192.0.0.192"),  # Oracle
    ip_network("100.100.100.200"),  # Alibaba
    ip_network("fd00:ec2::/32"),  # AWS
    ip_network("fd20:ce::254"),  # Google
]
"""Services that hand out credentials of a cloud. A network that contains one by chance, such as the
`fd00::/8` of a cluster, does not allow it."""
_INTERNAL = [
    ip_network("168.63.129.16"),  # Azure's host, reachable by its guests only
    ip_network("192.0.0.0/24"),  # RFC 6890; includes Oracle Cloud's metadata
    ip_network("192.88.99.0/24"),  # RFC 7526: 6to4 relays
    ip_network("3fff::/20"),  # RFC 9637: documentation
]
"""Public by number, but routed into the local network or nowhere."""

NOT_PUBLIC = "leads to an address that is not public, and that fetch_private does not allow"
"""Why a URL or a page is refused; it names no address."""


class AddressPolicy:
    """Allows public addresses, and the networks that are configured as well."""

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        """
        Args:
            allowed: networks or addresses. A cloud's metadata service is allowed by its own
                address only.

        Raises:
            ValueError: one of them is malformed.
        """
        self._networks = [ip_network(each, strict=False) for each in allowed]

    def allows(self, address: str) -> bool:
        """Returns whether an address may be connected to.

        An IPv4-mapped address counts as its IPv4 address. IPv4 addresses that are embedded in other
        IPv6 addresses (6to4, Teredo, NAT64) must be allowed too, since a router may extract them.
        """
        parsed = ip_address(address.partition("%")[0])
        if isinstance(parsed, IPv6Address):
            parsed = parsed.ipv4_mapped or parsed
        return all(self._allowed(each) for each in (parsed, *_embedded(parsed)))

    def _allowed(self, address: IPv4Address | IPv6Address) -> bool:
        metadata = any(address in network for network in _METADATA)
        if any(
            address in network and (not metadata or network.num_addresses == 1)
            for network in self._networks
        ):
            return True
        return _is_public(address) and not any(address in network for network in _INTERNAL)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return address in _NAT64
    return address.is_global and not address.is_multicast


def _embedded(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    if isinstance(address, IPv4Address):
        return []
    inner = [address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        inner.append(IPv4Address(address.packed[-4:]))
    return [each for each in inner if each is not None]
