"""What every test may ask for."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.postgres import Postgres, running_postgres
from tests.redis_server import RedisServer, running_redis

# The background process of a shell ignores Ctrl-C, and so would all that the tests start from there.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets that lies beside the checkout, where there is one."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the folder shared/data with census.csv and taxis.csv is not beside this checkout")
    return SHARED_DATA


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A Postgres on loopback, where one is installed."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def _redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture
def redis_server(_redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> RedisServer:
    """An empty Redis on loopback, where one is installed; readers in this process wait while a busy machine keeps it from answering."""
    monkeypatch.setattr("journey.model.redis_lookups.TIMEOUT_SECONDS", 60.0)
    with _redis.client as client:
        client.flushall()
    return _redis
