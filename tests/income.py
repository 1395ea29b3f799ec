"""A small project for tests that need one and run none of its steps, and bundles of its model."""

from journey.model.bundle import BundleContent, BundleSignature, MadeFrom, OutputTensor

PROJECT = """\
format: 1
name: income
sources: {people: {files: people.csv}}
tables: {people: {columns: {age: {type: integer}, income: {type: category}}}}
spine: people
predict: {label: income, task: binary, positive: high, metric: roc_auc}
split: {by: hash}
"""


def on_a_cluster(namespace: str, more: str = "") -> str:
    """The project with a target `kind`, whose other keys may be said."""
    urls = 'ledger: "${LEDGER_URL}", registry: "${MLFLOW_URL}", images: "localhost:5000"'
    return f"{PROJECT}targets:\n  kind: {{engine: job, namespace: {namespace}, {urls}{more}}}\n"


def content(number: int) -> BundleContent:
    """What a bundle holds that nobody serves; another number is another bundle."""
    signature = BundleSignature(task="regression", request=(), inputs=(), outputs=(OutputTensor(name="prediction", shape=(-1, 1)),))
    return BundleContent("income", "skops", signature, {"card.md": str(number).encode()}, MadeFrom(data="", project="", code="", lock=""))
