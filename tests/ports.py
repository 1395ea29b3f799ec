"""Ports on loopback for the servers of tests."""

import socket

PORTS = 5            # tries: another process may take a free port before the server does


def free_port() -> int:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return int(holder.getsockname()[1])
