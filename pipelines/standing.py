"""Whether what a step did beside its artifacts still stands: only then it may be taken from the cache."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from components.image import SERVING_IMAGE, VERSION
from journey.errors import Unavailable, Untrusted
from journey.places import resolved
from journey.project import Target
from journey.records.ledger import Ledger
from journey.step_names import CONTAINERIZE, REGISTER

Outputs = Mapping[str, object]


@dataclass(frozen=True)
class Standing:
    """The records of one model, asked whether they have what a cached step gave."""

    ledger: Ledger
    model: str
    target: Target

    def holds(self, step: str, cached: Outputs) -> bool:
        """Whether a step's work stands.

        Args:
            step: its name in the pipeline.
            cached: its output parameters.
        """
        if step == REGISTER:
            return self._is_registered(cached)
        return step != CONTAINERIZE or self._is_containerized(str(cached.get("image") or ""))

    def _is_registered(self, cached: Outputs) -> bool:
        """Whether the ledger still has the version, and the home its bundle: either may have been lost or put back."""
        known = [version for version in self.ledger.versions(self.model) if version.bundle == cached.get("digest")]
        return any(version.version == cached.get("version") and Path(version.uri, "manifest.json").is_file() for version in known)

    def _is_containerized(self, reference: str) -> bool:
        """Whether the ledger names the image, and the image registry has it, on top of the server's image of today.

        A bundle that has no image, because the server's can't run it, has none for good.
        """
        if not reference:
            return True
        if all(self.ledger.image(self.model, version.version) != reference for version in self.ledger.versions(self.model)):
            return False
        from components.connections.image_registry import ImageRegistry  # late: a laptop's runs make no image
        from components.oci import Configuration
        from components.release.containerize import BASE_DIGEST

        try:
            with ImageRegistry.at(resolved(str(self.target.push or self.target.images), os.environ), os.environ) as images:
                base, found = images.image(SERVING_IMAGE, VERSION), images.image(self.model, reference.rpartition("@")[2])
                if base is None or found is None:
                    return False
                made = Configuration.model_validate_json(images.blob(self.model, found.manifest.config))
        except (Unavailable, Untrusted):            # the step itself meets it again, and tells of it
            return False
        return (made.config.labels or {}).get(BASE_DIGEST) == base.digest
