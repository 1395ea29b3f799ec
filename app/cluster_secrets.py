"""The secrets of a project's namespace: random ones made, those that are there kept, a project's own taken as they are given."""

import base64
import json
import secrets
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from components.connections.cluster import Cluster
from components.connections.registry_login import Login
from components.pod import REGISTRY, REGISTRY_KEY, TRUSTED_KEYS, URLS
from journey.model.keys import PRIVATE, PUBLIC, SigningKey, public_id
from pipelines.placement import SIGNING, SOURCES

POSTGRES, REDIS, MLFLOW = "postgres", "redis", "mlflow"
"""Each names a Secret and, in the cluster, the service whose it is."""

GIVEN = {"LEDGER_URL": URLS, "REDIS_URL": URLS, "MLFLOW_URL": URLS, "BACKEND_URI": MLFLOW}
"""What may be given where a service of one's own stands in for the cluster's > the Secret that holds it."""

_PASSWORD_BYTES = 24        # 192 bits: nobody guesses it, and it fits into every URL
_LABELS = {"app.kubernetes.io/part-of": "journey", "app.kubernetes.io/managed-by": "journey"}

Values = Mapping[str, str]
Outcome = Literal["made", "changed", "kept"]


@dataclass(frozen=True)
class Written:
    """What became of one object; never what is in it."""

    kind: Literal["Secret", "ConfigMap"]
    name: str
    outcome: Outcome


def make_secrets(cluster: Cluster, given: Values, sources: Values, logins: Mapping[str, Login]) -> list[Written]:
    """Makes what is missing in the cluster's namespace, the namespace too. What is there stays, but for what is given now.

    Args:
        cluster: where to.
        given: names of `GIVEN` > URLs of services outside.
        sources: the variables that project.yaml's sources name > their values in the cluster.
        logins: image registry > who nodes and pods are there; others' that were given before stay.

    Raises:
        Conflict: somebody else makes them at the same time; another call keeps theirs.
        Unavailable, Forbidden: the cluster can't or won't.
    """
    if cluster.get("Namespace", cluster.namespace) is None:
        cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": cluster.namespace, "labels": _LABELS}})
    found = {name: _values(cluster, name) for name in (POSTGRES, REDIS, URLS, MLFLOW, SIGNING, SOURCES)}
    everything = wanted(found, given, sources)
    written = [_written(cluster, "Secret", name, _encoded(values), _same(found[name], values)) for name, values in everything.items()]
    if logins:
        written.append(_logged_in(cluster, logins))
    return [*written, _trusted(cluster, everything[SIGNING][PUBLIC])]


def missing(cluster: Cluster, sources: Iterable[str]) -> list[str]:
    """Those of the sources' variables that the namespace has no values of."""
    held = _values(cluster, SOURCES) or {}
    return [name for name in sources if name not in held]


def wanted(found: Mapping[str, Values | None], given: Values, sources: Values) -> dict[str, Values]:
    """Secret > all its values, in an order in which each can be made without the ones after it.

    Args:
        found: Secret > what is in it; None where there is none.
        given: as `make_secrets`.
        sources: as `make_secrets`.
    """
    urls, backend = dict(found.get(URLS) or {}), dict(found.get(MLFLOW) or {})
    postgres = dict(found.get(POSTGRES) or {})
    ledger_password = postgres.get("POSTGRES_PASSWORD") or _password_of(urls.get("LEDGER_URL"), POSTGRES)
    mlflow_password = postgres.get("MLFLOW_PASSWORD") or _password_of(backend.get("BACKEND_URI"), POSTGRES)
    redis_password = (found.get(REDIS) or {}).get("REDIS_PASSWORD") or _password_of(urls.get("REDIS_URL"), REDIS)
    own = {
        "LEDGER_URL": f"postgresql://journey:{ledger_password}@postgres:5432/journey",
        "REDIS_URL": f"redis://:{redis_password}@redis:6379/0",
        "MLFLOW_URL": "http://mlflow:5000",
        "BACKEND_URI": f"postgresql://mlflow:{mlflow_password}@postgres:5432/mlflow",
    }
    chosen = {**own, **urls, **backend, **given}
    return {
        POSTGRES: {"POSTGRES_PASSWORD": ledger_password, "MLFLOW_PASSWORD": mlflow_password},
        REDIS: {"REDIS_PASSWORD": redis_password, "password.conf": f"requirepass {redis_password}\n"},
        URLS: {name: chosen[name] for name, secret in GIVEN.items() if secret == URLS},
        MLFLOW: {"BACKEND_URI": _with_driver(chosen["BACKEND_URI"])},
        SIGNING: _key_pair(found.get(SIGNING) or {}),
        SOURCES: {**(found.get(SOURCES) or {}), **sources},
    }


def _with_driver(url: str) -> str:
    """MLflow hands it to SQLAlchemy as it is: without the driver's name that would look for psycopg2."""
    scheme, _, rest = url.partition("://")
    return f"postgresql+psycopg://{rest}" if scheme in ("postgres", "postgresql") else url


def _password_of(url: str | None, service: str) -> str:
    """The password in a URL of a service in the cluster, whose own Secret is gone; else a new one."""
    parts = urlsplit(url or "")
    known = parts.password if parts.hostname == service else None
    return known or secrets.token_urlsafe(_PASSWORD_BYTES)


def _key_pair(found: Values) -> Values:
    """The signing key with its public half; of a private key that lies there alone, the half that it has."""
    if {PRIVATE, PUBLIC} <= set(found):
        return found
    with tempfile.TemporaryDirectory(prefix="journey-keys-") as folder:
        if PRIVATE in found:
            Path(folder, PRIVATE).write_text(found[PRIVATE])
        SigningKey.load_or_create(Path(folder))
        return {**found, **{name: Path(folder, name).read_text() for name in (PRIVATE, PUBLIC)}}


def _id_of(public: str) -> str:
    with tempfile.TemporaryDirectory(prefix="journey-keys-") as folder:
        Path(folder, PUBLIC).write_text(public)
        return public_id(Path(folder))


def _values(cluster: Cluster, secret: str) -> dict[str, str] | None:
    there = cluster.get("Secret", secret)
    if there is None:
        return None
    data = there.get("data") or {}
    assert isinstance(data, dict)
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def _logged_in(cluster: Cluster, logins: Mapping[str, Login]) -> Written:
    """The logins to image registries, in the form that nodes read."""
    found = _values(cluster, REGISTRY)
    there = json.loads((found or {}).get(REGISTRY_KEY, "{}")).get("auths", {})
    auths = {**there, **{address: {"auth": login.encoded} for address, login in logins.items()}}
    values = {REGISTRY_KEY: json.dumps({"auths": auths}, sort_keys=True)}
    return _written(cluster, "Secret", REGISTRY, _encoded(values), _same(found, values), "kubernetes.io/dockerconfigjson")


def _trusted(cluster: Cluster, public: str) -> Written:
    """The public key, for all who verify; other people's keys beside it stay, and so does an older own one, which signed versions."""
    there = cluster.get("ConfigMap", TRUSTED_KEYS)
    found = there.get("data") or {} if there is not None else None
    assert found is None or isinstance(found, dict)
    values = {**(found or {}), PUBLIC: public}
    older = (found or {}).get(PUBLIC, public)
    if older != public:
        values[f"{_id_of(older)}.pub"] = older
    return _written(cluster, "ConfigMap", TRUSTED_KEYS, values, _same(found, values))


def _same(found: Values | None, values: Values) -> bool | None:
    return None if found is None else found == values


def _encoded(values: Values) -> dict[str, str]:
    return {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}


def _written(
    cluster: Cluster, kind: Literal["Secret", "ConfigMap"], name: str, data: Values, same: bool | None, secret_type: str = ""
) -> Written:
    """Writes an object; `same`: whether what is there is so already, None where nothing is."""
    typed = {"type": secret_type} if secret_type else {}
    manifest = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "labels": _LABELS}, **typed, "data": dict(data)}
    if same is None:
        cluster.create(manifest)          # not apply: of two who make it at once, one is told
        return Written(kind, name, "made")
    if not same:
        cluster.apply(manifest)
    return Written(kind, name, "kept" if same else "changed")
