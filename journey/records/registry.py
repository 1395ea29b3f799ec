"""MLflow as the registry that people look at: a version for each bundle, a run for each candidate, aliases that follow the ledger.

No pickle: a version's folder holds an MLmodel that names `journey.model.pyfunc`, and the bundle beside it. Everything here can be
done again, after a kill at any point, and changes nothing then.
"""

import filecmp
import platform
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from journey.artifacts import Board, CandidateSpec
from journey.errors import DataError, ProjectError
from journey.model.bundle import bundle_digest
from journey.records.candidates import BUNDLE_TAG, log_candidates
from journey.records.entries import Promotion, Version
from journey.records.mlflow_server import connected, translated, upload
from journey.records.mlflow_store import ensure_store
from journey.telemetry import switch_off

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

VERSION_TAG = "journey.version"
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
    """An MLflow registry: a server, or `mlflow.db` in a folder that holds the versions' files in any case.

    Attributes:
        folder: where versions are kept; a server is given copies of them.
        server: its http(s) URI; None: `mlflow.db` in the folder.
    """

    folder: Path
    server: str | None = None

    @classmethod
    def at(cls, home: Path, uri: str | None = None) -> "Registry":
        """The registry of a $JOURNEY_HOME, at MLflow's server where there is one.

        Raises:
            ProjectError: the URI is no server's.
        """
        if uri is not None and not uri.startswith(("http://", "https://")):
            raise ProjectError("registry: expected an http:// or https:// URL of MLflow's server, found another text. Mend the target.")
        return cls(home / "mlflow", uri)

    @property
    def uri(self) -> str:
        """The tracking and registry URI, as MLflow takes it."""
        return self.server or f"sqlite:///{self.folder.resolve() / 'mlflow.db'}"

    def register(self, entry: RegistryEntry) -> int:
        """The MLflow version of a bundle: the one that it has, or a new one.

        Raises:
            DataError: there is no bundle.
            Unavailable: MLflow's server doesn't answer.
        """
        digest = bundle_digest(entry.bundle)
        folder = self.keep(entry.model, entry.bundle)
        with self._answering():
            run = log_candidates(self._client, self._experiment(entry.model), digest, entry.board, entry.chosen)
            found = self._version_of(entry.model, digest)
            source = upload(self._client, found.run_id if found else run, folder) if self.server else folder.as_uri()
            tags = {**entry.tags, BUNDLE_TAG: digest}
            if found is None:
                self._ensure_model(entry.model)
                found = self._client.create_model_version(entry.model, source, run_id=run, tags=tags, await_creation_for=0)
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

        Raises:
            Unavailable: MLflow's server doesn't answer.
        """
        if not self.server and not (self.folder / "mlflow.db").exists():       # nothing was ever registered here
            return
        with self._answering():
            self._follow(model, roles, versions)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        if not self.server:
            yield
            return
        with translated(self.server):
            yield

    def _follow(self, model: str, roles: Mapping[str, Promotion | None], versions: Sequence[Version]) -> None:
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
        if self.server:
            return connected(self.server)
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
            if error.error_code == "RESOURCE_ALREADY_EXISTS":
                return
            if error.error_code == "INVALID_PARAMETER_VALUE":
                raise DataError(f"registry: expected a name that MLflow accepts for model '{model}', found {error.message}") from error
            raise

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

    def _experiment(self, model: str) -> str:
        found = self._client.get_experiment_by_name(model)
        if found is not None:
            return str(found.experiment_id)
        where = None if self.server else (self.folder.resolve() / "runs").as_uri()
        return str(self._client.create_experiment(model, artifact_location=where))


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
