"""Puts a target's placement on the tasks of a pipeline that is being compiled."""

from collections.abc import Iterable

from kfp import kubernetes
from kfp.dsl.pipeline_task import PipelineTask

from components.pod import KEYS, LOGINS, REGISTRY, REGISTRY_KEY, TRUSTED_KEYS
from pipelines.placement import Needs, Placement


def placed(tasks: Iterable[PipelineTask], placement: Placement) -> None:
    """Gives each task its secrets, volumes and resources; on a target without pods there is nothing to give."""
    for task in tasks:
        needs = placement.needs.get(task.component_spec.name)
        if needs is not None:
            _mounted(task, needs)
            _limited(task, needs)


def _mounted(task: PipelineTask, needs: Needs) -> None:
    for secret, names in needs.variables.items():
        kubernetes.use_secret_as_env(task, secret, {name: name for name in names})
    if needs.keys:
        kubernetes.use_secret_as_volume(task, needs.keys, KEYS)
    if needs.trusted:
        kubernetes.use_config_map_as_volume(task, TRUSTED_KEYS, KEYS)
    if needs.keys or needs.trusted:
        task.set_env_variable("JOURNEY_KEYS", KEYS)
    if needs.logins:
        kubernetes.use_secret_as_env(task, REGISTRY, {REGISTRY_KEY: LOGINS}, optional=True)
    if needs.volume:
        claim, path = needs.volume
        kubernetes.mount_pvc(task, claim, path)


def _limited(task: PipelineTask, needs: Needs) -> None:
    if needs.cpu:
        task.set_cpu_request(needs.cpu)
    if needs.memory:
        task.set_memory_request(needs.memory).set_memory_limit(needs.memory)
