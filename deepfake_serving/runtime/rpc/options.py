"""Options that both gRPC servers have.

https://grpc.github.io/grpc/core/group__grpc__arg__keys.html
"""

from __future__ import annotations

_MIN_PING_INTERVAL_MS = 5_000


def server_options(max_message_bytes: int, connection_age_s: float) -> list[tuple[str, int]]:
    """Returns the options of a server.

    Clients may send keepalive pings every 10 s, also without calls, as NAT gateways and load
    balancers with short idle timeouts make them do. By default gRPC closes such connections with
    "too many pings".

    Args:
        max_message_bytes: limits a message from a client.
        connection_age_s: connections older than this are closed gracefully; 0: never.
    """
    age = [("grpc.max_connection_age_ms", int(connection_age_s * 1000))]
    return [
        *(age if connection_age_s else []),
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", _MIN_PING_INTERVAL_MS),
        ("grpc.keepalive_permit_without_calls", 1),
    ]
