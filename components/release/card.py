"""card.md: what a model is, for people. Nothing in it depends on gates, champion, registry, time or place."""

from dataclasses import dataclass

from journey.artifacts import Choice, Curated, FrameSchema
from journey.sections import PackagePlan


@dataclass(frozen=True)
class CardFacts:
    """What the card tells of."""

    plan: PackagePlan
    schema: FrameSchema
    choice: Choice
    curated: Curated


def card_of(facts: CardFacts) -> str:
    """The model card as Markdown."""
    plan, choice = facts.plan, facts.choice
    sections = [
        f"# {plan.name}\n\n{plan.description}".rstrip(),
        f"## What it predicts\n\n{_predicts(facts)}",
        f"## Model\n\n{choice.candidate.name}: {choice.candidate.estimator}. {choice.why}\n\n{_parameters(choice)}".rstrip(),
        f"## Learned from\n\n{_learned(facts)}",
        f"## On test rows\n\n{_metrics(choice)}\n\nIntervals are 95 %, by bootstrap; the test rows were looked at once, after the choice.",
        f"## Inputs\n\n{_inputs(facts.schema)}",
        f"## Left out\n\n{_dropped(facts.schema)}",
        "## Use\n\nRequests are raw rows of the spine; signature.json names their columns, rules and an example. Predictions hold for rows "
        "like those that it learned from: watch drift, and ask a person where much hangs on one answer.",
    ]
    return "\n\n".join(sections) + "\n"


def _predicts(facts: CardFacts) -> str:
    predict, schema = facts.plan.predict, facts.schema
    if schema.task == "regression":
        return f"`{predict.label}`, a number, for each row of `{facts.plan.spine.table}`."
    classes = ", ".join(f"`{value}`" for value in schema.classes)
    positive = f"; positive is `{schema.classes[1]}`" if schema.task == "binary" else ""
    return f"The probability of each class of `{predict.label}` ({classes}{positive}), for each row of `{facts.plan.spine.table}`."


def _parameters(choice: Choice) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in sorted(choice.candidate.parameters.items()))


def _learned(facts: CardFacts) -> str:
    first, last = facts.choice.trained_on
    when = f" from {first} to {last}" if first and last else ""
    counts = ", ".join(f"{split} {rows:,}" for split, rows in facts.curated.counts.items())
    return f"{facts.choice.trained_rows:,} rows{when} (training and validation); rows by split: {counts}."


def _metrics(choice: Choice) -> str:
    rows = [f"| {metric.name} | {metric.value:.4f} | {metric.low:.4f} to {metric.high:.4f} |" for metric in choice.test_metrics]
    return "\n".join(["| metric | value | interval |", "| --- | --- | --- |", *rows])


def _inputs(schema: FrameSchema) -> str:
    origins = {"spine": "column of the request", "request": "request feature", "view": "looked up"}
    return "\n".join(f"- `{item.name}`: {item.type}, {origins[item.origin]}" for item in schema.inputs)


def _dropped(schema: FrameSchema) -> str:
    return "\n".join(f"- `{item.name}`: {item.reason}: {item.detail}" for item in schema.dropped) or "Nothing."
