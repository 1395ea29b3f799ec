"""What a registry of images answers, and what each refusal means for whoever reads it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx
from httpx import USE_CLIENT_DEFAULT

from components.connections.registry_login import LOG_IN
from journey.errors import Unavailable

NOT_A_REGISTRY = "Is the address right (targets.*.push of project.yaml)? `curl -i ADDRESS/v2/` of a registry answers 200 or 401."
_DISK_FULL = ("no space left", '"Err":28', "ENOSPC")       # 28 is Linux's ENOSPC, as the reference registry tells it
_TOLD_CHARACTERS = 300
_ADVICE = {
    400: "The registry found the upload damaged or cut short: try again.",
    401: LOG_IN,
    403: "Let this network and this login pull and push there.",
    405: "Is the registry read-only?",
    413: "A proxy in front of the registry limits bodies: raise its limit (nginx: client_max_body_size 0).",
    429: "Too many requests: try again later.",
}


class Answers:
    """Sends requests to one registry and tells refusals."""

    def __init__(self, name: str, client: httpx.Client, api: str) -> None:
        """Wraps a client, which `close` closes.

        Args:
            name: what messages call the registry.
            client: with the credentials that `api` needs.
            api: where the registry is; what lies elsewhere gets no credentials.
        """
        self._name = name
        self._client = client
        self._own = _origin(httpx.URL(api))

    def close(self) -> None:
        """Closes the client's connections."""
        self._client.close()

    def of(self, method: str, url: str, headers: Mapping[str, str] | None = None) -> httpx.Response | None:
        """The answer to a request without a body; None: what was asked for isn't there.

        Raises:
            Unavailable: nobody answers, or the answer is a refusal, or none of a registry's.
        """
        with self._translated():
            response = self._client.request(method, url, headers=dict(headers or {}), follow_redirects=method in ("GET", "HEAD"))
        if response.status_code == httpx.codes.NOT_FOUND and (method == "HEAD" or _errors(response)):
            return None
        return self._accepted(response)

    def upload(self, url: str, media_type: str, content: bytes | Iterator[bytes], size: int) -> None:
        """Uploads a body of `size` bytes.

        Raises:
            Unavailable: nobody answers, or the answer is a refusal.
        """
        headers = {"Content-Type": media_type, "Content-Length": str(size)}
        with self._translated():
            own = _origin(httpx.URL(url)) == self._own          # a registry may send uploads on to a store that is not its own
            response = self._client.put(url, headers=headers, content=content, auth=USE_CLIENT_DEFAULT if own else httpx.Auth())
        self._accepted(response)

    def pieces(self, url: str, what: str) -> Iterator[bytes]:
        """What lies at an address, piece by piece.

        Raises:
            Unavailable: it isn't there, it ended early, nobody answers, or the answer is a refusal.
        """
        with self._translated(), self._client.stream("GET", url, follow_redirects=True) as response:
            if not response.is_success:
                response.read()
            if response.status_code == httpx.codes.NOT_FOUND:
                raise Unavailable(f"{what}: expected it in the registry, found nothing. It was deleted there: push its image again.")
            self._accepted(response)
            yield from response.iter_raw()

    def _accepted(self, response: httpx.Response) -> httpx.Response:
        if response.is_success:
            return response
        found = _told(response)
        status = response.status_code
        asked = f"{response.request.method} {response.request.url.path}"
        if any(sign in found for sign in _DISK_FULL):
            advice = "Its disk is full: delete images there and collect its garbage, or give its volume more room."
        elif status >= httpx.codes.INTERNAL_SERVER_ERROR:
            advice = "Look at the registry's log; try again when it is well."
        else:
            advice = _ADVICE.get(status, NOT_A_REGISTRY)
        raise Unavailable(f"registry {self._name}: expected it to grant {asked}, found {status} {found[:_TOLD_CHARACTERS]}. {advice}")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except httpx.TimeoutException as error:
            found = type(error).__name__
            raise Unavailable(f"registry {self._name}: expected an answer in time, found {found}. Try again.") from error
        except httpx.TransportError as error:
            raise Unavailable(
                f"registry {self._name}: expected it to answer, found: {error or type(error).__name__}. "
                "Is it running, and is its address right? In the cluster: `kubectl get pods -l app.kubernetes.io/name=registry`."
            ) from error


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _errors(response: httpx.Response) -> list[object]:
    """What the registry's API says went wrong; nothing where the answer isn't in its form."""
    errors = _body(response).get("errors")
    return errors if isinstance(errors, list) else []


def _told(response: httpx.Response) -> str:
    errors, body = _errors(response), _body(response)
    if errors:
        return json.dumps(errors, separators=(",", ":"))
    if body.get("kind") == "Status":                  # Kubernetes, whose service proxy is in between
        return str(body.get("message"))
    return " ".join(response.text.split()) or response.reason_phrase


def _body(response: httpx.Response) -> dict[str, object]:
    try:
        body = json.loads(response.content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
