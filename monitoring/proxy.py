"""A proxy of the environment is for what is far; `journey up` has the monitor watch its own machine."""

import socket
from urllib.parse import urlsplit


def is_here(url: str) -> bool:
    """Whether a URL's host is this machine: it can be listened on here, as loopback and each of the machine's own addresses can."""
    host = urlsplit(url).hostname or ""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
            listener.bind((host, 0))
    except (OSError, TypeError):      # also of a name that only the proxy knows, or that is none
        return False
    return True
