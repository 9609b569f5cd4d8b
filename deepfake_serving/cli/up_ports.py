"""Ports of the servers that `up` starts: free, and known to the gateway."""

from __future__ import annotations

import json
from collections.abc import Collection
from ipaddress import ip_address
from typing import TYPE_CHECKING

from deepfake_serving.runtime.listeners import bind_errors, open_listener
from deepfake_serving.runtime.settings import ServerSettings, variable_of

if TYPE_CHECKING:
    from deepfake_serving.gateway.settings import Settings as GatewaySettings
    from deepfake_serving.model_server.settings import Settings as ModelServerSettings


def choose_ports(model_server: ModelServerSettings, gateway: GatewaySettings) -> dict[str, str]:
    """Returns environment variables by which the gateway finds the model server of this stack.

    `routing` follows the model server's ports, unless it is set. A port of the model server that
    is 0 becomes a free one, which the gateway can know.

    Raises:
        SettingsError: a port is in use. Another stack's server may listen there and serve in
            place of this one's.
    """
    _check_free(model_server, model_server.host)
    _check_free(gateway, gateway.host, () if gateway.embedded_worker else ("worker_metrics_port",))
    variables = {}
    ports = {"http_port": model_server.http_port, "grpc_port": model_server.grpc_port}
    for name, port in ports.items():
        if port == 0:
            ports[name] = _free_port(model_server.host)
            variables[variable_of(model_server, name)] = str(ports[name])
    if "routing" not in gateway.model_fields_set:
        url = f"http://{_reachable(model_server.host)}:{ports['http_port']}"
        pool = {"name": "default", "url": url, "grpc_port": ports["grpc_port"]}
        variables[variable_of(gateway, "routing")] = json.dumps({"pools": [pool]})
    return variables


def _check_free(settings: ServerSettings, host: str, unused: Collection[str] = ()) -> None:
    for name in type(settings).model_fields:
        port = getattr(settings, name)
        if name.endswith("_port") and port and name not in unused:
            with bind_errors(variable_of(settings, name), host, port):
                open_listener(host, port).close()


def _free_port(host: str) -> int:
    with open_listener(host, 0) as listener:
        return int(listener.getsockname()[1])


def _reachable(host: str) -> str:
    """Returns the host of a URL; addresses that stand for all interfaces are no destination."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "[::1]"
    return host if address.version == 4 else f"[{host}]"
