"""The way from nothing to a prediction, as docs/kubernetes.md tells it: its commands are run from the page, in their order.

The cluster of these tests stands in for kind's, and `tests/cluster/run` has made its platform by the page's blocks already; all of them
are done again as they are written. Each command can be: what is there is kept.
"""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.cluster.conftest import ROOT, Laptop

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]

PAGE = ROOT / "docs" / "kubernetes.md"
_STAND_IN = 'kind() { echo "the cluster is there: kind $*"; }'
_ENDED = "--- ended ---"


def blocks() -> list[str]:
    """The page's commands, a text for each fenced block."""
    [section] = re.findall(r"^## From nothing to a prediction\n(.*?)^## ", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


def test_a_newcomer_gets_from_nothing_to_a_prediction(first_run: dict, laptop: Laptop, tmp_path: Path) -> None:
    script = "\n".join(["set -euo pipefail", _STAND_IN, *(f"{block}\necho '{_ENDED}'" for block in blocks())])
    environment = {**laptop.environment, "JOURNEY_HOME": str(tmp_path)}
    ran = subprocess.run(["bash", "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1700, check=False)
    said = ran.stdout.split(_ENDED)
    assert ran.returncode == 0, f"after {len(said) - 1} blocks of the page: {ran.stdout[-2000:]}\n{ran.stderr[-4000:]}"
    *_, run, promotion, prediction, _ = said
    assert first_run["bundle_digest"][:12] in run
    assert "is champion" in promotion
    answer = json.loads(prediction)
    assert answer["meta"]["tags"]["model"] == first_run["model"]
    assert answer["data"]["names"] == ["false", "true"]
    assert sum(answer["data"]["ndarray"][0]) == pytest.approx(1)
