"""MLflow as the registry that people look at: a version for each bundle, a run for each candidate, aliases that follow the ledger.

No pickle: a version's folder holds an MLmodel that names `journey.model.pyfunc`, and the bundle beside it. Everything here can be
done again, after a kill at any point, and changes nothing then.
"""

import filecmp
import hashlib
import platform
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from journey.artifacts import Board, BoardRow, CandidateSpec
from journey.errors import DataError
from journey.model.bundle import bundle_digest
from journey.records.entries import Promotion, Version
from journey.records.mlflow_store import ensure_store
from journey.telemetry import switch_off

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

BUNDLE_TAG = "journey.bundle"
CANDIDATE_TAG = "journey.candidate"
VERSION_TAG = "journey.version"
CHOSEN_TAG = "journey.chosen"
RETIRED_TAG = "retired"


@dataclass(frozen=True)
class RegistryEntry:
    """A bundle for the registry.

    Attributes:
        bundle: the folder with manifest.json; copied.
        board: every candidate and trial that was looked at.
        chosen: the row of the board that the bundle holds.
        tags: lineage and figures, shown beside the version.
    """

    model: str
    bundle: Path
    board: Board
    chosen: CandidateSpec
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Registry:
    """An MLflow registry in a folder: `mlflow.db` and the versions' files."""

    folder: Path

    @classmethod
    def at(cls, home: Path) -> "Registry":
        """The registry of a $JOURNEY_HOME."""
        return cls(home / "mlflow")

    @property
    def uri(self) -> str:
        """The tracking and registry URI, as MLflow takes it."""
        return f"sqlite:///{self.folder.resolve() / 'mlflow.db'}"

    def register(self, entry: RegistryEntry) -> int:
        """The MLflow version of a bundle: the one that it has, or a new one.

        Raises:
            DataError: there is no bundle.
        """
        digest = bundle_digest(entry.bundle)
        folder = self.keep(entry.model, entry.bundle)
        run = self._log_candidates(entry, digest)
        found = self._version_of(entry.model, digest)
        tags = {**entry.tags, BUNDLE_TAG: digest}
        if found is None:
            self._ensure_model(entry.model)
            found = self._client.create_model_version(
                entry.model, folder.as_uri(), run_id=run, tags=tags, await_creation_for=0
            )
        self._tag(found, tags)
        return int(found.version)

    def keep(self, model: str, bundle: Path) -> Path:
        """Copies a bundle to where versions are kept and puts an MLmodel beside it.

        Returns:
            The version's folder; the bundle is its subfolder `bundle`.
        """
        digest = bundle_digest(bundle)
        kept = self.folder.resolve() / "versions" / model / digest[:16]
        if _same_files(bundle, kept / "bundle") and (kept / "MLmodel").is_file():
            return kept
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".making-") as scratch:
            made = Path(scratch, "version")
            shutil.copytree(bundle, made / "bundle", copy_function=shutil.copyfile)
            _write_mlmodel(made)
            if kept.exists():                       # damaged: what is there isn't the bundle of this digest
                kept.rename(Path(scratch, "damaged"))
            made.rename(kept)
        return kept

    def follow(self, model: str, roles: Mapping[str, Promotion | None], versions: Sequence[Version]) -> None:
        """Makes aliases and `retired` tags say what the ledger says.

        Args:
            model: its name.
            roles: role > the newest promotion to it.
            versions: all versions of the model, from the ledger.
        """
        if not (self.folder / "mlflow.db").exists():       # nothing was ever registered here
            return
        numbers = {version.tags.get(BUNDLE_TAG): version for version in self._versions(model)}
        aliases = dict(self._client.get_registered_model(model).aliases) if numbers else {}
        champion = roles.get("champion")
        idle = {version.version for version in versions if version.retired is not None} | ({champion.version} if champion else set())
        for role, promotion in roles.items():
            challenges_nobody = role == "challenger" and promotion is not None and promotion.version in idle
            wanted = numbers.get(promotion.bundle) if promotion and not challenges_nobody else None
            self._alias(model, role, wanted, aliases.get(role))
        for version in versions:
            found = numbers.get(version.bundle)
            if found is not None:
                self._retire_tag(found, version)

    @cached_property
    def _client(self) -> "MlflowClient":
        ensure_store(self.folder / "mlflow.db")
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    def _versions(self, model: str) -> "list[ModelVersion]":
        return list(self._client.search_model_versions(f"name = '{model}'"))

    def _version_of(self, model: str, digest: str) -> "ModelVersion | None":
        return next((version for version in self._versions(model) if version.tags.get(BUNDLE_TAG) == digest), None)

    def _ensure_model(self, model: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise DataError(f"registry: expected a name that MLflow accepts for model '{model}', found {error.message}") from error

    def _tag(self, version: "ModelVersion", tags: Mapping[str, str]) -> None:
        for name, value in tags.items():
            if version.tags.get(name) != value:
                self._client.set_model_version_tag(version.name, version.version, name, value)

    def _alias(self, model: str, role: str, wanted: "ModelVersion | None", found: str | int | None) -> None:
        if wanted is None:
            if found is not None:
                self._client.delete_registered_model_alias(model, role)
        elif str(wanted.version) != str(found):
            self._client.set_registered_model_alias(model, role, wanted.version)

    def _retire_tag(self, found: "ModelVersion", version: Version) -> None:
        if version.retired is not None:
            self._tag(found, {RETIRED_TAG: version.retired.isoformat(), VERSION_TAG: str(version.version)})
            return
        self._tag(found, {VERSION_TAG: str(version.version)})
        if RETIRED_TAG in found.tags:
            self._client.delete_model_version_tag(found.name, found.version, RETIRED_TAG)

    def _log_candidates(self, entry: RegistryEntry, digest: str) -> str | None:
        """A finished run for each row of the board; the id of the chosen one's, if it is on the board."""
        experiment = self._experiment(entry.model)
        known = {
            run.data.tags[CANDIDATE_TAG]: run
            for run in self._client.search_runs([experiment], f"tags.`{BUNDLE_TAG}` = '{digest}'", max_results=5000)
            if CANDIDATE_TAG in run.data.tags
        }
        chosen: str | None = None
        for row in entry.board.rows:
            key = _candidate_key(row)
            run = known.get(key)
            if run is None:
                tags = {BUNDLE_TAG: digest, CANDIDATE_TAG: key, **_tags(row, row.candidate == entry.chosen)}
                run = self._client.create_run(experiment, run_name=row.candidate.name, tags=tags)
            if run.info.status != "FINISHED":
                self._log(run.info.run_id, row, entry.board.metric)
            if row.candidate == entry.chosen:
                chosen = str(run.info.run_id)
        return chosen

    def _experiment(self, model: str) -> str:
        found = self._client.get_experiment_by_name(model)
        if found is not None:
            return str(found.experiment_id)
        return str(self._client.create_experiment(model, artifact_location=(self.folder.resolve() / "runs").as_uri()))

    def _log(self, run: str, row: BoardRow, metric: str) -> None:
        from mlflow.entities import Metric, Param

        figures = {name: value for each in row.metrics for name, value in _figures(each.name, each.value, each.low, each.high)}
        figures |= {"fit_seconds": row.fit_seconds, "microseconds_a_row": row.microseconds_a_row, "bytes": float(row.bytes)}
        folds = [Metric(f"fold_{metric}", score, 0, step) for step, score in enumerate(row.fold_scores)]
        parameters = {"estimator": row.candidate.estimator, **row.candidate.parameters}
        self._client.log_batch(
            run,
            metrics=[*(Metric(name, value, 0, 0) for name, value in figures.items()), *folds],
            params=[Param(name, str(value)) for name, value in parameters.items()],
        )
        self._client.set_terminated(run, "FINISHED")


def _candidate_key(row: BoardRow) -> str:
    return hashlib.sha256(f"{row.source} {row.candidate.model_dump_json()}".encode()).hexdigest()[:16]


def _tags(row: BoardRow, chosen: bool) -> dict[str, str]:
    tags = {"journey.source": row.source, "journey.why": row.candidate.why}
    return {**tags, CHOSEN_TAG: str(chosen).lower()}


def _figures(name: str, value: float, low: float, high: float) -> tuple[tuple[str, float], ...]:
    return (name, value), (f"{name}_low", low), (f"{name}_high", high)


def _write_mlmodel(folder: Path) -> None:
    switch_off()
    from mlflow.models import Model

    model = Model()
    model.add_flavor("python_function", loader_module="journey.model.pyfunc", data="bundle", python_version=platform.python_version())
    model.save(str(folder / "MLmodel"))


def _same_files(one: Path, other: Path) -> bool:
    names = sorted(path.name for path in one.iterdir())
    if not other.is_dir() or sorted(path.name for path in other.iterdir()) != names:
        return False
    return not any(filecmp.cmpfiles(one, other, names, shallow=False)[1:])
