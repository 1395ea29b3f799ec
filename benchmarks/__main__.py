"""`make bench`: every figure beside its baseline, measured in this run; prints them and writes build/bench.json."""

import json
import sys
from pathlib import Path

from benchmarks import cached_run, executor, serving

ROOT = Path(__file__).resolve().parents[1]
COMPARED = """\
executor_…  a further step of a chain, in our executor and in kfp.local's SubprocessRunner, same compiled pipeline and environment:
            one that adds a number, and one that imports pandas and scikit-learn; loading libraries ahead is told apart
serving_…   answers a second on census, one row a request, one core, 64 connections: ours with all counting on, granian giving the body
            back unparsed (echo), and FastAPI on uvicorn with uvloop, one worker, predict_proba on a DataFrame
cached_…    `journey run` of census where nothing has changed, from the shell to its last line
"""


def main() -> None:
    """Says what is compared, measures what can be measured here and says what can't."""
    sys.stderr.write(COMPARED)
    figures = executor.measured()
    csv = serving.census_csv()
    if csv.is_file():
        figures |= serving.measured(csv)
        figures |= cached_run.measured(csv, serving.HOME)
    else:
        sys.stderr.write(f"serving and cached_run_s are left out: expected census' raw file at {csv}; name another with CENSUS_CSV\n")
    path = ROOT / "build" / "bench.json"
    path.parent.mkdir(exist_ok=True)
    text = json.dumps(figures, indent=2)
    path.write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
