"""Steps 8 to 14 as KFP components."""

from typing import List  # noqa: UP035  KFP's compiler knows this spelling of a list of artifacts

from kfp import dsl

from components.image import STEP_IMAGE


@dsl.component(base_image=STEP_IMAGE, install_kfp_package=False)
def identify_candidates(plan: dict, candidates: list, code: str, frame: dsl.Input[dsl.Dataset]) -> List[dict]:  # noqa: UP006
    """Candidates that fit the task and the number of rows, and always a dummy to beat."""
    import os
    from pathlib import Path

    from pydantic import TypeAdapter

    from components.models.identify import Listed, identify
    from components.models.rows import FrameRows
    from journey.declarations import load_candidates
    from journey.sections import ModelPlan
    from journey.values.carried import carried, restored

    own = load_candidates(Path(os.environ["JOURNEY_PROJECT"])) if code else ()
    listed = TypeAdapter(tuple[Listed, ...]).validate_python(restored(candidates))
    rows = FrameRows.read(Path(frame.path))
    return [carried(spec) for spec in identify(listed, ModelPlan.model_validate(plan), rows, own)]


@dsl.component(base_image=STEP_IMAGE, install_kfp_package=False)
def check_code(code: str, record: dsl.Output[dsl.Dataset], summary: dsl.Output[dsl.Markdown]) -> None:
    """The project's own Python linted and tested, commit and environment on record."""
    import os
    from pathlib import Path

    from components.models.check_code import RECORD, check_code

    checked = check_code(Path(os.environ["JOURNEY_PROJECT"]), code)
    checked.write(Path(record.path) / RECORD)
    Path(summary.path).write_text(checked.markdown(), encoding="utf-8")


@dsl.component(base_image=STEP_IMAGE, install_kfp_package=False)
def train_model(candidate: dict, plan: dict, code: str, frame: dsl.Input[dsl.Dataset], model: dsl.Output[dsl.Model]) -> None:
    """One candidate on the training rows."""
    import os
    from pathlib import Path

    from components.models.rows import FrameRows
    from components.models.train import train
    from journey.artifacts import CandidateSpec
    from journey.declarations import load_candidates
    from journey.sections import ModelPlan
    from journey.values.carried import restored

    own = load_candidates(Path(os.environ["JOURNEY_PROJECT"])) if code else ()
    spec = CandidateSpec.model_validate(restored(candidate))
    fitted = train(spec, ModelPlan.model_validate(plan), FrameRows.read(Path(frame.path)), own)
    fitted.write(Path(model.path))
    model.metadata["fit_seconds"] = round(fitted.seconds, 3)


@dsl.component(base_image=STEP_IMAGE, install_kfp_package=False)
def validate_model(
    candidate: dict,
    plan: dict,
    gates: dict,
    folds: int,
    code: str,
    frame: dsl.Input[dsl.Dataset],
    model: dsl.Input[dsl.Model],
    scores: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """Cross-validation of one candidate on training rows against the gates."""
    import os
    from pathlib import Path

    from components.models.folds import CrossValidation
    from components.models.rows import FrameRows
    from components.models.validate import SCORES, validate
    from journey.artifacts import CandidateSpec
    from journey.declarations import load_candidates
    from journey.sections import Gates, ModelPlan
    from journey.values.carried import restored

    own = load_candidates(Path(os.environ["JOURNEY_PROJECT"])) if code else ()
    wanted = ModelPlan.model_validate(plan)
    folded = CrossValidation(FrameRows.read(Path(frame.path)), wanted, folds)
    found = validate(CandidateSpec.model_validate(restored(candidate)), wanted, Gates.model_validate(gates), folded, own)
    found.scores.write(Path(scores.path) / SCORES)
    for number, score in enumerate(found.scores.fold_scores, 1):
        metrics.log_metric(f"{found.scores.metric}_fold_{number}", score)
    for gate in found.out_of_reach:
        metrics.log_metric(f"out_of_reach_{gate}", 1)


@dsl.component(base_image=STEP_IMAGE, install_kfp_package=False)
def evaluate_models(
    plan: dict,
    frame: dsl.Input[dsl.Dataset],
    models: dsl.Input[List[dsl.Model]],  # noqa: UP006
    scores: dsl.Input[List[dsl.Dataset]],  # noqa: UP006
    board: dsl.Output[dsl.Dataset],
    leaderboard: dsl.Output[dsl.HTML],
) -> None:
    """Every candidate on the validation rows, best first, with its curves."""
    from pathlib import Path

    from components.models.curves import write_curves
    from components.models.evaluate import BOARD, evaluate
    from components.models.leaderboard import leaderboard_page
    from components.models.rows import FrameRows
    from components.models.train import Fitted
    from components.models.validate import FoldScores
    from journey.sections import ModelPlan

    fitted = [Fitted.read(Path(each.path), float(each.metadata.get("fit_seconds", 0.0))) for each in models]
    folds = [FoldScores.of(Path(each.path)) for each in scores]
    evaluated = evaluate(ModelPlan.model_validate(plan), FrameRows.read(Path(frame.path)), fitted, folds)
    evaluated.board.write(Path(board.path) / BOARD)
    write_curves(evaluated.curves, Path(board.path))
    Path(leaderboard.path).write_text(leaderboard_page(evaluated.board, evaluated.curves), encoding="utf-8")


@dsl.component(base_image=STEP_IMAGE, install_kfp_package=False)
def tune_models(
    plan: dict, search: dict, code: str, frame: dsl.Input[dsl.Dataset], board: dsl.Input[dsl.Dataset], tuned: dsl.Output[dsl.Dataset]
) -> None:
    """Trials of the best candidates, added to the board."""
    import os
    from pathlib import Path

    from components.models.evaluate import BOARD
    from components.models.rows import FrameRows
    from components.models.tune import tune
    from journey.artifacts import Board
    from journey.declarations import load_candidates
    from journey.sections import ModelPlan, Search

    own = load_candidates(Path(os.environ["JOURNEY_PROJECT"])) if code else ()
    found = Board.read(Path(board.path) / BOARD)
    rows = FrameRows.read(Path(frame.path))
    tune(found, Search.model_validate(search), ModelPlan.model_validate(plan), rows, own).write(Path(tuned.path) / BOARD)


@dsl.component(base_image=STEP_IMAGE, install_kfp_package=False)
def choose_model(
    plan: dict,
    gates: dict,
    champion: str,
    code: str,
    frame: dsl.Input[dsl.Dataset],
    tuned: dsl.Input[dsl.Dataset],
    model: dsl.Output[dsl.Model],
    choice: dsl.Output[dsl.Dataset],
    comparison: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """The best model, refitted; then, once, the test rows, against dummy, champion and gates."""
    import os
    from pathlib import Path

    from components.models.champion import rival_of, unseen_rows
    from components.models.choose import choose, compare
    from components.models.evaluate import BOARD
    from components.models.gates import refuse_failed
    from components.models.rows import FrameRows
    from journey.artifacts import Board, Champion
    from journey.declarations import load_candidates
    from journey.model.keys import Trusted
    from journey.places import Places
    from journey.sections import Gates, ModelPlan
    from journey.targets import Target

    project = Path(os.environ["JOURNEY_PROJECT"])
    own = load_candidates(project) if code else ()
    wanted, limits, rows = ModelPlan.model_validate(plan), Gates.model_validate(gates), FrameRows.read(Path(frame.path))
    chosen = choose(Board.read(Path(tuned.path) / BOARD), limits, wanted, rows, own)
    known = Champion.model_validate_json(champion) if champion else None
    keys = Places(Target(), Path(os.environ.get("JOURNEY_HOME") or project / ".journey"), os.environ).keys
    rival = rival_of(known, Trusted.of(keys), unseen_rows(rows, wanted), rows.schema) if known else None
    compared = compare(chosen, limits, wanted, rival)
    chosen.model.write(Path(model.path))
    chosen.choice.write(Path(choice.path) / "choice.json")
    compared.comparison.write(Path(comparison.path) / "comparison.json")
    for metric in chosen.choice.test_metrics:
        metrics.log_metric(metric.name, metric.value)
    refuse_failed(compared.verdicts)
