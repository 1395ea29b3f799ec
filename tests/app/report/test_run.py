"""The page of a run shows what there is, and what went wrong."""

from pathlib import Path

from app.report.run import write_report
from pipelines.runs import Run, Step


def failed(home: Path, outputs: dict[str, dict[str, object]]) -> Run:
    return Run(
        id="one",
        project=home,
        home=home,
        state="failed",
        model="small",
        version=None,
        bundle_digest=None,
        metrics={},
        steps=(Step("tune-models", "failed", 1.0, cached=False, log=None),),
        outputs=outputs,
        report=None,
        error="step tune-models failed: <no room>",
        exit_code=1,
        seconds=1.0,
    )


def test_a_document_that_a_failing_step_left_half_written_hides_no_error(tmp_path):
    (tmp_path / "board.json").write_text('{"format": 1, "met')
    run = failed(tmp_path, {"tune-models": {"tuned": str(tmp_path)}})
    page = write_report(run, tmp_path, tmp_path / "page" / "report.html").read_text()
    assert "step tune-models failed: &lt;no room&gt;" in page
    assert "Leaderboard" not in page
