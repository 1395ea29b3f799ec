"""Prometheus' text format."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving.exposition import Histogram, family, labels, process_families


def read(text: str) -> dict[str, list]:
    return {found.name: found.samples for found in text_string_to_metric_families(text)}


@pytest.mark.parametrize("awkward", ['say "hi"', "back\\slash", "two\nlines", "", "ünï", "a,b}"])
def test_whatever_a_label_holds_is_read_again_as_it_was(awkward):
    text = family("x_total", "counter", "About x.", [f"x_total{labels(name=awkward, other=1)} 3"])
    (sample,) = read(text)["x"]
    assert sample.labels == {"name": awkward, "other": "1"}
    assert sample.value == 3


def test_a_histogram_counts_each_duration_into_all_buckets_above_it():
    histogram = Histogram((0.1, 0.01, 0.1))
    for seconds in (0.005, 0.01, 0.05, 7.0):
        histogram.observe(seconds)
    (samples,) = read(family("x_seconds", "histogram", "About x.", histogram.samples("x_seconds", model="m"))).values()
    buckets = {sample.labels["le"]: sample.value for sample in samples if sample.name == "x_seconds_bucket"}
    assert buckets == {"0.01": 2, "0.1": 3, "+Inf": 4}
    assert [sample.value for sample in samples[-2:]] == pytest.approx([7.065, 4])


def test_the_process_shows_its_cpu_memory_start_and_files():
    shown = {name: samples[0].value for name, samples in read(process_families()).items()}
    assert shown.keys() == {"process_cpu_seconds", "process_resident_memory_bytes", "process_start_time_seconds", "process_open_fds"}
    assert all(value > 0 for value in shown.values())
