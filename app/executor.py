"""A run inside the cluster: the process of the Job that `journey run --target` makes. It tells of the run by events on stdout.

    python -m app.executor -p /opt/journey/project --home /journey/home --target kind --run 20260301-120000-1a2b

It ends with 0 whatever became of the run, which its last events tell: another exit code means that the process itself was lost, and
Kubernetes starts it again with the same words; what was done is found in the cache.
"""

import argparse
import sys
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from app.interruption import INTERRUPTED, end_on_sigterm, heed_sigterm
from journey.errors import JourneyError
from pipelines.remote.events import EventWriter


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the pipeline and tells of it.

    Returns:
        The exit code: 0, or INTERRUPTED where it was asked to end.
    """
    wanted = _parser().parse_args(arguments)
    end_on_sigterm()
    events = EventWriter(sys.stdout)
    try:
        _run(wanted, events)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted. Finished steps are kept.\n")
        return INTERRUPTED
    except JourneyError as error:
        events.error(error)
    except Exception as error:          # told, so that it isn't done three times more
        traceback.print_exc()
        events.error(error)
    return 0


def _run(wanted: argparse.Namespace, events: EventWriter) -> None:
    from app.report.run import write_report  # late: while this loads, the process can be told to end already
    from pipelines.submit import RunOptions, keep, submit

    heed_sigterm()
    parameters = dict(item.split("=", 1) for item in wanted.parameter)
    options = RunOptions(parameters, wanted.until, wanted.workers, events, wanted.home, wanted.run, wanted.wait)
    run = submit(wanted.project, target=wanted.target, options=options)
    page = write_report(run, Path(wanted.called), run.home / "runs" / run.id / "report.html", wanted.target)
    run = replace(run, report=page)
    keep(run)
    events.result(run)
    events.report(page.read_text(encoding="utf-8"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m app.executor", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-p", "--project", type=Path, required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--run", required=True, help="the run's id; one that is there is taken up again")
    parser.add_argument("--called", required=True, help="the project's folder where the run was asked for, for its page")
    parser.add_argument("--until")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--wait", action="store_true")
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE")
    return parser


if __name__ == "__main__":
    sys.exit(main())
