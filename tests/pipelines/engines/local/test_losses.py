"""A step whose process or pod is taken away from outside."""

from pathlib import Path
from typing import Any

import pytest
from kfp import dsl

from pipelines.engines.local.workers import Workers
from pipelines.engines.runner import Job, Report
from tests.pipelines.engines.local.conftest import Run


class Losing(Workers):
    """Loses the first attempts after they have begun to write."""

    def __init__(self, losses: int, logs: Path) -> None:
        super().__init__({}, Path(__file__).parents[4], logs)
        self._losses = losses
        self.workspaces: list[Path] = []

    async def run(self, job: Job) -> Report:
        workspace = job.error.with_suffix("")
        assert list(workspace.iterdir()) == []
        self.workspaces.append(workspace)
        if len(self.workspaces) <= self._losses:
            (workspace / "half").write_text("written")
            return Report(137, 0.1, why="pod x: expected it to end by itself, found it deleted.", lost=True)
        return await super().run(job)


@dsl.component(base_image="x", install_kfp_package=False)
def write(out: dsl.Output[dsl.Dataset]) -> int:
    from pathlib import Path

    Path(out.path).write_text("whole")
    return 7


@dsl.pipeline(name="toys")
def pipeline() -> None:
    write()


def test_a_step_that_was_lost_is_tried_again_in_a_new_folder_and_nothing_is_doubled(run: Run, home: Path, tmp_path: Path) -> None:
    runner = Losing(3, tmp_path)

    ended = run(pipeline, runner=runner)

    assert ended.failure is None
    assert ended.record.outputs["write"].parameters == {"Output": 7}
    assert len(set(runner.workspaces)) == 4
    assert [path.name for path in (home / "artifacts" / "write").glob("*/*")] == ["out"]
    assert list((home / "artifacts" / ".unfinished").iterdir()) == []


def test_a_step_that_is_lost_again_and_again_fails_with_the_reason(run: Run, tmp_path: Path) -> None:
    ended = run(pipeline, runner=Losing(4, tmp_path))

    assert ended.failure is not None
    assert "expected it to end by itself, found it deleted" in ended.failure.message


def test_the_runner_says_how_many_steps_at_a_time(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner, most, now = Losing(0, tmp_path), [0], [0]
    runner.slots = 1
    carried_out = runner.run

    async def counted(job: Job) -> Report:
        now[0] += 1
        most[0] = max(most[0], now[0])
        try:
            return await carried_out(job)
        finally:
            now[0] -= 1

    monkeypatch.setattr(runner, "run", counted)

    @dsl.pipeline(name="toys")
    def two() -> None:
        write()
        write()

    outcome: Any = run(two, runner=runner, workers=None)
    assert outcome.failure is None
    assert most == [1]
