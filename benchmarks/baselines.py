"""`python -m benchmarks.baselines echo|fastapi …`: the servers that ours is measured against."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.base import BaseEstimator
    from sklearn.pipeline import Pipeline

    from serving.app import Exchange, Scope


def echo(port: int) -> None:
    """Granian as our server runs it, giving each body back unparsed: what the transport alone can do."""
    from granian.constants import Interfaces
    from granian.server.embed import Server

    headers = [("content-type", "application/json")]

    async def application(scope: "Scope", exchange: "Exchange") -> None:
        exchange.response_bytes(200, headers, await exchange())

    server = Server(
        application, address="127.0.0.1", port=port, interface=Interfaces.RSGI, websockets=False, backlog=1024, log_enabled=False
    )
    uvloop.run(server.serve())


def fastapi(port: int, bundle: Path, rows: Path) -> None:
    """FastAPI as most people serve scikit-learn: one uvicorn worker on uvloop, each request a DataFrame for predict_proba.

    The estimator is that of the bundle, with its parameters, behind the encoding that people write by hand.
    """
    import pandas as pd
    import uvicorn
    from fastapi import FastAPI

    from journey.model.estimators import loads

    frame = pd.read_parquet(rows)
    labels = frame.pop("label")
    model = by_hand(loads((bundle / "model.skops").read_bytes())[-1], frame).fit(frame, labels)
    application = FastAPI()

    @application.post("/predict")
    def predict(request: dict[str, dict[str, list[dict[str, str | int | float | None]]]]) -> dict[str, list[list[float]]]:
        asked = pd.DataFrame(request["jsonData"]["rows"])
        return {"probabilities": model.predict_proba(asked[frame.columns]).tolist()}

    uvicorn.run(application, host="127.0.0.1", port=port, loop="uvloop", workers=1, log_level="warning", access_log=False)


def by_hand(estimator: "BaseEstimator", frame: "pd.DataFrame") -> "Pipeline":
    """A Pipeline by column names around a fresh copy of the estimator."""
    from sklearn.base import clone
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    words = [name for name in frame.columns if frame[name].dtype == object]
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return make_pipeline(make_column_transformer((encoder, words), remainder="passthrough"), clone(estimator))


def main(arguments: Sequence[str]) -> None:
    """Serves one of the baselines until it is killed."""
    name, port, *rest = arguments
    if name == "echo":
        echo(int(port))
    else:
        fastapi(int(port), *map(Path, rest))


if __name__ == "__main__":
    main(sys.argv[1:])
