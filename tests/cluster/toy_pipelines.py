"""Pipelines of trivial steps, run in pods by this file in a pod: `python toy_pipelines.py RUN PIPELINE`; its last line is the result."""

import json
import os
import sys
from pathlib import Path

from kfp import dsl

IMAGE = os.environ.get("JOURNEY_IMAGE", "journey-steps")


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def write(text: str, out: dsl.Output[dsl.Dataset]) -> int:
    from pathlib import Path

    Path(out.path).write_text(text)
    print("wrote", text)  # noqa: T201  the log is what is read
    return len(text)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def read(given: dsl.Input[dsl.Dataset], length: int) -> str:
    import os
    from pathlib import Path

    assert os.getuid() == 65532
    assert not Path("/var/run/secrets/kubernetes.io").exists()
    return f"{Path(given.path).read_text()} {length} {os.environ['JOURNEY_RUN']}"


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def refuse() -> None:
    from journey.errors import GateFailed

    print("about to refuse")  # noqa: T201  the log is what is read
    raise GateFailed("roc_auc: expected at least 0.9,\nfound 0.5")


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def eat() -> None:
    print(len(b"x" * (1 << 28)))  # noqa: T201  the log is what is read


@dsl.component(base_image="localhost:1/nothing:1", install_kfp_package=False)
def unpullable() -> None:
    pass


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def mistaken() -> None:
    from pathlib import Path

    Path("/opt/journey/written").touch()


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def interrupted(out: dsl.Output[dsl.Dataset]) -> int:
    import os
    import time
    from pathlib import Path

    attempts = Path(os.environ["JOURNEY_HOME"], "attempts")
    with attempts.open("a") as file:
        file.write("x")
    count = len(attempts.read_text())
    print("attempt", count)  # noqa: T201  the log is what is read
    Path(out.path).mkdir()
    Path(out.path, f"by-{count}").touch()
    if count == 1:
        time.sleep(300)
    return count


@dsl.pipeline
def plain(text: str = "hello") -> None:
    wrote = write(text=text)
    read(given=wrote.outputs["out"], length=wrote.outputs["Output"])


@dsl.pipeline
def bad() -> None:
    refuse()
    eat().set_memory_limit("64Mi")
    unpullable()
    mistaken()


@dsl.pipeline
def lost() -> None:
    interrupted()


def main() -> None:
    from app.interruption import heed_sigterm

    heed_sigterm()
    from google.protobuf import json_format

    from components.connections.cluster import Cluster
    from pipelines.engines.job.manifest import Placing, owner_of
    from pipelines.engines.job.pods import Pods
    from pipelines.engines.local.engine import Request, execute
    from pipelines.engines.local.graph import read as read_graph

    run, name = sys.argv[1:]
    home = Path(os.environ["JOURNEY_HOME"])
    pipeline = {"plain": plain, "bad": bad, "lost": lost}[name]
    graph = read_graph(json_format.MessageToDict(pipeline.pipeline_spec), json_format.MessageToDict(pipeline.platform_spec))
    pods = Pods(Cluster.connect(os.environ["NAMESPACE"]), Placing(run, "toys", "kind", owner_of(os.environ)))
    code = Path(os.environ["PYTHONPATH"])
    ended = execute(graph, Request(run=run, home=home, root=code, environment={"JOURNEY_RUN": run}, workers=4, runner=pods))
    steps = {step.name: {"state": step.state, "cached": step.cached, "seconds": step.seconds} for step in ended.record.steps.values()}
    outputs = {step: dict(values.parameters) for step, values in ended.record.outputs.items()}
    logs = {step.name: step.log.read_text() for step in ended.record.steps.values() if step.log}
    failures = {failure.step: [failure.kind, failure.message, failure.exit_code] for failure in ended.record.failures}
    print(json.dumps({"seconds": ended.seconds, "steps": steps, "outputs": outputs, "logs": logs, "failures": failures}))  # noqa: T201  the log is what is read


if __name__ == "__main__":
    main()
