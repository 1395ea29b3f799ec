"""Steps 15 and 16 as KFP components."""

from typing import NamedTuple

from kfp import dsl

from components.image import STEP_IMAGE


@dsl.component(base_image=STEP_IMAGE, install_kfp_package=False)
def package_model(
    plan: dict,
    contract: dict,
    code: str,
    key_id: str,
    raw: dsl.Input[dsl.Dataset],
    curated: dsl.Input[dsl.Dataset],
    frame: dsl.Input[dsl.Dataset],
    model: dsl.Input[dsl.Model],
    choice: dsl.Input[dsl.Dataset],
    bundle: dsl.Output[dsl.Model],
) -> None:
    """The bundle, signed, after serving and training gave the same answers."""
    import os
    from pathlib import Path

    from components.release.package import Folders, package, read_material
    from journey.errors import Untrusted
    from journey.model.keys import SigningKey
    from journey.places import Places
    from journey.sections import PackagePlan, Table, Target

    signer = SigningKey.load_or_create(Places(Target(), Path(os.environ["JOURNEY_HOME"]), os.environ).keys)
    if key_id and signer.id != key_id:          # "": the file was compiled for an installation that nobody here knows
        raise Untrusted(f"keys: expected the signing key {key_id} that this run was started for, found {signer.id}. Start the run again.")
    own = Path(os.environ["JOURNEY_PROJECT"], "request_features.py") if code else None
    folders = Folders(Path(raw.path), Path(curated.path), Path(frame.path), Path(model.path), Path(choice.path), own)
    material = read_material(PackagePlan.model_validate(plan), Table.model_validate(contract), folders, code)
    packaged = package(material, Path(bundle.path), signer)
    bundle.metadata.update({"digest": packaged.digest, "engine": packaged.engine})
    print(f"bundle {packaged.digest}, engine {packaged.engine}{': ' if packaged.why else ''}{packaged.why}")  # noqa: T201  the step's log


@dsl.component(base_image=STEP_IMAGE, install_kfp_package=False)
def register_model(
    name: str,
    records: dict,
    bundle: dsl.Input[dsl.Model],
    tuned: dsl.Input[dsl.Dataset],
    choice: dsl.Input[dsl.Dataset],
    comparison: dsl.Input[dsl.Dataset],
    curated: dsl.Input[dsl.Dataset],
) -> NamedTuple("Registered", version=int, digest=str):  # type: ignore[valid-type]  # KFP reads the outputs' names here
    """A version in MLflow and in the ledger; a known bundle gives its version again."""
    import os
    from pathlib import Path

    from components.release.register import Lineage, Records, register
    from journey.artifacts import Board, Choice, Comparison, Curated
    from journey.clock import clock_of
    from journey.model.keys import Trusted
    from journey.places import Places
    from journey.records.ledger import Ledger
    from journey.records.registry import Registry
    from journey.sections import Target

    home = Path(os.environ["JOURNEY_HOME"])
    places = Places(Target.model_validate(records), home, os.environ)
    lineage = Lineage(
        board=Board.read(Path(tuned.path, "board.json")),
        choice=Choice.read(Path(choice.path, "choice.json")),
        comparison=Comparison.read(Path(comparison.path, "comparison.json")),
        curated=Curated.read(Path(curated.path, "curated.json")),
        run=os.environ.get("JOURNEY_RUN", ""),
        at=clock_of(os.environ).now(),
    )
    ledger = Ledger.connect(places.ledger)
    try:
        registered = register(name, Path(bundle.path), lineage, Records(ledger, Registry.at(home), Trusted.of(places.keys)))
    finally:
        ledger.close()
    print(f"model {name}, version {registered.version}, bundle {registered.digest}")  # noqa: T201  the step's log
    return (registered.version, registered.digest)
