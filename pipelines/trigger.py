"""The retrain service: takes alerts, stores what they ask for before it answers, and carries it out.

    python -m pipelines.trigger -p PROJECT --home HOME [--target NAME] --port 8081
    python -m pipelines.trigger --published --home HOME [--target NAME] --port 8081      beside a cluster's pipelines

An alert is a hint that comes twice, late or not at all; the ledger's key makes it one request. Beside that, the service lets the ledger
forget answers of which no label is expected any more. What it answers to: pipelines.alert_service.
"""

import argparse
import json
import logging
import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from components.operations.retrain import Policy
from journey.clock import clock_of, duration
from journey.errors import JourneyError
from journey.places import Places
from journey.project import load_project
from journey.records.ledger import Ledger
from journey.targets import Target
from pipelines.alert_service import Service, listening, serve
from pipelines.niceness import give_way
from pipelines.placement import target_of
from pipelines.published import start_anew, tell_when_replaced, wait_until_published
from pipelines.retention import keep_forgetting
from pipelines.retraining import Retrainer

if TYPE_CHECKING:
    from pipelines.trainer import LocalTrainer

LOCAL = "local"
NICENESS = 10                      # who answers requests and keeps features fresh comes first; training takes what is left

log = logging.getLogger("journey.trigger")


@dataclass(frozen=True)
class _Subject:
    """What is retrained: a project's folder, where it trains, and the image that it runs in there; "" where none is known."""

    folder: Path
    target: str
    image: str = ""


def _begin(service: Service, home: Path, subject: _Subject) -> None:
    """Gives the service a project to retrain.

    Raises:
        JourneyError: the project can't be read, or the ledger doesn't answer.
    """
    from pipelines.trainer import LocalTrainer  # and with it the pipelines: not before the port answers

    project = load_project(subject.folder)
    place, clock = target_of(project, subject.target), clock_of(os.environ)
    ledger = Ledger.connect(Places(place, home, os.environ).ledger)
    old = (ledger, duration(project.predict.matures), clock, service.stop)
    threading.Thread(target=keep_forgetting, args=old, name="retention", daemon=True).start()
    policy = Policy(duration(project.retraining.cooldown), project.retraining.per_day, project.retraining.fresh_rows)
    trainer = LocalTrainer(subject.folder, home, project.name, subject.target, ledger, clock)
    if place.engine == "job":
        trainer = _in_cluster(trainer, place, subject)
    service.begin(Retrainer(ledger, project.name, policy, duration(project.features.refresh), clock, trainer))


def _in_cluster(trainer: "LocalTrainer", place: Target, subject: _Subject) -> "LocalTrainer":
    """The trainer whose runs and promotions are Jobs.

    Raises:
        Unavailable: there is no way to the cluster, or to its image registry.
    """
    from components.connections.cluster import Cluster
    from pipelines.project_image import project_image
    from pipelines.remote.command import Site
    from pipelines.remote.trainer import ClusterTrainer

    cluster = Cluster.connect(place.namespace or trainer.model)
    image = subject.image or project_image(subject.folder, trainer.model, place, cluster)
    site = Site(trainer.model, subject.target, place, image)
    return ClusterTrainer(**vars(trainer), cluster=cluster, site=site)


def _begin_when_published(service: Service, home: Path, target: str | None) -> None:
    """`_begin` with the published project, once there is one; another one that is published later starts the process anew."""
    try:
        found = wait_until_published(home, service.stop)
        if found is not None:
            _begin(service, home, _Subject(found.folder, target or found.target, found.image))
            tell_when_replaced(home, found, service.replace)
    except JourneyError as error:
        log.error("%s", error)
        service.fail()
    except Exception:            # whatever it is: nobody sees a thread end, and a trigger without a project retrains nothing
        log.exception("beginning with the published project failed")
        service.fail()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipelines.trigger", description=main.__doc__)
    parser.add_argument("-p", "--project", type=Path, default=Path())
    parser.add_argument("--published", action="store_true", help="the project that was run last in this home, in place of --project")
    parser.add_argument("--home", type=Path, required=True, help="$JOURNEY_HOME")
    parser.add_argument("--target", help="where to train, as project.yaml names it; by default the published one's, else local")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8081)
    return parser


def main() -> int:
    """Takes alerts and carries out the retrainings that they ask for, until SIGTERM or SIGINT."""
    wanted = _parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    give_way(NICENESS)
    try:
        service = listening(wanted.host, wanted.port)
        if wanted.published:
            waiting = (service, wanted.home.absolute(), wanted.target)
            threading.Thread(target=_begin_when_published, args=waiting, name="published", daemon=True).start()
        else:
            _begin(service, wanted.home, _Subject(wanted.project, wanted.target or LOCAL))
    except JourneyError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(json.dumps({"port": service.server_port, "pid": os.getpid()}) + "\n")
    sys.stdout.flush()
    code = serve(service)
    if service.replaced:
        start_anew()
    return code


if __name__ == "__main__":
    sys.exit(main())
