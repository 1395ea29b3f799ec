"""From a CSV file that nobody prepared to predictions of a server, without opening an editor."""

import csv
import json
import urllib.request
from pathlib import Path

import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]


@pytest.mark.parametrize(
    ("load", "metric", "least"),
    [(load_breast_cancer, "roc_auc", 0.95), (load_wine, "accuracy", 0.85), (load_diabetes, "r2", 0.25)],
    ids=["breast cancer", "wine", "diabetes"],
)
def test_a_data_set_goes_all_the_way(load, metric: str, least: float, journey, served, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    frame = load(as_frame=True).frame.rename(columns=lambda name: name.replace(" (cm)", "").replace(" ", "_"))
    frame.to_csv(data, index=False)
    project, scored = tmp_path / "project", tmp_path / "scored.csv"

    assert journey("init", project, "--from", data, "--label", "target").code == 0
    ran = journey("run", "-p", project, "--json")
    assert ran.code == 0, ran.err
    assert ran.json["metrics"]["test"][_known(ran.json, metric)] >= least

    raw = frame.drop(columns="target").head(5)
    raw.to_csv(tmp_path / "new.csv", index=False)
    predicted = journey("predict", tmp_path / "new.csv", "-o", scored, "-p", project)
    assert predicted.code == 0, predicted.err
    with scored.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5

    with served(project) as address:
        body = json.dumps({"jsonData": {"rows": raw.to_dict("records")}}).encode()
        request = urllib.request.Request(f"{address}/api/v1.0/predictions", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
    names = answer["data"]["names"]
    for row, values in zip(rows, answer["data"]["ndarray"], strict=True):
        numbers = [float(value) for name, value in row.items() if any(str(label) in name for label in names)]
        assert all(any(abs(value - number) < 1e-9 for number in numbers) for value in values)


def _known(run: dict, metric: str) -> str:
    """The metric, or the first one of the run that stands for it: `init` chooses by the label."""
    metrics = run["metrics"]["test"]
    return metric if metric in metrics else next(iter(metrics))

