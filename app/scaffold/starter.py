"""The project that `journey init DIR` makes: subscribers who leave, in made-up data that shows each part of a project once."""

import csv
import io
import math
import random
from pathlib import Path

from app.scaffold.project_folder import IGNORED, new_folder, project_name, write
from journey.project import FILE, load_project

_ROWS = 800
_PLANS = {"basic": 0.4, "standard": 0.0, "premium": -0.6}      # plan > how much it adds to the logit of leaving

_PROJECT = """\
format: 1
name: {name}
description: Will a subscriber leave within the next quarter?
seed: 7                                             # same data and seed, same model to the byte

sources:
  subscribers: {{files: data/subscribers.csv}}        # made up; put your own file here

tables:
  subscribers:
    key: subscriber_id                              # every row has its own; no model input
    rows: {{min: 100}}                                # fewer: something is wrong with the source, the run stops
    columns:
      subscriber_id: {{type: string}}
      plan:          {{type: category, case: lower, values: [basic, standard, premium]}}
      months:        {{type: integer, unit: months, range: [0, 600]}}
      monthly_fee:   {{type: float, scale: 0.01, unit: EUR, range: [0, 500]}}       # the source counts in cents
      support_calls: {{type: integer, null: ["", "?"], range: [0, null]}}
      left:          {{type: boolean}}

spine: subscribers                                  # one row of it is one prediction; a request is such a row without the label
predict: {{label: left, task: binary, positive: true, metric: roc_auc}}
split: {{by: hash, validation: 0.2, test: 0.2}}
candidates: [logistic, hist_gradient_boosting]      # a dummy is always among them
search: {{trials: 4, best: 1}}
gates:
  model: {{roc_auc: {{min: 0.6}}}}                    # a model below it is not registered
"""

_REQUEST_FEATURES = '''\
"""Features of one row: called for training rows and by the server alike. Standard library only."""


def calls_a_month(support_calls: int, months: int) -> float:
    """How often the subscriber needed help, for each month with us (the first one counts as whole)."""
    return support_calls / max(months, 1)
'''

_TEST = '''\
"""The project's own tests: the check-code step runs them before a model is trained."""

from request_features import calls_a_month


def test_calls_are_counted_by_month() -> None:
    assert calls_a_month(6, 12) == 0.5


def test_the_first_month_counts_as_whole() -> None:
    assert calls_a_month(2, 0) == 2.0
'''


def make_starter(directory: Path) -> None:
    """Makes a small project that runs as it is.

    Raises:
        ProjectError: the folder holds a project already, or can't be written to.
    """
    new_folder(directory)
    write(directory, {
        FILE: _PROJECT.format(name=project_name(directory)),
        "request_features.py": _REQUEST_FEATURES,
        "tests/test_request_features.py": _TEST,
        "data/subscribers.csv": _subscribers(),
        ".gitignore": IGNORED,
    })  # fmt: skip
    load_project(directory)


def _subscribers() -> str:
    """The made-up table as CSV: those on small plans, new ones and those who call often leave more often."""
    generator = random.Random(7)  # noqa: S311  not for secrets: the same file each time
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["subscriber_id", "plan", "months", "monthly_fee", "support_calls", "left"])
    for number in range(_ROWS):
        plan = generator.choice(list(_PLANS))
        months = int(generator.expovariate(1 / 18))
        fee = {"basic": 799, "standard": 1299, "premium": 1999}[plan] + generator.choice([-100, 0, 0, 200])
        calls = min(int(generator.expovariate(0.5)), 12)
        logit = 1.2 * _PLANS[plan] + 0.7 * calls - 0.06 * months - 0.6
        left = generator.random() < 1 / (1 + math.exp(-logit))
        shown = "?" if generator.random() < 0.03 else str(calls)
        writer.writerow([f"s{number:04}", generator.choice([plan, plan.title()]), months, fee, shown, "yes" if left else "no"])
    return text.getvalue()
