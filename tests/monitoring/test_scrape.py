"""A server's metrics, read back."""

import pytest

from journey.errors import Unavailable
from monitoring.scrape import ModelVersion, Series, Target, read

TEXT = """# HELP journey_model_info 1
# TYPE journey_model_info gauge
journey_model_info{model="payments",version="1",bundle="ab",role="champion"} 1
journey_model_info{model="payments",version="2",bundle="cd",role="challenger"} 1
journey_predictions_total{model="payments",version="1",protocol="seldon",outcome="ok"} 7
journey_feature_bin_total{model="payments",version="1",feature="say \\"hi\\"",bin="00"} 4
journey_feature_bin_total{model="payments",version="1",feature="say \\"hi\\"",bin="nan"} 3
journey_feature_reference_probability{model="payments",version="1",feature="say \\"hi\\"",bin="00"} 0.75
journey_feature_reference_probability{model="payments",version="1",feature="say \\"hi\\"",bin="nan"} 0.25
journey_feature_reference_rows{model="payments",version="1",feature="say \\"hi\\""} 8000
journey_feature_psi_limit{model="payments",version="1",feature="say \\"hi\\"",window="1d"} 0.05
journey_feature_overdispersion{model="payments",version="1",feature="say \\"hi\\""} 0.01
process_start_time_seconds 1767225600.25
"""
FIRST = ModelVersion("payments", "1")


def test_counts_references_and_champions_come_out_of_the_text() -> None:
    scrape = read(TEXT)
    assert scrape.started == 1767225600.25
    assert scrape.counts == {FIRST: {Series('say "hi"', "00"): 4, Series('say "hi"', "nan"): 3}}
    assert scrape.champions == {FIRST}
    watched = scrape.references[FIRST]['say "hi"']
    assert watched.bins == ("00", "nan")
    assert watched.expected.shares.tolist() == [0.75, 0.25]
    assert (watched.expected.rows, watched.expected.overdispersion, watched.limits) == (8000, 0.01, {"1d": 0.05})


def test_a_server_that_is_gone_is_named() -> None:
    target = Target("http://127.0.0.1:9/metrics", timeout_seconds=0.5)
    with pytest.raises(Unavailable, match=r"http://127\.0\.0\.1:9/metrics: expected metrics"):
        target.scrape()
    target.close()
