"""The online store in a Redis: each refresh under a Feast project of its own, switched in by one key.

    journey:refresh         the refresh in use (journey.model.redis_place)
    journey:refresh:next    the Feast project of the refresh that is being made; only that one may be switched in
    journey:refresh:made    Feast project > Unix time at which it was begun: whose rows may still be there

A refresh that is not in use is removed when the next one is begun: readers that were under way have ended by then, and what a killed
process left behind goes the same way. So a Redis holds two refreshes, and three for no longer than it takes to make one.
"""

import contextlib
import secrets
import shutil
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from redis import Redis

from feature_repo.materialize import (
    ABANDONED_SECONDS,
    CONFIGURATION,
    REGISTRY,
    Refresh,
    materialize,
    move_in,
    new_folder,
    open_feast,
    write_configuration,
)
from journey.errors import Conflict, Unavailable
from journey.model.feast_layout import PROJECT
from journey.model.redis_place import POINTER, InUse, answering, connected, connection_settings, shown

NEXT_KEY = f"{POINTER}:next"
MADE_KEY = f"{POINTER}:made"
# Feast sends thousands of rows before it reads the first answer; nobody waits for them but the next refresh.
WRITE_SECONDS = 10.0
SCANNED = 1_000                # keys a command looks at or removes: a millisecond of Redis' one thread

# One step for everybody who looks: whoever began a refresh later has removed the rows of this one. Where the answer is lost with the
# connection, the client asks again: what it switched in then is in use already.
_SWITCH = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return 1 end
if redis.call('GET', KEYS[2]) ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2])
return 1
"""


@dataclass(frozen=True)
class PreparedRows:
    """Rows that wait beside those in use.

    Attributes:
        refresh: what they are.
        rows: view > entities.
        project: the Feast project that they were written under.
        folder: where the new registry lies.
        online: where they are.
    """

    refresh: Refresh
    rows: Mapping[str, int]
    project: str
    folder: Path
    online: "RedisOnline"

    def switch_in(self) -> None:
        """As Prepared.switch_in."""
        text = InUse(self.project, self.refresh.moment, self.refresh.cut).text()
        with self.online.client() as client, answering(self.online.url):
            switched = client.eval(_SWITCH, 2, POINTER, NEXT_KEY, text, self.project)
        if not switched:
            self.discard()
            raise Conflict(
                f"online store {shown(self.online.url)}: expected nobody else to refresh it while the refresh for "
                f"{self.refresh.moment.isoformat()} was made, found that another refresher has begun one, or that the "
                "store was emptied. Run one refresher only."
            )
        move_in(self.folder, self.online.home, (REGISTRY, CONFIGURATION))

    def discard(self) -> None:
        """As Prepared.discard."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with contextlib.suppress(Unavailable), self.online.client() as client, answering(self.online.url):
            _forget(client, (self.project,))


@dataclass(frozen=True)
class RedisOnline:
    """The online store of one project in a Redis database.

    Attributes:
        url: redis:// or rediss://, resolved. It is shown to nobody and written nowhere with its password.
        home: the folder of Feast's registry, such as $JOURNEY_HOME/feast; it is made.
    """

    url: str
    home: Path

    def __repr__(self) -> str:
        return f"RedisOnline({shown(self.url)}, {self.home})"

    def prepare(self, refresh: Refresh) -> PreparedRows:
        """As Online.prepare."""
        with self.client() as client, answering(self.url):
            project = _begin(client, refresh.cut)
            folder = new_folder(self.home)
            try:
                with open_feast(folder, _settings(self.url), project, refresh.interval) as store:
                    # Feast's own client would need the password in its configuration, and wait for ever
                    store._get_provider().online_store._client = client
                    materialize(store, refresh, self.home)
                write_configuration(folder, refresh.interval, {"project": project, "online_store": _settings(self.url)})
                return PreparedRows(refresh, refresh.entities(), project, folder, self)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                with contextlib.suppress(Unavailable), answering(self.url):
                    _forget(client, (project,))
                raise

    def in_use(self) -> datetime | None:
        """As Online.in_use."""
        with self.client() as client, answering(self.url):
            used = _in_use(client)
        return None if used is None else used.moment

    @contextlib.contextmanager
    def client(self) -> Iterator[Redis]:
        """A client for a refresh, closed at the end."""
        client = connected(self.url, WRITE_SECONDS)
        try:
            yield client
        finally:
            client.close()


def _in_use(client: Redis) -> InUse | None:
    pointer = client.get(POINTER)
    try:
        return InUse.of(pointer) if isinstance(pointer, bytes) else None
    except ValueError:            # of another format, or somebody else's key: the next refresh takes its place
        return None


def _begin(client: Redis, until: datetime) -> str:
    """The Feast project of a new refresh, on record before its first row; those that are not in use are removed."""
    now = time.time()
    made = {name.decode(): float(begun) for name, begun in client.hscan_iter(MADE_KEY)}
    project = f"{PROJECT}_{until:%Y%m%d%H%M%S}_{secrets.token_hex(4)}"
    client.hset(MADE_KEY, project, str(now))
    client.set(NEXT_KEY, project)
    used = _in_use(client)            # only now: until NEXT_KEY names this refresh, another one may be switched in
    old = [name for name in made if used is None or name != used.project]
    _remove(client, old)
    # who was killed writes no more; who only was overtaken may go on for a while, so its rows are looked for again
    gone = [name for name in old if now - made[name] > ABANDONED_SECONDS]
    if gone:
        client.hdel(MADE_KEY, *gone)
    return project


def _forget(client: Redis, projects: Collection[str]) -> None:
    """Removes refreshes that nobody writes any more."""
    _remove(client, projects)
    client.hdel(MADE_KEY, *projects)


def _remove(client: Redis, projects: Collection[str]) -> None:
    """Removes the rows of these Feast projects: keys that end with a project's name."""
    if not projects:
        return
    endings, found = tuple(project.encode() for project in projects), []
    for key in client.scan_iter(count=SCANNED):
        if key.endswith(endings):
            found.append(key)
        if len(found) == SCANNED:
            client.unlink(*found)
            found.clear()
    if found:
        client.unlink(*found)


def _settings(url: str) -> dict[str, object]:
    """Feast's section `online_store`; where there is a password, a variable stands for it."""
    return {"type": "redis", "connection_string": connection_settings(url), "skip_dedup": True}
