"""A bundle as an MLflow model: `mlflow.pyfunc.load_model(...)` takes raw spine rows as a DataFrame."""

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from journey.clock import Clock, clock_of
from journey.errors import DataError, Unavailable
from journey.model.bundle import open_bundle
from journey.model.keys import Trusted
from journey.model.lookups import is_redis, open_online
from journey.model.scoring import Scorer
from journey.model.scoring_tables import LookUp, nothing_looked_up, rows_of_frame, score_rows
from journey.places import resolved

if TYPE_CHECKING:
    import pandas as pd

_HOME_ABOVE_BUNDLE = 4        # <home>/mlflow/versions/<model>/<digest>/bundle


@dataclass(frozen=True)
class BundleModel:
    """What MLflow calls: raw rows in, a column for each class (or `prediction`) out."""

    scorer: Scorer
    look_up: LookUp

    def predict(self, model_input: "pd.DataFrame", params: Mapping[str, object] | None = None) -> "pd.DataFrame":
        """Predictions for raw spine rows, in their order and under their index.

        Args:
            model_input: raw rows, as the source gives them.
            params: MLflow's, of which there are none.

        Raises:
            DataError: rows break their column rules; the first is named.
        """
        import pandas as pd

        scored = score_rows(self.scorer, rows_of_frame(model_input), self.look_up)
        if scored.refused:
            first = scored.refused[0]
            raise DataError(f"row {first.row}: {first.why} ({len(scored.refused)} of {len(model_input)} rows are refused)")
        signature = self.scorer.signature
        names = [str(name) for name in signature.classes] if signature.classes else ["prediction"]
        return pd.DataFrame(scored.predictions, columns=names, index=model_input.index)


def _load_pyfunc(path: str, model_config: Mapping[str, object] | None = None) -> BundleModel:
    """Called by MLflow with the bundle's folder.

    Raises:
        Untrusted: the bundle was changed or its key isn't one of the installation's.
    """
    directory = Path(path)
    scorer = Scorer(open_bundle(directory, Trusted.of(_keys(directory))))
    return BundleModel(scorer, _look_up(scorer, clock_of(os.environ)))


def _keys(bundle: Path) -> Path:
    """The keys that are trusted: those named by $JOURNEY_KEYS, else $JOURNEY_HOME's, else of the home that the bundle is registered in.

    What MLflow's server gave lies in no home; then it is the project in whose folder this process runs that says whom to trust.
    """
    named, home = os.environ.get("JOURNEY_KEYS"), os.environ.get("JOURNEY_HOME")
    if named or home:
        return Path(named) if named else Path(str(home), "keys")
    above = bundle.resolve().parents
    registered = above[_HOME_ABOVE_BUNDLE] / "keys" if len(above) > _HOME_ABOVE_BUNDLE else None
    return registered if registered is not None and registered.is_dir() else Path(".journey", "keys")


def _look_up(scorer: Scorer, clock: Clock) -> LookUp:
    lookups = scorer.signature.lookups
    if not lookups:
        return nothing_looked_up
    place = resolved(os.environ.get("JOURNEY_ONLINE_STORE", ""), os.environ)
    if not place:
        views = ", ".join(lookup.view for lookup in lookups)
        warnings.warn(
            f"JOURNEY_ONLINE_STORE isn't set: features of {views} follow the bundle's policy for missing rows "
            f"({scorer.signature.missing}). Set it to the online store's place, online.db's path or a redis:// URL, to look them up.",
            stacklevel=2,
        )
        return nothing_looked_up
    if not is_redis(place) and not Path(place).is_file():
        raise Unavailable(
            f"JOURNEY_ONLINE_STORE: expected the path of an online store or a redis:// URL, found no file at {place}. "
            "`journey up` makes one."
        )
    store = open_online(place, lookups)
    return lambda values: store.read(values, clock.now())
