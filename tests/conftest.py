"""What every test may ask for."""

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets that lies beside the checkout, where there is one."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the folder shared/data with census.csv and taxis.csv is not beside this checkout")
    return SHARED_DATA
