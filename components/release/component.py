"""Steps 15 to 17 as KFP components."""

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
    from journey.sections import PackagePlan, Table
    from journey.targets import Target

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
    from journey.targets import Target

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
        kept = Records(ledger, Registry.at(home, places.registry), Trusted.of(places.keys))
        registered = register(name, Path(bundle.path), lineage, kept)
    finally:
        ledger.close()
    print(f"model {name}, version {registered.version}, bundle {registered.digest}")  # noqa: T201  the step's log
    return (registered.version, registered.digest)


@dsl.component(base_image=STEP_IMAGE, install_kfp_package=False)
def containerize_model(
    name: str,
    version: int,
    registry: dict,
    records: dict,
    bundle: dsl.Input[dsl.Model],
) -> NamedTuple("Containerized", image=str):  # type: ignore[valid-type]  # KFP reads the outputs' names here
    """The image that serves the version, in the registry and by digest in the ledger; the same bundle gives the same image.

    A model that the server's image can't run, because it has no ONNX form, gets none: "".
    """
    import os
    from pathlib import Path

    from components.connections.image_registry import ImageRegistry
    from components.image import SERVING_IMAGE, VERSION
    from components.release.additions import model_addition
    from components.release.containerize import Named, containerize
    from journey.clock import clock_of
    from journey.model.bundle import bundle_engine
    from journey.places import Places, resolved
    from journey.records.ledger import Ledger
    from journey.targets import Target

    if bundle_engine(Path(bundle.path)) != "onnx":
        print(f"model {name}, version {version}: no image, because {SERVING_IMAGE} runs models in ONNX alone")  # noqa: T201  the step's log
        return ("",)
    addition = model_addition(name, Path(bundle.path))
    nodes = resolved(registry["images"], os.environ)
    with ImageRegistry.at(resolved(registry.get("push") or nodes, os.environ), os.environ) as images:
        digest = containerize(images, Named(SERVING_IMAGE, VERSION), Named(name, f"v{version}"), addition)
    reference = f"{nodes}/{name}@{digest}"
    ledger = Ledger.connect(Places(Target.model_validate(records), Path(os.environ["JOURNEY_HOME"]), os.environ).ledger)
    try:
        ledger.record_image(name, version, reference, clock_of(os.environ).now())
    finally:
        ledger.close()
    print(f"model {name}, version {version}: image {reference}")  # noqa: T201  the step's log
    return (reference,)
