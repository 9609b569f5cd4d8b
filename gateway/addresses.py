"""Which addresses may be connected to on behalf of a caller."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052


class Reach:
    """Public addresses, and the networks that were named besides."""

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        """`allowed` holds networks or addresses.

        Raises:
            ValueError: one that can't be.
        """
        self._networks = [ip_network(each, strict=False) for each in allowed]

    def allows(self, address: str) -> bool:
        """Whether a connection may go to this address.

        What an IPv6 address carries of an IPv4 one (mapped, 6to4, Teredo, NAT64) must be allowed
        as well, since a router may take it out.
        """
        found = ip_address(address.partition("%")[0])
        return all(self._allowed(each) for each in (found, *_carried(found)))

    def _allowed(self, address: IPv4Address | IPv6Address) -> bool:
        if any(address in network for network in self._networks):
            return True
        return address.is_global and not address.is_multicast


def _carried(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    if isinstance(address, IPv4Address):
        return []
    inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        inner.append(IPv4Address(address.packed[-4:]))
    return [each for each in inner if each is not None]
