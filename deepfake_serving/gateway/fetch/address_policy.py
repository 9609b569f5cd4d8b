"""Which addresses may be connected to on behalf of a caller."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

_GLOBAL_UNICAST = IPv6Network("2000::/3")  # RFC 4291; all else of IPv6 is local, or nobody's
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052
_INWARD = [
    ip_network("168.63.129.16"),  # Azure's host, which answers its guests alone
    ip_network("192.0.0.0/24"),  # RFC 6890; Oracle Cloud's metadata among them
    ip_network("192.88.99.0/24"),  # RFC 7526: relays of 6to4
    ip_network("3fff::/20"),  # RFC 9637: documentation
]
"""Public by their number only: they lead into the network that asks, or nowhere."""


class AddressPolicy:
    """Public addresses, and the networks that were named besides."""

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        """`allowed` holds networks or addresses.

        Raises:
            ValueError: one that can't be.
        """
        self._networks = [ip_network(each, strict=False) for each in allowed]

    def allows(self, address: str) -> bool:
        """Whether a connection may go to this address.

        An IPv4-mapped one is the IPv4 one. What another IPv6 address carries of an IPv4 one (6to4,
        Teredo, NAT64) must be allowed as well, since a router may take it out.
        """
        found = ip_address(address.partition("%")[0])
        if isinstance(found, IPv6Address):
            found = found.ipv4_mapped or found
        return all(self._allowed(each) for each in (found, *_carried(found)))

    def _allowed(self, address: IPv4Address | IPv6Address) -> bool:
        if any(address in network for network in self._networks):
            return True
        return _is_public(address) and not any(address in network for network in _INWARD)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return address in _NAT64
    return address.is_global and not address.is_multicast


def _carried(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    if isinstance(address, IPv4Address):
        return []
    inner = [address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        inner.append(IPv4Address(address.packed[-4:]))
    return [each for each in inner if each is not None]
