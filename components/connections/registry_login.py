"""Logging in to a registry of images: with what `docker login` left on this machine, or what a Secret gives a pod.

https://distribution.github.io/distribution/spec/auth/token/ and RFC 7617. A registry that asks for nothing is given nothing.
"""

import base64
import json
import re
import shutil
import subprocess
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
from pydantic import BaseModel, Field

from components.pod import LOGINS
from journey.errors import ProjectError, Unavailable, Untrusted

LOG_IN = "Log in with `docker login`, and for a cluster's pods then `journey secrets --target NAME --login`."
_HELPER_SECONDS = 30.0                  # a keychain may ask its owner first
_TOKEN_SECONDS = 60.0                   # how long a token holds whose registry doesn't say: the protocol's default
_PAIR = re.compile(r'([a-z_]+)="([^"]*)"')
_CHALLENGE = re.compile(rf"(?P<scheme>[A-Za-z]+)\s+(?P<parts>{_PAIR.pattern}(?:\s*,\s*{_PAIR.pattern})*)")
_WRITES = {"POST", "PUT", "PATCH", "DELETE"}


@dataclass(frozen=True, repr=False)
class Login:
    """A user's name and password, or a token in the password's place; told to nobody but the registry."""

    user: str
    password: str

    @property
    def basic(self) -> str:
        """The header's value that says both."""
        return f"Basic {self.encoded}"

    @property
    def encoded(self) -> str:
        """As Docker's config.json holds them."""
        return base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


def login_of(address: str, environment: Mapping[str, str]) -> Login | None:
    """What this machine knows for a registry; None where nobody has logged in.

    Args:
        address: `host` or `host:port`.
        environment: DOCKER_AUTH_CONFIG; else DOCKER_CONFIG or HOME says where Docker's config.json is.

    Raises:
        ProjectError: what is there can't be read, or holds what isn't supported.
    """
    where, text = _written(environment)
    if not text:
        return None
    try:
        written = _Configuration.model_validate_json(text)
    except ValueError:                  # what it says would show passwords
        raise ProjectError(f"{where}: expected the JSON of Docker's config.json, found something else. {LOG_IN}") from None
    entries = {_host(name): entry for name, entry in (written.auths or {}).items()}
    helpers = {_host(name): helper for name, helper in (written.helpers or {}).items()}
    helper = helpers.get(address) or (written.store if address in entries else "")
    return _asked(helper, address) if helper else entries.get(address, _Entry()).login(address, where)


class _Entry(BaseModel):
    """One registry's, as `docker login` writes it."""

    auth: str = ""
    username: str = ""
    password: str = ""
    token: str = Field("", alias="identitytoken")

    def login(self, address: str, where: str) -> Login | None:
        if self.token:
            raise ProjectError(f"{where}: expected user and password (or a token as one) for {address}, found an identity token. {LOG_IN}")
        if not self.auth:
            return Login(self.username, self.password) if self.username and self.password else None
        try:
            user, colon, password = base64.b64decode(self.auth, validate=True).decode().partition(":")
        except ValueError:
            colon = ""
        if not colon:
            raise ProjectError(f"{where}: expected auth of {address} to be user:password in base64, found something else. {LOG_IN}")
        return Login(user, password.rstrip("\0"))


class _Configuration(BaseModel):
    """As much of Docker's config.json as is about logins."""

    auths: dict[str, _Entry] | None = None
    helpers: dict[str, str] | None = Field(None, alias="credHelpers")
    store: str = Field("", alias="credsStore")


class RegistryAuth(httpx.Auth):
    """Answers a registry's challenges: Basic, or a token from where it says, kept until half its time is over."""

    def __init__(self, name: str, login: Login | None) -> None:
        """Prepares; nothing is sent.

        Args:
            name: what messages call the registry.
            login: None: tokens are asked for as nobody, which many registries give who only read.
        """
        self._name = name
        self._login = login
        self._known: dict[tuple[str, bool], tuple[str, float]] = {}

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """httpx's: the request, and once more with what the challenge asks for.

        Raises:
            Unavailable: the place that gives tokens doesn't.
            Untrusted: it isn't one that a password may be sent to.
        """
        purpose = _repository(request.url.path), request.method in _WRITES
        header, until = self._known.get(purpose, ("", 0.0))
        replayable = isinstance(request.stream, httpx.ByteStream)           # what is read piece by piece is gone then
        if header and (time.monotonic() < until or not replayable):         # half of its time is left
            request.headers["Authorization"] = header
        response = yield request
        elsewhere = response.request.url.host != request.url.host           # a store that the registry sent us on to
        if response.status_code != httpx.codes.UNAUTHORIZED or not replayable or elsewhere:
            return
        asked = _challenges(response.headers.get_list("WWW-Authenticate"))
        if "bearer" in asked:
            answer = yield self._token_request(asked["bearer"], request)
            answer.read()
            self._known[purpose] = self._token(answer)
        elif "basic" in asked and self._login:
            self._known[purpose] = self._login.basic, float("inf")
        else:
            return
        request.headers["Authorization"] = self._known[purpose][0]
        yield request

    def _token_request(self, asked: Mapping[str, str], request: httpx.Request) -> httpx.Request:
        try:
            realm = httpx.URL(asked.get("realm", ""))
        except httpx.InvalidURL:
            realm = httpx.URL("")
        if realm.scheme != "https" and realm.scheme != request.url.scheme:
            found = f"found '{asked.get('realm', '')}'. A password isn't sent there."
            raise Untrusted(f"registry {self._name}: expected tokens to be given over https, {found}")
        told = [("service", asked["service"])] if "service" in asked else []
        scopes = [("scope", scope) for scope in asked.get("scope", "").split()]
        headers = {"Authorization": self._login.basic} if self._login else {}
        patience = {"timeout": request.extensions["timeout"]}       # httpx sets one for the first request of a flow only
        return httpx.Request("GET", realm.copy_merge_params([*told, *scopes]), headers=headers, extensions=patience)

    def _token(self, answer: httpx.Response) -> tuple[str, float]:
        """The header's value, and until when it holds."""
        try:
            given = answer.json() if answer.is_success else {}
            token = given.get("token") or given["access_token"]
            seconds = float(given.get("expires_in") or _TOKEN_SECONDS)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            as_whom = f"as {self._login.user}" if self._login else "as nobody (no login is known here)"
            found = f"{answer.status_code} {answer.reason_phrase}"
            raise Unavailable(
                f"registry {self._name}: expected a token {as_whom} from {answer.request.url.host}, found {found}. {LOG_IN}"
            ) from error
        return f"Bearer {token}", time.monotonic() + seconds / 2


def _written(environment: Mapping[str, str]) -> tuple[str, str]:
    """Where the configuration stands, and its text; "" where there is none."""
    if given := environment.get(LOGINS):
        return LOGINS, given
    folder = environment.get("DOCKER_CONFIG") or (f"{environment['HOME']}/.docker" if environment.get("HOME") else "")
    path = Path(folder, "config.json")
    try:
        return str(path), path.read_text(encoding="utf-8") if folder else ""
    except FileNotFoundError:
        return str(path), ""
    except (OSError, UnicodeDecodeError) as error:
        advice = "Mend it, or have DOCKER_CONFIG name another folder."
        raise ProjectError(f"{path}: expected Docker's configuration, found that it can't be read: {error}. {advice}") from error


def _host(name: str) -> str:
    """An entry's registry: old Dockers wrote whole URLs."""
    return re.sub(r"^https?://", "", name).partition("/")[0]


def _asked(helper: str, address: str) -> Login | None:
    """What a credential helper holds; https://github.com/docker/docker-credential-helpers says how it is asked."""
    program = f"docker-credential-{helper}"
    path = shutil.which(program)
    if path is None:
        raise ProjectError(f"registry {address}: expected {program}, which Docker's configuration names, found none. Install it.")
    try:
        asked = subprocess.run([path, "get"], input=address, capture_output=True, text=True, timeout=_HELPER_SECONDS, check=False)
        given = json.loads(asked.stdout) if asked.returncode == 0 else {}
        found = Login(given["Username"], given["Secret"]) if given else None
    except (subprocess.TimeoutExpired, OSError, ValueError, KeyError, TypeError) as error:
        raise ProjectError(f"registry {address}: expected {program} to give a login, found {type(error).__name__}. {LOG_IN}") from error
    if found and found.user == "<token>":
        raise ProjectError(f"registry {address}: expected {program} to give user and password, found an identity token. {LOG_IN}")
    return found


def _repository(path: str) -> str:
    """What a token is for: the repository that a path is about."""
    return re.split(r"/(?:blobs|manifests|tags)/", path, maxsplit=1)[0]


def _challenges(headers: list[str]) -> dict[str, dict[str, str]]:
    """Scheme, in small letters > what it says."""
    return {match["scheme"].lower(): dict(_PAIR.findall(match["parts"])) for match in _CHALLENGE.finditer(", ".join(headers))}
