"""The training pipeline: sixteen steps from raw data to a registered, signed bundle, and one more where images are made. Wiring only."""

from typing import TypeAlias

from kfp import dsl
from kfp.dsl.graph_component import GraphComponent
from kfp.dsl.pipeline_channel import PipelineChannel
from kfp.dsl.pipeline_context import Pipeline
from kfp.dsl.pipeline_task import PipelineTask

from components.data.component import clean_data, curate_data, ingest_data, standardize_data, validate_data
from components.features.component import extract_features, select_features
from components.models.component import (
    check_code,
    choose_model,
    evaluate_models,
    identify_candidates,
    train_model,
    tune_models,
    validate_model,
)
from components.release.component import containerize_model, package_model, register_model
from pipelines.placing import placed
from pipelines.sections import Sections

Output: TypeAlias = PipelineChannel     # what a step will have written


def training(sections: Sections) -> GraphComponent:
    """The pipeline of one project, placed on its target.

    Its parameters: `onset` (ISO time; "" unless drift asked for this training) and `champion` (a Champion as JSON; "" for none).
    """

    @dsl.pipeline(name=f"{sections.name}-training".lower().replace("_", "-"))
    def pipeline(onset: str = "", champion: str = "") -> None:
        raw, curated = _data(sections, onset)
        frame = _features(sections, curated)
        tuned, chosen = _models(sections, champion, frame)
        _release(sections, (raw, curated), frame, tuned, chosen)
        placed(Pipeline.get_default_pipeline().tasks.values(), sections.placement)

    return pipeline


def _data(sections: Sections, onset: str) -> tuple[Output, Output]:
    contracts = sections.contracts
    ingested = ingest_data(sources=sections.sources, contracts=contracts).set_caching_options(False)     # always looks
    raw = ingested.outputs["raw"]
    validated = validate_data(contracts=contracts, raw=raw)
    if sections.fresh:
        validated.set_caching_options(False)                                                            # freshness depends on the clock
    cleaned = clean_data(contracts=contracts, raw=raw, checks=validated.outputs["checks"])
    standardized = standardize_data(contracts=contracts, cleaned=cleaned.outputs["cleaned"])
    curated = curate_data(
        plan=sections.curate,
        contracts=contracts,
        code=sections.code.features,
        onset=onset,
        raw=raw,
        standardized=standardized.outputs["standardized"],
    )
    return raw, curated.outputs["curated"]


def _features(sections: Sections, curated: Output) -> Output:
    extracted = extract_features(plan=sections.extract, contracts=sections.contracts, code=sections.code.features, curated=curated)
    selected = select_features(plan=sections.select, frame=extracted.outputs["frame"])
    return selected.outputs["selected"]


def _models(sections: Sections, champion: str, frame: Output) -> tuple[Output, PipelineTask]:
    plan, code = sections.model, sections.code.models
    candidates = identify_candidates(plan=plan, candidates=sections.candidates, code=code, frame=frame)
    checked = check_code(code=sections.code.everything)
    with dsl.ParallelFor(candidates.output, name="candidates") as candidate:
        trained = train_model(candidate=candidate, plan=plan, code=code, frame=frame).after(checked)
        validated = validate_model(
            candidate=candidate,
            plan=plan,
            gates=sections.gates,
            folds=sections.folds,
            code=code,
            frame=frame,
            model=trained.outputs["model"],
        )
    models, scores = dsl.Collected(trained.outputs["model"]), dsl.Collected(validated.outputs["scores"])
    board = evaluate_models(plan=plan, frame=frame, models=models, scores=scores).outputs["board"]
    tuned = tune_models(plan=plan, search=sections.search, code=code, frame=frame, board=board).outputs["tuned"]
    return tuned, choose_model(plan=plan, gates=sections.gates, champion=champion, code=code, frame=frame, tuned=tuned)


def _release(sections: Sections, data: tuple[Output, Output], frame: Output, tuned: Output, chosen: PipelineTask) -> None:
    raw, curated = data
    choice = chosen.outputs["choice"]
    packaged = package_model(
        plan=sections.package,
        contract=sections.contracts[sections.spine],
        code=sections.code.request,
        key_id=sections.key_id,
        raw=raw,
        curated=curated,
        frame=frame,
        model=chosen.outputs["model"],
        choice=choice,
    )
    place, bundle = sections.placement, packaged.outputs["bundle"]
    registered = register_model(
        name=sections.name,
        records=place.records,
        bundle=bundle,
        tuned=tuned,
        choice=choice,
        comparison=chosen.outputs["comparison"],
        curated=curated,
    )
    if place.registry:
        version = registered.outputs["version"]
        containerize_model(name=sections.name, version=version, registry=place.registry, records=place.records, bundle=bundle)
