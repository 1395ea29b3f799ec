"""A proxy of the environment is on the way to what is far, and to nothing on this machine."""

import pytest

from monitoring.proxy import is_here


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "0.0.0.0"])
def test_whoever_listens_here_is_here(host: str) -> None:
    assert is_here(f"http://{host}:8080/metrics")


@pytest.mark.parametrize("host", ["192.0.2.1", "[2001:db8::1]", "no-such-host.invalid", "ä..b"])
def test_an_address_of_another_machine_and_a_name_that_nobody_here_knows_are_far(host: str) -> None:
    assert not is_here(f"http://{host}:8080/metrics")
