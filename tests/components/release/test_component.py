"""Which key the package step signs with."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from components.release.component import package_model
from journey.errors import Untrusted

NOTHING = SimpleNamespace(path="nowhere", metadata={})


def packaged(key_id: str) -> None:
    artifacts = dict.fromkeys(("raw", "curated", "frame", "model", "choice", "bundle"), NOTHING)
    package_model.python_func(plan={}, contract={}, code="", key_id=key_id, **artifacts)


def test_the_key_that_the_run_was_started_for_signs_and_where_none_is_named_the_installations_own(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("JOURNEY_HOME", str(tmp_path))
    monkeypatch.setenv("JOURNEY_PROJECT", str(tmp_path))
    with pytest.raises(Untrusted, match="expected the signing key 0123456789abcdef"):
        packaged("0123456789abcdef")
    with pytest.raises(ValueError, match="PackagePlan"):        # it goes on to read the plan, which is empty here
        packaged("")
