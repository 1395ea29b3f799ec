"""/metrics: everything that the server counts, as one text of one moment."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from journey.watching import metric_names as names
from serving.exposition import Histogram, family, labels, process_families
from serving.models import Holder, Model
from serving.recorder import Recorder

PROTOCOL = "rest"


@dataclass
class Traffic:
    """What is counted before a version is known."""

    requests: int = 0
    in_flight: int = 0
    malformed: int = 0
    lookup_seconds: Histogram = field(default_factory=Histogram)


def exposition(holder: Holder, traffic: Traffic, recorder: Recorder | None) -> bytes:
    """The page that Prometheus scrapes; rows that wait to be counted are counted first."""
    fleet = holder.fleet
    models = tuple(fleet.models.values())
    parts = (
        *_requests(models, traffic),
        *_durations(models, traffic),
        *_features(models),
        *_lookups(models),
        *_labels(models, recorder),
        family(names.MODEL_INFO, "gauge", "1 for each version held.", (_info(model, model is fleet.champion) for model in models)),
        family(names.MODEL_FAILURES, "counter", "Versions that could not be opened.", [f"{names.MODEL_FAILURES} {holder.failures}"]),
        process_families(),
    )
    return "".join(parts).encode()


def _requests(models: Iterable[Model], traffic: Traffic) -> Iterator[str]:
    lines = [
        f"{names.PREDICTIONS}{labels(**_own(model), protocol=PROTOCOL, outcome=outcome)} {count}"
        for model in models
        for outcome, count in model.outcomes.items()
    ]
    lines.append(f"{names.PREDICTIONS}{labels(model='', version='', protocol=PROTOCOL, outcome='refused')} {traffic.malformed}")
    yield family(names.PREDICTIONS, "counter", "Requests for predictions by outcome: answered, refused (4xx), failed (5xx).", lines)
    yield family(names.REQUESTS_IN_FLIGHT, "gauge", "Requests being answered.", [f"{names.REQUESTS_IN_FLIGHT} {traffic.in_flight}"])
    breaches = (
        f"{names.RULE_BREACHES}{labels(**_own(model), column=column, breach=breach)} {count}"
        for model in models
        for (column, breach), count in sorted(model.breaches.items())
    )
    yield family(names.RULE_BREACHES, "counter", "Values that a rule made missing, clipped or only warned of.", breaches)


def _durations(models: Iterable[Model], traffic: Traffic) -> Iterator[str]:
    histograms: tuple[tuple[str, str, Callable[[Model], Histogram]], ...] = (
        (names.PREDICTION_SECONDS, "From the body read to the answer written.", lambda model: model.seconds),
        (names.MODEL_SECONDS, "The model alone, a batch.", lambda model: model.batches.model_seconds),
        (names.QUEUE_SECONDS, "The first request's wait for its batch.", lambda model: model.batches.queue_seconds),
    )
    for name, about, histogram in histograms:
        yield family(name, "histogram", about, (line for model in models for line in histogram(model).samples(name, **_own(model))))
    yield family(names.LOOKUP_SECONDS, "histogram", "A request's lookups.", traffic.lookup_seconds.samples(names.LOOKUP_SECONDS))


def _features(models: Iterable[Model]) -> Iterator[str]:
    yield family(
        names.FEATURE_BIN, "counter", "Model inputs and scores by bin.", (line for model in models for line in model.counts.samples())
    )
    abouts = {
        names.REFERENCE_PROBABILITY: "Share of each bin among the rows that the model was made from, smoothed.",
        names.REFERENCE_ROWS: "How many rows those were.",
        names.PSI_LIMIT: "The PSI that is drift, by window.",
        names.OVERDISPERSION: "How much shares wobble from day to day without drift.",
    }
    references = [model.reference_samples for model in models]
    for name, about in abouts.items():
        yield family(name, "gauge", about, (line for reference in references for line in reference[name]))


def _lookups(models: Iterable[Model]) -> Iterator[str]:
    ages, misses = [], []
    for model in models:
        if model.online is not None:
            if model.online.age_seconds is not None:
                ages.append(f"{names.LOOKUP_AGE_SECONDS}{labels(**_own(model))} {model.online.age_seconds!r}")
            misses += [f"{names.LOOKUP_MISSES}{labels(**_own(model), view=view)} {count}" for view, count in model.online.misses.items()]
    yield family(names.LOOKUP_AGE_SECONDS, "gauge", "At the last lookup: platform time since the cut of the online store.", ages)
    yield family(names.LOOKUP_MISSES, "counter", "Rows looked up that were absent or too old.", misses)


def _labels(models: Iterable[Model], recorder: Recorder | None) -> Iterator[str]:
    if recorder is None:
        return
    counted = (
        f"{names.FEEDBACK}{labels(**_own(model), score_bin=score_bin, label=label)} {count}"
        for model in models
        for (score_bin, label), count in model.labels.items()
    )
    yield family(names.FEEDBACK, "counter", "What became true, by the bin of the score that was answered.", counted)
    refused = (f"{names.FEEDBACK_REFUSED}{labels(reason=reason)} {count}" for reason, count in recorder.refused.items())
    yield family(names.FEEDBACK_REFUSED, "counter", "Labels not taken: a second, different one, or of an unknown prediction.", refused)
    dropped, waiting = f"{names.RECORDS_DROPPED} {recorder.dropped}", f"{names.RECORDS_WAITING} {recorder.waiting}"
    lost = "Answers and labels lost: to a full queue, refused by the ledger, or not written before the end."
    yield family(names.RECORDS_DROPPED, "counter", lost, [dropped])
    yield family(names.RECORDS_WAITING, "gauge", "Answers and labels not in the ledger yet.", [waiting])


def _info(model: Model, champion: bool) -> str:
    role = "champion" if champion else "held"
    return f"{names.MODEL_INFO}{labels(**_own(model), bundle=model.digest, role=role)} 1"


def _own(model: Model) -> dict[str, object]:
    return {"model": model.name, "version": model.version}
