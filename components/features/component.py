"""Steps 6 and 7 as KFP components."""

from kfp import dsl

from components.image import STEP_IMAGE


@dsl.component(base_image=STEP_IMAGE, install_kfp_package=False)
def extract_features(plan: dict, contracts: dict, code: str, curated: dsl.Input[dsl.Dataset], frame: dsl.Output[dsl.Dataset]) -> None:
    """The training frame, each row with what was known at its time."""
    import os
    import tempfile
    from pathlib import Path

    from components.features.extract import CuratedTables, ProjectCode, extract
    from journey.artifacts import Curated
    from journey.project import ExtractPlan, Table
    from journey.tables import open_tables

    tables = {name: Table.model_validate(contract) for name, contract in contracts.items()}
    folder = Path(curated.path)
    own = ProjectCode.load(Path(os.environ["JOURNEY_PROJECT"])) if code else ProjectCode()
    with tempfile.TemporaryDirectory(prefix="journey-views-") as scratch, open_tables(folder, tables) as opened:
        decided = Curated.read(folder / "curated.json")
        decided.require_enough()          # curate lets a retraining wait for rows; whoever comes here is past waiting
        given = CuratedTables(opened, decided.classes)
        extract(ExtractPlan.model_validate(plan), tables, given, own, Path(scratch)).write(Path(frame.path))


@dsl.component(base_image=STEP_IMAGE, install_kfp_package=False)
def select_features(plan: dict, frame: dsl.Input[dsl.Dataset], selected: dsl.Output[dsl.Dataset], reasons: dsl.Output[dsl.HTML]) -> None:
    """Which inputs a model is given, and why each other one is left out."""
    from pathlib import Path

    from components.features.extract import Frame
    from components.features.select import select
    from journey.project import SelectPlan

    chosen = select(SelectPlan.model_validate(plan), Frame.read(Path(frame.path)))
    chosen.frame.write(Path(selected.path))
    Path(reasons.path).write_text(chosen.reasons, encoding="utf-8")
