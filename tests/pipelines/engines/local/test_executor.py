"""Every construct of KFP's language does here what it means there."""

import os
import re
from pathlib import Path
from typing import Any, List, NamedTuple  # noqa: UP035 -- KFP reads List

import pytest
from kfp import dsl, kubernetes

from journey.errors import ProjectError
from pipelines.niceness import AUTOGROUP

component = dsl.component(base_image="journey-steps", install_kfp_package=False)


@component
def numbers(count: int) -> List[int]:  # noqa: UP006
    return list(range(count))


@component
def write(text: str, out: dsl.Output[dsl.Dataset]):
    from pathlib import Path

    Path(out.path).mkdir()
    (Path(out.path) / "text").write_text(text)
    out.metadata["length"] = len(text)


@component
def read_all(inputs: dsl.Input[List[dsl.Dataset]]) -> str:  # noqa: UP006
    from pathlib import Path

    return ",".join((Path(item.path) / "text").read_text() for item in inputs)


@component
def read(given: dsl.Input[dsl.Dataset]) -> str:
    from pathlib import Path

    return f"{(Path(given.path) / 'text').read_text()}/{given.metadata['length']:.0f}"


@component
def add(left: int, right: int) -> int:
    return left + right


@component
def total(values: List[int]) -> int:  # noqa: UP006
    return sum(values)


@component
def flatten(values: List[List[str]]) -> str:  # noqa: UP006
    return "|".join(",".join(inner) for inner in values)


@component
def say(text: str) -> str:
    print(f"said {text}")  # noqa: T201
    return text


@component
def join(left: str, right: str) -> str:
    return left + right


@component
def pair() -> NamedTuple("Pair", version=int, digest=str):
    return (3, "it's 'quoted' && \"so\"")


@component
def fail(text: str):
    raise ValueError(text)


@component
def last_word(status: dsl.PipelineTaskFinalStatus) -> str:
    return f"{status.state}: {status.error_message}"


def parameter(ended: Any, step: str, name: str = "Output") -> object:
    assert ended.failure is None, ended.failure.text()
    return ended.record.outputs[step].parameters[name]


def test_artifacts_parameters_and_metadata_go_from_step_to_step(run):
    @dsl.pipeline(name="chain")
    def chain(name: str = "ada"):
        read(given=write(text=f"hello {name}").outputs["out"])

    assert parameter(run(chain), "read") == "hello ada/9"
    assert parameter(run(chain, parameters={"name": "bob smith"}), "read") == "hello bob smith/15"


def test_a_loop_runs_wider_than_two_and_is_collected_in_order(run):
    @dsl.pipeline(name="loops")
    def loops():
        with dsl.ParallelFor(numbers(count=5).output) as item:
            added = add(left=item, right=10)
            written = write(text=f"t{added.output}")
        total(values=dsl.Collected(added.output))
        read_all(inputs=dsl.Collected(written.outputs["out"]))

    ended = run(loops, workers=4)
    assert parameter(ended, "total") == 60
    assert parameter(ended, "read-all") == "t10,t11,t12,t13,t14"
    assert ended.record.steps["add.3"].state == "done"


def test_an_empty_loop_gives_empty_lists(run):
    @dsl.pipeline(name="empty")
    def empty():
        with dsl.ParallelFor(numbers(count=0).output) as item:
            added = add(left=item, right=10)
        total(values=dsl.Collected(added.output))

    assert parameter(run(empty), "total") == 0


def test_loops_in_loops_keep_the_shape_of_what_they_collect(run):
    @component
    def rows() -> List[dict]:  # noqa: UP006
        return [{"name": key, "key": key} for key in "abc"]

    @dsl.pipeline(name="nested")
    def nested():
        with dsl.ParallelFor(rows().output) as row, dsl.ParallelFor(["x", "y"]) as letter:
            said = join(left=row.key, right=letter)
            written = write(text=said.output)
        flatten(values=dsl.Collected(said.output))
        read_all(inputs=dsl.Collected(written.outputs["out"]))

    ended = run(nested)
    assert parameter(ended, "flatten") == "ax,ay|bx,by|cx,cy"
    assert parameter(ended, "read-all") == "ax,ay,bx,by,cx,cy"
    assert "join.a.y" in ended.record.steps


@pytest.mark.parametrize(("value", "branch"), [(1, "one"), (2, "two"), (7, "many")])
def test_one_branch_runs_and_its_artifact_is_the_one_of(run, value, branch):
    @dsl.pipeline(name="branches")
    def branches(value: int):
        start = add(left=value, right=0)
        with dsl.If(start.output == 1):
            one = write(text="one")
        with dsl.Elif(start.output == 2):
            two = write(text="two")
        with dsl.Else():
            many = write(text="many")
        read(given=dsl.OneOf(one.outputs["out"], two.outputs["out"], many.outputs["out"]))

    ended = run(branches, parameters={"value": value})
    assert str(parameter(ended, "read")).startswith(branch)
    assert sorted(step.state for step in ended.record.steps.values()) == ["done", "done", "done", "skipped", "skipped"]


def test_a_quote_in_a_compared_text_changes_no_branch(run):
    @dsl.pipeline(name="quotes")
    def quotes():
        made = pair()
        with dsl.If(made.outputs["digest"] == "it's 'quoted' && \"so\""):
            say(text="equal")
        with dsl.If(made.outputs["version"] > 3):
            say(text="larger")

    ended = run(quotes)
    assert (ended.record.steps["say"].state, ended.record.steps["say-2"].state) == ("done", "skipped")


def test_what_needs_a_failed_step_is_skipped_and_everything_else_runs(run):
    @dsl.pipeline(name="half")
    def half():
        failed = fail(text="no such luck")
        say(text="after").after(failed)
        say(text="beside")

    ended = run(half)
    assert {name: step.state for name, step in ended.record.steps.items()} == {"fail": "failed", "say": "skipped", "say-2": "done"}
    assert ended.failure.text().startswith("step fail failed: ValueError: no such luck\nlog: ")
    assert "Traceback" in Path(ended.failure.log).read_text()


def test_the_exit_task_runs_whatever_happened_and_is_told(run):
    @dsl.pipeline(name="exits")
    def exits(text: str):
        with dsl.ExitHandler(last_word()), dsl.If(text != ""):
            fail(text=text)

    assert run(exits, parameters={"text": "boom"}).record.outputs["last-word"].parameters["Output"] == "FAILED: boom"
    assert str(parameter(run(exits, parameters={"text": ""}), "last-word")).startswith("SUCCEEDED")


def test_a_step_is_tried_as_often_as_the_pipeline_says(run, tmp_path):
    @component
    def third_time(file: str) -> int:
        from pathlib import Path

        tries = Path(file)
        count = len(tries.read_text()) + 1 if tries.exists() else 1
        tries.write_text("x" * count)
        if count < 3:
            raise RuntimeError(f"try {count}")
        return count

    @dsl.pipeline(name="retries")
    def retries(file: str):
        third_time(file=file).set_retry(2, backoff_duration="0s")

    assert parameter(run(retries, parameters={"file": str(tmp_path / "tries")}), "third-time") == 3


def test_a_gate_that_says_no_is_not_asked_again_and_leaves_what_it_wrote(run, tmp_path):
    @component
    def gate(file: str, out: dsl.Output[dsl.Dataset]):
        from pathlib import Path

        from journey.errors import GateFailed

        with Path(file).open("a") as tries:
            tries.write("x")
        Path(out.path).write_text("the comparison")
        raise GateFailed("roc_auc: expected at least 0.9, found 0.8")

    @dsl.pipeline(name="gates")
    def gates(file: str):
        gate(file=file).set_retry(3)

    ended = run(gates, parameters={"file": str(tmp_path / "tries")})
    assert ended.failure.exit_code == 3
    assert ended.record.steps["gate"].state == "refused"
    assert ended.failure.text().splitlines()[0] == "step gate failed: roc_auc: expected at least 0.9, found 0.8"
    assert (tmp_path / "tries").read_text() == "x"
    assert Path(ended.record.outputs["gate"].artifacts["out"].uri).read_text() == "the comparison"


def test_a_secret_comes_from_the_environment_and_a_missing_one_is_named(run, monkeypatch):
    @component
    def look() -> str:
        import os

        return os.environ["BANK_URL"]

    @dsl.pipeline(name="secrets")
    def secrets():
        kubernetes.use_secret_as_env(look(), secret_name="bank", secret_key_to_env={"url": "BANK_URL"})

    monkeypatch.setenv("BANK_URL", "sqlite:///bank.db")
    assert parameter(run(secrets), "look") == "sqlite:///bank.db"
    monkeypatch.delenv("BANK_URL")
    ended = run(secrets)
    assert ended.failure is None, "the cache still has it"


def test_a_missing_secret_is_named(run):
    @dsl.pipeline(name="secrets")
    def secrets():
        kubernetes.use_secret_as_env(say(text="x"), secret_name="bank", secret_key_to_env={"url": "NO_SUCH_URL"})

    assert "expected the environment variable NO_SUCH_URL, which secret 'bank' gives on a cluster" in run(secrets).failure.text()


def test_an_artifact_that_is_there_already_is_imported(run, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "text").write_text("imported")

    @dsl.pipeline(name="imports")
    def imports(path: str):
        read(given=dsl.importer(artifact_uri=path, artifact_class=dsl.Dataset, metadata={"length": 8}).output)

    assert parameter(run(imports, parameters={"path": str(tmp_path / "there")}), "read") == "imported/8"


def test_a_pipeline_in_a_pipeline_gives_its_output(run):
    @dsl.pipeline
    def inner(start: int = 4) -> int:
        return add(left=start, right=1).output

    @dsl.pipeline(name="outer")
    def outer():
        first = inner(start=1)
        add(left=first.output, right=inner().output)

    ended = run(outer)
    assert parameter(ended, "add") == 7
    assert parameter(ended, "inner-2.add") == 5


def test_only_what_the_last_step_needs_is_run(run):
    @dsl.pipeline(name="cut")
    def cut():
        with dsl.ParallelFor(numbers(count=3).output) as item:
            added = add(left=item, right=1)
            say(text=f"{added.output}")
        total(values=dsl.Collected(added.output))

    assert set(run(cut, until="add").record.steps) == {"numbers", "add.0", "add.1", "add.2"}
    with pytest.raises(ProjectError, match=r"found 'totl'\. Did you mean total"):
        run(cut, until="totl")


def test_steps_say_what_they_waited_on(run):
    @dsl.pipeline(name="waits")
    def waits():
        with dsl.ParallelFor(numbers(count=2).output) as item:
            added = add(left=item, right=1)
        total(values=dsl.Collected(added.output))

    steps = run(waits).record.steps
    assert steps["add.1"].after == ("numbers",)
    assert steps["total"].after == ("add.0", "add.1")


def test_what_a_step_prints_is_in_its_log_and_nowhere_else(run, capfd):
    @dsl.pipeline(name="prints")
    def prints():
        say(text="hello")

    assert run(prints).record.steps["say"].log.read_text() == "said hello\n"
    assert "hello" not in "".join(capfd.readouterr())


def test_a_step_that_is_killed_is_told_of_with_its_memory(run):
    @component
    def die():
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)

    @dsl.pipeline(name="dies")
    def dies():
        die()

    assert "killed by SIGKILL at" in run(dies).failure.text()


def test_steps_give_way_to_other_processes_where_they_are_asked_to(run):
    @component
    def niceness() -> int:
        import os

        return os.nice(0)

    @dsl.pipeline(name="nice")
    def nice():
        niceness()

    assert parameter(run(nice, niceness=7), "niceness") == min(19, os.nice(0) + 7)


@pytest.mark.skipif(not AUTOGROUP.exists(), reason="this kernel doesn't weigh sessions")
def test_a_step_gives_way_with_its_whole_session(run):
    @component
    def session() -> str:
        from pathlib import Path

        return Path("/proc/self/autogroup").read_text().split()[-1]

    @dsl.pipeline(name="nice")
    def nice():
        session()

    assert parameter(run(nice, niceness=7), "session") == str(min(19, os.nice(0) + 7))


def test_an_unknown_parameter_of_the_pipeline_is_refused(run):
    @dsl.pipeline(name="strict")
    def strict(name: str = "x"):
        say(text=name)

    with pytest.raises(ProjectError, match=r"expected the parameters \['name'\], found \['nmae'\]"):
        run(strict, parameters={"nmae": "y"})


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("without a word", "No such file or directory: .*executor_output.json"),
        ("before its last word is out", "killed by SIGKILL at"),
        ("with a foreign exit code", "RuntimeError: no good"),
        ("where no entry can be written", "FileNotFoundError: .*cache/steps"),
    ],
)
def test_however_a_step_ends_the_run_ends_and_says_so(run, home, how, told):
    @component
    def end(how: str, home: str, out: dsl.Output[dsl.Dataset]):
        import os
        import shutil
        import signal
        from pathlib import Path

        if how == "without a word":
            os._exit(0)
        if how == "before its last word is out":
            Path(out.path).parent.with_suffix(".error").write_text('{"kind": "Val')
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "with a foreign exit code":
            error = RuntimeError("no good")
            error.exit_code = 0
            raise error
        shutil.rmtree(Path(home) / "cache" / "steps")

    @dsl.pipeline(name="ends")
    def ends(how: str, home: str):
        end(how=how, home=home).after(say(text="before"))

    ended = run(ends, parameters={"how": how, "home": str(home)})
    assert {name: step.state for name, step in ended.record.steps.items()} == {"end": "failed", "say": "done"}
    assert ended.failure.exit_code == 1
    assert re.search(told, ended.failure.text())
