"""Where the server that we start here finds its records."""

from journey.targets import Target


def server_options(target: Target) -> tuple[str, ...]:
    """The server's options for a target; its URLs go as they are written, so that no password stands in a list of processes."""
    urls = (("--ledger", target.ledger), ("--online", target.online))
    return tuple(part for option, url in urls if url for part in (option, url))
