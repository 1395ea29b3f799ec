"""Compiles a pipeline to KFP's intermediate representation, and keeps what it compiled: importing kfp costs two seconds."""

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from components.image import STEP_IMAGE
from journey.project import load_project
from pipelines.sections import Sections, sections_of

ROOT = Path(__file__).resolve().parents[1]
_WIRING = ("pipelines/compile.py", "pipelines/training.py", "pipelines/placing.py", "components/image.py", "components/pod.py")
_COMPILERS = ("kfp", "kfp-kubernetes")
Json = dict[str, object]


@dataclass(frozen=True)
class Compiled:
    """A compiled pipeline.

    Attributes:
        spec: KFP's PipelineSpec as JSON.
        platform: what only Kubernetes knows (secrets, volumes), as JSON.
    """

    spec: Json
    platform: Json

    def on(self, image: str) -> "Compiled":
        """The same pipeline with its steps in this image."""
        placeholder, named = (f'"image": {json.dumps(reference)}' for reference in (STEP_IMAGE, image))
        return Compiled(json.loads(json.dumps(self.spec).replace(placeholder, named)), self.platform)


def compiled_training(sections: Sections, cache: Path) -> Compiled:
    """The training pipeline of a project, compiled now or taken from `cache` where the same was compiled before."""
    sources = [*(ROOT / name for name in _WIRING), *sorted(ROOT.glob("components/*/component.py"))]
    made_from = [sections.digest(), *map(version, _COMPILERS), *(sha256(path.read_bytes()).hexdigest() for path in sources)]
    kept = cache / f"{sha256(' '.join(made_from).encode()).hexdigest()}.json"
    with suppress(OSError, ValueError, LookupError):        # there is none yet, or it was cut short: compiled anew
        known = json.loads(kept.read_bytes())
        return Compiled(known["spec"], known["platform"])
    compiled = compile_training(sections)
    cache.mkdir(parents=True, exist_ok=True)
    unfinished = kept.with_suffix(f".{os.getpid()}")
    unfinished.write_text(json.dumps({"spec": compiled.spec, "platform": compiled.platform}), encoding="utf-8")
    unfinished.replace(kept)
    return compiled


def compile_training(sections: Sections) -> Compiled:
    """Compiles the training pipeline."""
    from google.protobuf import json_format  # type: ignore[import-untyped]  # protobuf ships no types

    from pipelines.training import training

    pipeline = training(sections)
    return Compiled(json_format.MessageToDict(pipeline.pipeline_spec), json_format.MessageToDict(pipeline.platform_spec))


def kfp_yaml(directory: Path, image: str, target: str = "local") -> str:
    """The training pipeline of the project in `directory` as a file for Kubeflow Pipelines, placed on a target, its steps in `image`.

    Raises:
        ProjectError: the project can't be read, or has no such target.
    """
    import yaml

    compiled = compile_training(sections_of(load_project(directory), directory, "", target)).on(image)
    documents = [compiled.spec, *([compiled.platform] if compiled.platform else [])]
    return yaml.safe_dump_all(documents, sort_keys=True, allow_unicode=True, width=140)
