"""The trigger as a process of its own whose training takes a while and only leaves a line in a file: tests kill it."""

import os
import sys
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from components.operations.retrain import Policy
from journey.clock import clock_of
from journey.records.entries import Promotion, PromotionRequest, Registration, Retraining
from journey.records.ledger import Ledger
from pipelines import alert_service
from pipelines.alert_service import Service, serve
from pipelines.retraining import Retrainer, Trained


@dataclass(frozen=True)
class LineTrainer:
    """Notes each training that begins in a file, then registers a version."""

    home: Path
    ledger: Ledger
    seconds: float

    def fresh_rows(self, onset: datetime | None) -> int:
        return 2_000

    def train(self, run: str, onset: datetime | None) -> Trained:
        time.sleep(self.seconds)
        with (self.home / "trained").open("a") as lines:
            lines.write(f"{run}\n")
        wanted = Registration("payments", run, "uri", run, (None, None), clock_of(os.environ).now(), "test")
        return Trained(run, "done", self.ledger.register_version(wanted))

    def promote(self, request: Retraining, trained: Trained, replaced: Promotion | None) -> Promotion:
        assert trained.version is not None
        seq = replaced.seq if replaced else 0
        return self.ledger.promote(PromotionRequest("payments", trained.version, seq, "trigger", "better", clock_of(os.environ).now()))

    def conclude(self, request: Retraining, promotion: Promotion) -> None:
        (self.home / "concluded").touch()


def main() -> int:
    home, port, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    ledger = Ledger.connect(f"sqlite:///{home}/ledger.db")
    policy = Policy(cooldown=timedelta(hours=6), per_day=4, fresh_rows=500)
    retrainer = Retrainer(ledger, "payments", policy, timedelta(hours=1), clock_of(os.environ), LineTrainer(home, ledger, seconds))
    alert_service._Handler.timeout = 600          # whom the service keeps waiting gives up first, and the test fails
    service = Service(("127.0.0.1", port))
    service.begin(retrainer)
    return serve(service)


if __name__ == "__main__":
    sys.exit(main())
