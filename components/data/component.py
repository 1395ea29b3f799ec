"""Steps 1 to 5 as KFP components: raw tables, checked, cleaned, standardized and curated."""

from kfp import dsl
from kfp.dsl import HTML, Dataset, Input, Markdown, Output

from components.image import STEP_IMAGE


@dsl.component(base_image=STEP_IMAGE, install_kfp_package=False)
def ingest_data(sources: dict, contracts: dict, raw: Output[Dataset]) -> None:
    """Every source's rows as one raw table each, and a snapshot that says what was read."""
    import os
    from pathlib import Path

    from pydantic import TypeAdapter

    from components.connections.sources import Surroundings, open_sources
    from components.data.ingest import ingest
    from journey.sections import Source

    surroundings = Surroundings(Path(os.environ["JOURNEY_PROJECT"]), os.environ)
    declared = TypeAdapter(dict[str, Source]).validate_python({name: sources[name] for name in contracts})
    with open_sources(declared, surroundings) as tables:
        ingest(tables, Path(raw.path))


@dsl.component(base_image=STEP_IMAGE, install_kfp_package=False)
def validate_data(contracts: dict, raw: Input[Dataset], checks: Output[Dataset], profile: Output[HTML]) -> None:
    """Columns, row counts and freshness against the contract; a profile; stops the run where the contract says so."""
    import os
    from pathlib import Path

    from components.data.profile import profile_page
    from components.data.validate import validate
    from journey.artifacts import Snapshot
    from journey.clock import clock_of
    from journey.sections import Table
    from journey.tables import open_tables

    declared = {name: Table.model_validate(contract) for name, contract in contracts.items()}
    snapshot = Snapshot.read(Path(raw.path, "snapshot.json"))
    with open_tables(Path(raw.path), declared) as tables:
        quality = validate(tables, snapshot, declared, clock_of(os.environ).now())
    quality.write(Path(checks.path, "quality.json"))
    Path(profile.path).write_text(profile_page(quality), encoding="utf-8")


@dsl.component(base_image=STEP_IMAGE, install_kfp_package=False)
def clean_data(contracts: dict, raw: Input[Dataset], checks: Input[Dataset], cleaned: Output[Dataset]) -> None:
    """Missing values by the column rules, repeated rows out, each change counted."""
    from pathlib import Path

    from components.data.clean import clean
    from journey.artifacts import ROW, QualityReport
    from journey.sections import Table
    from journey.tables import open_tables, write_tables

    declared, directory = {name: Table.model_validate(contract) for name, contract in contracts.items()}, Path(cleaned.path)
    quality = QualityReport.read(Path(checks.path, "quality.json"))
    with open_tables(Path(raw.path), declared, row=ROW) as tables:
        result = clean(tables, declared, quality)
        write_tables(result.tables, directory, [ROW])
    result.quality.write(directory / "quality.json")


@dsl.component(base_image=STEP_IMAGE, install_kfp_package=False)
def standardize_data(contracts: dict, cleaned: Input[Dataset], standardized: Output[Dataset]) -> None:
    """Spellings, types, units and checks by the column rules; broken rows to quarantine with their rule."""
    from pathlib import Path

    from components.data.standardize import QUARANTINE_ORDER, standardize
    from journey.artifacts import ROW, QualityReport
    from journey.sections import Table
    from journey.tables import open_tables, write_table, write_tables

    declared, directory = {name: Table.model_validate(contract) for name, contract in contracts.items()}, Path(standardized.path)
    quality = QualityReport.read(Path(cleaned.path, "quality.json"))
    with open_tables(Path(cleaned.path), declared) as tables:
        result = standardize(tables, declared, quality)
        write_tables(result.tables, directory, [ROW])
        write_table(result.quarantine, directory / "quarantine.parquet", QUARANTINE_ORDER)
    result.quality.write(directory / "quality.json")


@dsl.component(base_image=STEP_IMAGE, install_kfp_package=False)
def curate_data(
    plan: dict,
    contracts: dict,
    code: str,
    onset: str,
    raw: Input[Dataset],
    standardized: Input[Dataset],
    curated: Output[Dataset],
    card: Output[Markdown],
) -> None:
    """The spine with label, event time and split; the other tables as they are; a data card."""
    import os
    from pathlib import Path

    from components.data.card import data_card
    from components.data.curate import Material, curate, onset_of
    from journey.artifacts import ROW, QualityReport
    from journey.declarations import load_declarations
    from journey.sections import CuratePlan, Table
    from journey.tables import open_backend, read_table, write_tables

    section, directory = CuratePlan.model_validate(plan), Path(curated.path)
    declared = {name: Table.model_validate(contract) for name, contract in contracts.items()}
    quality = QualityReport.read(Path(standardized.path, "quality.json"))
    labels = load_declarations(Path(os.environ["JOURNEY_PROJECT"])).labels if code else ()
    with open_backend() as backend:
        tables = {name: read_table(backend, Path(standardized.path, f"{name}.parquet")) for name in declared}
        raw_spine = read_table(backend, Path(raw.path, f"{section.spine.table}.parquet"), row=ROW)
        result = curate(section, declared, Material(tables, raw_spine, labels, onset_of(onset)))
        write_tables({**tables, section.spine.table: result.spine}, directory, [ROW])
    result.curated.write(directory / "curated.json")
    quality.write(directory / "quality.json")
    Path(card.path).write_text(data_card(result.curated, quality), encoding="utf-8")
