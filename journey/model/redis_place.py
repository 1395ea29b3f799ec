"""Where in a Redis the online features are: the connection, and the one key that says which refresh is in use.

Every refresh is written under a Feast project of its own; `journey:refresh` names the one in use. Who switches a refresh in sets that
one key, so readers see the old refresh or the new one, whole. A Redis database belongs to one Journey project.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import RedisError
from redis.retry import Retry

from journey.errors import ProjectError, Unavailable

POINTER = "journey:refresh"
# Host, port and database, behind a user and a password that hold none of the characters that end them.
_SHOWN = re.compile(r"(?P<scheme>rediss?)://(?:[^/?#@]*@)?(?P<place>[^/?#@]*(?:/\d*)?)(?:\?[^@#]*)?")


@dataclass(frozen=True)
class InUse:
    """What the pointer says.

    Attributes:
        project: the Feast project that the refresh was written under.
        moment: the refresh moment that it is for.
        cut: it knows rows before this time.
    """

    project: str
    moment: datetime
    cut: datetime

    def text(self) -> str:
        """The pointer's value."""
        told = {"format": 1, "project": self.project, "moment": self.moment.isoformat(), "cut": self.cut.isoformat()}
        return json.dumps(told)

    @classmethod
    def of(cls, text: bytes) -> "InUse":
        """What a pointer's value says.

        Raises:
            ValueError: it isn't one of this format.
        """
        told = json.loads(text)
        try:
            if told["format"] != 1:
                raise ValueError(f"format {told['format']} at the key {POINTER}, which a newer Journey wrote (this one reads 1)")
            return cls(str(told["project"]), datetime.fromisoformat(told["moment"]), datetime.fromisoformat(told["cut"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"something else at the key {POINTER}") from error


def connected(url: str, seconds: float) -> Redis:
    """A client that connects at its first command, and again where the connection was lost.

    Args:
        url: redis:// or rediss://.
        seconds: how long it waits for a connection and, each time, for an answer.

    Raises:
        ProjectError: the URL is none; its password isn't shown.
    """
    # one more try at once: an idle connection is found lost only when it is used; waiting longer than `seconds` is the caller's to decide
    again = Retry(NoBackoff(), 1, supported_errors=(Disconnected,))
    try:
        return Redis.from_url(url, socket_timeout=seconds, socket_connect_timeout=seconds, retry=again)
    except ValueError as error:
        raise ProjectError(f"online store {shown(url)}: expected redis://[:PASSWORD@]HOST[:PORT][/DATABASE], found another form") from error


def shown(url: str) -> str:
    """The URL without user and password, for messages; where it can't be told what is a password, nothing but the scheme."""
    told = _SHOWN.fullmatch(url)
    return f"{told['scheme']}://{told['place']}" if told else f"{url.partition(':')[0]}://…"


def connection_settings(url: str) -> str:
    """The URL as Feast's connection string; ${REDIS_PASSWORD}, which Feast takes from the environment, stands for a password."""
    parts = urlsplit(url)
    settings = [f"{parts.hostname or 'localhost'}:{parts.port or 6379}", f"db={parts.path.strip('/') or 0}"]
    if parts.scheme == "rediss":
        settings.append("ssl=true")
    if parts.username:
        settings.append(f"username={parts.username}")
    if parts.password:
        settings.append("password=${REDIS_PASSWORD}")
    return ",".join(settings)


@contextmanager
def answering(url: str) -> Iterator[None]:
    """Tells of what Redis does wrong.

    Raises:
        Unavailable: it can't be reached, refuses, or holds something else.
    """
    try:
        yield
    except RedisError as error:
        raise Unavailable(
            f"online store {shown(url)}: expected Redis to answer, found: {error}. See that it runs and that REDIS_URL's password is right."
        ) from error
