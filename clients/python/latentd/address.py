"""Where a daemon listens: addresses as every client of latentd writes and finds them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from .errors import BadParameterError

PATH_BYTES_MAX = 107  # sockaddr_un, less the byte that ends it
HOST_BYTES_MAX = 255
SYSTEM_SOCKET = "/run/latentd/latentd.sock"


@dataclass(frozen=True)
class UnixAddress:
    """The path of a Unix socket."""
    path: str

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True)
class TcpAddress:
    """A host and a port, with or without TLS."""
    host: str
    port: int
    tls: bool = False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'tls' if self.tls else 'tcp'}://{host}:{self.port}"


Address = UnixAddress | TcpAddress


def usual_address(environment: Mapping[str, str] = os.environ, of_system: str = SYSTEM_SOCKET) -> str:
    """Where the daemon listens unless told otherwise: $LATENTD_SOCKET, else $XDG_RUNTIME_DIR/latentd.sock, else
    /tmp/latentd-UID/latentd.sock; if nothing is there, the socket of the system's daemon."""
    if named := environment.get("LATENTD_SOCKET"):
        return named
    folder = environment.get("XDG_RUNTIME_DIR")
    own = f"{folder}/latentd.sock" if folder else f"/tmp/latentd-{os.getuid()}/latentd.sock"
    return of_system if os.path.exists(of_system) and not os.path.exists(own) else own


def usual_token(environment: Mapping[str, str] = os.environ) -> str | None:
    """The token to present unless told otherwise: $LATENTD_TOKEN, if it is set and not empty."""
    return environment.get("LATENTD_TOKEN") or None


def parse_address(text: str | os.PathLike[str]) -> Address:
    """Reads a path, unix:PATH, tcp://HOST:PORT or tls://HOST:PORT, HOST being [IPV6] as well. BadParameterError if it is none of them."""
    text = os.fspath(text)
    if text.startswith(("tcp://", "tls://")):
        return _parse_tcp(text)
    path = text.removeprefix("unix:")
    size = len(os.fsencode(path))
    if not 1 <= size <= PATH_BYTES_MAX:
        raise BadParameterError(f'the path of a socket has 1 to {PATH_BYTES_MAX} bytes; "{path:.80}" has {size}')
    return UnixAddress(path)


def _parse_tcp(text: str) -> TcpAddress:
    scheme, _, rest = text.partition("://")
    host, colon, port = rest.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not colon or not 1 <= len(host) <= HOST_BYTES_MAX or not (port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16):
        raise BadParameterError(f"an address is {scheme}://HOST:PORT; found {text:.80}")
    return TcpAddress(host, int(port), scheme == "tls")
