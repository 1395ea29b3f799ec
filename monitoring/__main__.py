"""`python -m monitoring`: watches servers' metrics and tells the trigger when inputs drift."""

import argparse
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from journey.clock import clock_of
from journey.errors import JourneyError
from monitoring.rules import rules_of
from monitoring.watch import Watch, watch


def main() -> int:
    """Watches servers' metrics and tells the trigger when inputs drift, until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m monitoring", description=main.__doc__)
    parser.add_argument("--server", action="append", required=True, metavar="URL", help="a server's /metrics; may be given several times")
    parser.add_argument("--trigger", default="", metavar="URL", help="where alerts are sent")
    parser.add_argument("--windows", default="1h,1d,7d", help="lengths over which drift is judged")
    parser.add_argument("--out", type=Path, required=True, help="folder for monitor.json and monitor.jsonl")
    wanted = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    stop = threading.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: threading.Thread(target=stop.set).start())
    try:
        watch(Watch(tuple(wanted.server), wanted.trigger, rules_of(wanted.windows.split(",")), clock_of(os.environ), wanted.out), stop)
    except JourneyError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
