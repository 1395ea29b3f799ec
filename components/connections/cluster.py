"""A namespace of a Kubernetes cluster: objects put there, looked at and taken away, logs, and ways to its services."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Self, get_args
from urllib.parse import quote, urlencode

import httpx

from components.connections.api_server import Absent, ApiServer, Forbidden, Json, QuotaExceeded
from components.connections.pod_log import followed, lines_of
from journey.errors import Conflict, Unavailable

__all__ = ["FIELD_MANAGER", "Absent", "Cluster", "Forbidden", "Json", "Kind", "QuotaExceeded"]

FIELD_MANAGER = "journey"
"""Who we are to server-side apply."""

Kind = Literal[
    "ConfigMap", "Deployment", "Endpoints", "Event", "Job", "Namespace", "PersistentVolumeClaim", "Pod", "ReplicaSet", "Secret", "Service",
    "ServiceAccount",
]  # fmt: skip
"""The kinds of objects that we deal with."""

_GROUPS = {"Deployment": "apis/apps/v1", "ReplicaSet": "apis/apps/v1", "Job": "apis/batch/v1"}
_PROXY_TIMEOUT = httpx.Timeout(60.0, connect=30.0)      # a layer of some MB goes through the API server, which may be busy
_LONGEST_LOG_BYTES = 1 << 26                            # a step's log that is larger is cut: kubelets rotate at 10 MiB


@dataclass(frozen=True)
class Cluster:
    """One namespace of a cluster, as one account. It can be used from several threads."""

    server: ApiServer
    namespace: str

    @classmethod
    def connect(cls, namespace: str) -> Self:
        """The cluster that this process runs in, else the one of KUBECONFIG. Nothing is asked of it yet.

        Raises:
            Unavailable: no configuration is found.
        """
        return cls(ApiServer.found(), namespace)

    def apply(self, manifest: Json) -> Json:
        """Makes an object be as the manifest says, by server-side apply; fields that others set are taken over.

        Returns:
            the object as it is now.

        Raises:
            Unavailable, Forbidden, QuotaExceeded: the cluster can't or won't. ProjectError: the object is wrong.
        """
        kind, name = _named(manifest)
        path = f"{self._path(kind, name)}?{urlencode({'fieldManager': FIELD_MANAGER, 'force': 'true'})}"
        what = self._what("apply", kind, name)
        return self.server.ask("PATCH", path, what=what, body=manifest, content_type="application/apply-patch+yaml")

    def create(self, manifest: Json) -> str:
        """Makes a new object.

        Returns:
            its name.

        Raises:
            Conflict: an object of that name is there.
            Unavailable, Forbidden, QuotaExceeded, ProjectError: as `apply`. Unavailable leaves open whether it was made.
        """
        kind, name = _named(manifest)
        path = f"{self._path(kind)}?{urlencode({'fieldManager': FIELD_MANAGER})}"
        made = self.server.ask("POST", path, what=self._what("create", kind, name), body=manifest)
        return _named(made)[1]

    def get(self, kind: Kind, name: str) -> Json | None:
        """An object; None where it isn't there."""
        try:
            return self.server.ask("GET", self._path(kind, name), what=self._what("get", kind, name))
        except Absent:
            return None

    def list(self, kind: Kind, selector: str = "", fields: str = "") -> list[Json]:
        """The objects whose labels and fields fit; all without selectors.

        Args:
            kind: the objects'.
            selector: of labels, such as `journey/run=x,journey/step`.
            fields: of fields that the API server can select by, such as `involvedObject.uid=…`.
        """
        asked = {name: value for name, value in (("labelSelector", selector), ("fieldSelector", fields)) if value}
        found = self.server.ask("GET", f"{self._path(kind)}?{urlencode(asked)}", what=self._what("list", kind))
        items = found.get("items") or ()
        assert isinstance(items, list | tuple)
        return list(items)

    def delete(
        self, kind: Kind, name: str, grace_seconds: int | None = None, propagation: Literal["Background", "Foreground"] = "Background"
    ) -> None:
        """Takes an object away, with what it owns; one that isn't there is fine.

        Args:
            kind: the object's.
            name: the object's.
            grace_seconds: how long its processes may take to end; None: as the object says.
            propagation: Foreground: the object stays until what it owns is gone.
        """
        options: dict[str, object] = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        try:
            self.server.ask("DELETE", self._path(kind, name), what=self._what("delete", kind, name), body=options)
        except (Absent, Conflict):      # Conflict: it is another one of that name by now
            return

    def log(self, pod: str) -> str:
        """What a pod's container has written so far, whole.

        Raises:
            Absent: the pod is gone. ProjectError: its container hasn't started.
            Unavailable: the node doesn't answer.
        """
        return "".join(f"{line}\n" for line in self.log_lines(pod, follow=False))

    def log_lines(self, pod: str, follow: bool = True) -> Iterator[str]:
        """What a pod's container writes, line by line, each once; a connection that breaks is taken up where it was.

        Args:
            pod: its name; its container must have started.
            follow: whether to go on until the container has ended, or the pod is gone.

        Raises:
            Absent, ProjectError, Unavailable: as `log`.
        """

        def opened(since: str | None) -> Iterator[str]:
            asked = {"timestamps": "true", "follow": str(follow).lower(), "limitBytes": str(_LONGEST_LOG_BYTES)}
            query = urlencode(asked | ({"sinceTime": since} if since else {}))
            path = f"{self._path('Pod', pod)}/log?{query}"
            with self.server.stream(path, what=self._what("log", "Pod", pod), silence_seconds=60.0) as answer:
                yield from lines_of(answer.iter_bytes())

        return followed(opened, lambda: follow and self._runs(pod), lambda error: self.server.unreachable(f"log of pod {pod}", error))

    def proxy(self, service: str, port: int | str) -> tuple[str, httpx.Client]:
        """A way to a service through the API server, for who has no route to it.

        Returns:
            the address that stands for the service's root, and a client with our credentials, which the caller closes.
        """
        return f"{self.server.url}{self._path('Service', f'{service}:{port}')}/proxy", self.server.client(_PROXY_TIMEOUT)

    def close(self) -> None:
        """Closes the connections."""
        self.server.close()

    def _runs(self, pod: str) -> bool:
        found = self.get("Pod", pod)
        status = found.get("status") if found else None
        return isinstance(status, dict) and status.get("phase") in ("Pending", "Running")

    def _path(self, kind: str, name: str | None = None) -> str:
        if kind not in get_args(Kind):
            raise Unavailable(f"kind: expected one of {', '.join(get_args(Kind))}, found '{kind}'. Apply it with kubectl.")
        group, plural = _GROUPS.get(kind, "api/v1"), kind.lower() + ("" if kind.endswith("s") else "s")
        within = "" if kind == "Namespace" else f"namespaces/{self.namespace}/"
        return f"/{group}/{within}{plural}" + (f"/{quote(name, safe=':')}" if name else "")

    def _what(self, verb: str, kind: str, name: str = "") -> str:
        return f"{verb} {kind} {self.namespace}{'/' if name else ''}{name}"


def _named(manifest: Json) -> tuple[str, str]:
    metadata = manifest.get("metadata")
    assert isinstance(metadata, dict), "a Kubernetes object has metadata"
    return str(manifest["kind"]), str(metadata.get("name") or metadata.get("generateName", ""))
