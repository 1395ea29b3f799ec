"""`python -m serving.probe --port P`: exit code 0 where a server on this machine can answer; for probes that have no shell and no curl."""

import argparse
import sys
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException


def main(arguments: Sequence[str] | None = None) -> int:
    """Asks /health/status once."""
    parser = argparse.ArgumentParser("python -m serving.probe")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", default="/health/status")
    asked = parser.parse_args(arguments)
    connection = HTTPConnection("127.0.0.1", asked.port, timeout=2)
    try:
        connection.request("GET", asked.path)
        return 0 if connection.getresponse().status == 200 else 1
    except (OSError, HTTPException) as error:
        sys.stderr.write(f"expected a server on port {asked.port}, found: {error}\n")
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
