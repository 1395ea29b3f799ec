"""`make bench`: every figure beside its baseline, measured in this run; prints them and writes build/bench.json."""

import json
import sys
from pathlib import Path

from benchmarks import cached_run, executor, serving

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Measures what can be measured here and says what can't."""
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
