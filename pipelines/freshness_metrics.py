"""What Prometheus is told of the refresh of online features, read from the loop when it asks."""

from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from pipelines.freshness import Freshness

REFRESHES = "journey_refreshes_total"                # outcome: done, failed; late, lost and skipped are told beside them
REFRESH_SECONDS = "journey_refresh_seconds"
REFRESH_AGE_SECONDS = "journey_refresh_age_seconds"
REFRESH_ROWS = "journey_refresh_rows"                # view


class FreshnessCollector(Collector):
    """Gives the metrics of a loop, once there is one."""

    def __init__(self, loop: Callable[[], Freshness | None]) -> None:
        self._loop = loop

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment."""
        loop = self._loop()
        if loop is None:
            return
        outcomes = {"done": loop.done, "late": loop.late, "failed": loop.failed, "skipped": loop.skipped, "lost": loop.lost}
        about = "Refreshes: done, those of them late, failed; moments skipped; times that the refresh in use was lost and made anew."
        counted = CounterMetricFamily(REFRESHES, about, labels=["outcome"])
        for outcome, count in outcomes.items():
            counted.add_metric([outcome], count)
        yield counted
        newest = loop.newest
        if newest is None:
            return
        yield GaugeMetricFamily(REFRESH_SECONDS, "What the refresh in use took to make, real time.", newest.seconds)
        age = (loop.clock.now() - newest.cut).total_seconds()
        yield GaugeMetricFamily(REFRESH_AGE_SECONDS, "Since the cut of the refresh in use, on the platform clock.", age)
        rows = GaugeMetricFamily(REFRESH_ROWS, "Entities in the refresh in use.", labels=["view"])
        for view, count in newest.rows.items():
            rows.add_metric([view], count)
        yield rows
