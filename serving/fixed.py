"""One version from a folder, for as long as the process lives: how a pod serves, where another version is another pod."""

from journey.errors import DataError, ProjectError
from journey.model.bundle import open_bundle
from journey.model.keys import Trusted
from serving.models import Fleet, Model, Surroundings
from serving.options import FixedVersion


class Fixed:
    """Holds one version, the champion."""

    def __init__(self, asked: FixedVersion, surroundings: Surroundings) -> None:
        self.fleet = Fleet()
        self.failures = 0
        self._asked = asked
        self._surroundings = surroundings

    def start(self) -> None:
        """Opens, verifies and warms the version.

        Raises:
            DataError: there is no bundle, or it is another model's.
            Untrusted: it was changed, or signed by a key that isn't trusted.
            ProjectError: it looks features up, and nobody said where.
        """
        asked = self._asked
        bundle = open_bundle(asked.bundle, Trusted.of(self._surroundings.keys))
        name = bundle.manifest.name
        if asked.model not in ("", name):
            raise DataError(f"bundle {asked.bundle}: expected one of model '{asked.model}', found model '{name}'. Give another --bundle.")
        if bundle.signature.lookups and self._surroundings.online is None:
            views = ", ".join(lookup.view for lookup in bundle.signature.lookups)
            raise ProjectError(f"options: expected --online, because the model looks up features of {views}, found none.")
        model = Model(name, asked.version, bundle, self._surroundings)
        self.fleet = Fleet(model, {asked.version: model})

    def stop(self) -> None:
        """Nothing runs that could be stopped."""

