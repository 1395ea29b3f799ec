"""Where a target keeps its records."""

from pathlib import Path

import pytest

from journey.errors import ProjectError
from journey.places import Places, named_in, resolved
from journey.targets import Target

HOME = Path("/srv/ada/.journey")


def test_without_urls_all_is_in_the_home():
    places = Places(Target(), HOME, {})
    assert places.ledger == "sqlite:////srv/ada/.journey/ledger.db"
    assert places.registry is None
    assert places.online == "/srv/ada/.journey/feast/online.db"
    assert places.keys == HOME / "keys"


def test_a_targets_urls_are_resolved_when_they_are_asked_for_and_not_before():
    target = Target(ledger="${LEDGER_URL}", registry="http://${HOST}:${PORT}", online="${REDIS_URL}")
    places = Places(target, HOME, {"LEDGER_URL": "postgresql://db/journey", "HOST": "mlflow", "PORT": "5000"})
    assert places.ledger == "postgresql://db/journey"
    assert places.registry == "http://mlflow:5000"
    with pytest.raises(ProjectError, match=r"'\$\{REDIS_URL\}': expected the environment variable REDIS_URL to be set"):
        _ = places.online


def test_keys_are_where_the_environment_says():
    assert Places(Target(), HOME, {"JOURNEY_KEYS": "/journey/keys"}).keys == Path("/journey/keys")


def test_an_error_names_the_key_and_the_variable_and_no_value():
    with pytest.raises(ProjectError) as raised:
        resolved("postgresql://${USER}:${PASSWORD}@db", {"USER": "planted"}, "sources.bank.sql")
    assert str(raised.value).startswith("sources.bank.sql: expected the environment variable PASSWORD to be set")
    assert "planted" not in str(raised.value)


def test_what_a_value_holds_is_not_resolved_again():
    assert resolved("${A}", {"A": "${B}", "B": "never"}) == "${B}"


def test_the_variables_of_texts_are_told_once_each_in_order():
    assert named_in("${B}${A}", None, "x ${B}", "$C {D}") == ("B", "A")
