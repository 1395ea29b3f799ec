"""The secrets of a namespace: made once, at random, kept, and never shown."""

import base64
import json
from urllib.parse import urlsplit

import pytest

from app.cluster_secrets import GIVEN, MLFLOW, POSTGRES, REDIS, make_secrets, missing, wanted
from components.connections.registry_login import Login
from components.pod import REGISTRY, REGISTRY_KEY, TRUSTED_KEYS, URLS
from journey.errors import Conflict
from journey.model.keys import SigningKey, Trusted, key_id
from pipelines.placement import SIGNING, SOURCES


class Namespace:
    """What a cluster holds, in memory: the API server has no local form."""

    namespace = "payments"

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], dict] = {}

    def get(self, kind: str, name: str) -> dict | None:
        return self.objects.get((kind, name))

    def create(self, manifest: dict) -> str:
        key = (manifest["kind"], manifest["metadata"]["name"])
        if key in self.objects:
            raise Conflict(f"{key} exists")
        self.objects[key] = manifest
        return key[1]

    def apply(self, manifest: dict) -> dict:
        self.objects[manifest["kind"], manifest["metadata"]["name"]] = manifest
        return manifest

    def secret(self, name: str) -> dict[str, str]:
        return {key: base64.b64decode(value).decode() for key, value in self.objects["Secret", name]["data"].items()}

    def secrets(self) -> dict[str, dict[str, str]]:
        return {name: self.secret(name) for kind, name in self.objects if kind == "Secret"}


@pytest.fixture
def cluster() -> Namespace:
    return Namespace()


def made(cluster: Namespace, given: dict[str, str] | None = None, sources: dict[str, str] | None = None) -> dict[str, str]:
    return {one.name: one.outcome for one in make_secrets(cluster, given or {}, sources or {}, {})}


def test_an_empty_cluster_gets_the_namespace_and_all_that_pods_refer_to(cluster):
    outcomes = made(cluster, sources={"BANK_URL": "sqlite:////data/bank.db"})
    assert outcomes == dict.fromkeys((POSTGRES, REDIS, URLS, MLFLOW, SIGNING, SOURCES, TRUSTED_KEYS), "made")
    assert ("Namespace", "payments") in cluster.objects
    assert cluster.secret(SOURCES) == {"BANK_URL": "sqlite:////data/bank.db"}
    assert {key for name, key in ((GIVEN[key], key) for key in GIVEN) if key in cluster.secret(name)} == set(GIVEN)


def test_passwords_are_random_and_the_urls_hold_the_same_ones(cluster):
    made(cluster)
    other = Namespace()
    made(other)
    passwords = cluster.secret(POSTGRES)
    assert len({*passwords.values(), *other.secret(POSTGRES).values(), cluster.secret(REDIS)["REDIS_PASSWORD"]}) == 5
    assert all(len(password) >= 32 for password in passwords.values())
    urls = cluster.secret(URLS)
    assert urlsplit(urls["LEDGER_URL"]).password == passwords["POSTGRES_PASSWORD"]
    assert urlsplit(cluster.secret(MLFLOW)["BACKEND_URI"]).password == passwords["MLFLOW_PASSWORD"]
    assert urlsplit(urls["REDIS_URL"]).password == cluster.secret(REDIS)["REDIS_PASSWORD"]
    assert cluster.secret(REDIS)["password.conf"] == f"requirepass {cluster.secret(REDIS)['REDIS_PASSWORD']}\n"


def test_mlflow_has_a_user_and_a_database_of_its_own(cluster):
    made(cluster)
    ledger, backend = urlsplit(cluster.secret(URLS)["LEDGER_URL"]), urlsplit(cluster.secret(MLFLOW)["BACKEND_URI"])
    assert (ledger.username, ledger.path) == ("journey", "/journey")
    assert (backend.username, backend.path) == ("mlflow", "/mlflow")


def test_a_second_time_everything_is_kept(cluster):
    made(cluster, sources={"BANK_URL": "sqlite:////data/bank.db"})
    before = cluster.secrets()
    assert set(made(cluster).values()) == {"kept"}
    assert cluster.secrets() == before


def test_what_is_given_now_replaces_what_was_there_and_stays(cluster):
    made(cluster, sources={"BANK_URL": "sqlite:////old.db", "OTHER": "x"})
    outside = {"LEDGER_URL": "postgresql://somebody:word@db.example.com/journey"}
    outcomes = made(cluster, outside, {"BANK_URL": "sqlite:////new.db"})
    assert {name for name, outcome in outcomes.items() if outcome == "changed"} == {URLS, SOURCES}
    assert cluster.secret(SOURCES) == {"BANK_URL": "sqlite:////new.db", "OTHER": "x"}
    made(cluster)
    assert cluster.secret(URLS)["LEDGER_URL"] == outside["LEDGER_URL"]


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_the_url_of_a_database_outside_names_the_driver_that_mlflow_needs(cluster, scheme):
    made(cluster, given={"BACKEND_URI": f"{scheme}://mlflow:x@db.example/mlflow"})
    assert cluster.secret(MLFLOW)["BACKEND_URI"] == "postgresql+psycopg://mlflow:x@db.example/mlflow"


def test_a_lost_password_is_found_again_in_the_url_that_holds_it(cluster):
    made(cluster)
    before = cluster.secrets()
    del cluster.objects["Secret", POSTGRES], cluster.objects["Secret", REDIS]
    made(cluster)
    assert cluster.secrets() == before


def test_a_password_of_a_service_outside_is_not_taken_for_the_clusters_own():
    found = {URLS: {"LEDGER_URL": "postgresql://somebody:word@db.example.com/journey"}}
    assert wanted(found, {}, {})[POSTGRES]["POSTGRES_PASSWORD"] != "word"


def test_the_public_key_that_everybody_trusts_is_the_signing_keys_own(cluster, tmp_path):
    made(cluster)
    pair = cluster.secret(SIGNING)
    assert set(pair) == {"signing.pem", "signing.pub"}
    trusted = cluster.objects["ConfigMap", TRUSTED_KEYS]["data"]
    (tmp_path / "signing.pub").write_text(trusted["signing.pub"])
    (tmp_path / "signing.pem").write_text(pair["signing.pem"])
    signature = SigningKey.load_or_create(tmp_path).sign(b"bundle")
    [(name, key)] = Trusted.of(tmp_path).keys.items()
    Trusted({name: key}).verify(key_id(key), signature, b"bundle")


def test_a_private_key_that_was_put_there_alone_gets_its_public_half(cluster):
    made(cluster)
    public, private = (cluster.secret(SIGNING)[name] for name in ("signing.pub", "signing.pem"))
    alone = {"signing.pem": base64.b64encode(private.encode()).decode()}
    cluster.objects = {("Secret", SIGNING): {"data": alone}}
    assert made(cluster)[SIGNING] == "changed"
    assert cluster.secret(SIGNING) == {"signing.pem": private, "signing.pub": public}


def test_what_an_older_key_signed_stays_trusted(cluster, tmp_path):
    made(cluster)
    old = cluster.secret(SIGNING)["signing.pub"]
    del cluster.objects["Secret", SIGNING]
    assert made(cluster)[TRUSTED_KEYS] == "changed"
    trusted = cluster.objects["ConfigMap", TRUSTED_KEYS]["data"]
    assert trusted["signing.pub"] == cluster.secret(SIGNING)["signing.pub"] != old
    for name, key in trusted.items():
        (tmp_path / name).write_text(key)
    assert old in trusted.values()
    assert len(Trusted.of(tmp_path).keys) == 2
    assert made(cluster)[TRUSTED_KEYS] == "kept"


def test_keys_of_other_people_stay_beside_it(cluster):
    made(cluster)
    cluster.objects["ConfigMap", TRUSTED_KEYS]["data"]["release.pub"] = "theirs"
    assert made(cluster)[TRUSTED_KEYS] == "kept"
    assert cluster.objects["ConfigMap", TRUSTED_KEYS]["data"]["release.pub"] == "theirs"


def test_logins_to_registries_are_kept_beside_each_other_in_the_form_that_nodes_read(cluster):
    make_secrets(cluster, {}, {}, {"one.example": Login("ada", "old"), "two.example": Login("bob", "b")})
    outcomes = {one.name: one.outcome for one in make_secrets(cluster, {}, {}, {"one.example": Login("ada", "new")})}
    assert outcomes[REGISTRY] == "changed"
    assert cluster.objects["Secret", REGISTRY]["type"] == "kubernetes.io/dockerconfigjson"
    auths = json.loads(cluster.secret(REGISTRY)[REGISTRY_KEY])["auths"]
    assert {name: base64.b64decode(entry["auth"]) for name, entry in auths.items()} == {"one.example": b"ada:new", "two.example": b"bob:b"}
    assert REGISTRY not in made(cluster), "who gives no login leaves it"
    assert json.loads(cluster.secret(REGISTRY)[REGISTRY_KEY])["auths"] == auths


def test_of_two_who_make_them_at_once_one_is_told(cluster, monkeypatch):
    monkeypatch.setattr(cluster, "get", lambda kind, name: None)
    cluster.objects["Secret", REDIS] = {"data": {}}
    with pytest.raises(Conflict):
        made(cluster)


def test_what_the_sources_lack_is_named(cluster):
    made(cluster, sources={"BANK_URL": "x"})
    assert missing(cluster, ("BANK_URL", "CARDS_URL")) == ["CARDS_URL"]


def test_what_is_told_of_a_secret_holds_none_of_it(cluster):
    told = str(make_secrets(cluster, {}, {"BANK_URL": "sqlite:////data/bank.db"}, {"registry.example": Login("ada", "s3cret")}))
    for values in cluster.secrets().values():
        for value in values.values():
            assert value not in told
