"""One platform clock for everything that asks what time it is.

Unset, it is real time. `JOURNEY_CLOCK=<platform time>@<unix time>x<scale>` makes every process of a demonstration agree that
`platform time` was at `unix time`, and that platform time passes `scale` times as fast as real time.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from journey.errors import ProjectError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True)
class Clock:
    """Platform time as a linear function of Unix time.

    Attributes:
        origin: platform time at `unix`, with its zone.
        unix: Unix time in seconds at which platform time is `origin`.
        scale: platform seconds that pass in one real second.
    """

    origin: datetime = EPOCH
    unix: float = 0.0
    scale: float = 1.0

    def now(self) -> datetime:
        """Platform time, UTC."""
        return self.at(time.time())

    def at(self, unix: float) -> datetime:
        """The platform time, UTC, at a Unix time in seconds."""
        return (self.origin + timedelta(seconds=(unix - self.unix) * self.scale)).astimezone(UTC)

    def unix_of(self, moment: datetime) -> float:
        """The Unix time in seconds at which platform time is `moment`."""
        return self.unix + (moment - self.origin).total_seconds() / self.scale

    def real_seconds(self, platform: timedelta) -> float:
        """How many real seconds a span of platform time takes."""
        return platform.total_seconds() / self.scale

    def text(self) -> str:
        """The value of JOURNEY_CLOCK that makes this clock again."""
        return f"{self.origin.isoformat()}@{self.unix!r}x{self.scale!r}"


def clock_of(environment: Mapping[str, str]) -> Clock:
    """The platform clock that an environment (usually os.environ) asks for.

    Raises:
        ProjectError: JOURNEY_CLOCK is set and can't be read.
    """
    text = environment.get("JOURNEY_CLOCK", "")
    if not text:
        return Clock()
    try:
        origin, rest = text.split("@")
        unix, scale = rest.split("x")
        moment = datetime.fromisoformat(origin)
        clock = Clock(moment if moment.tzinfo else moment.replace(tzinfo=UTC), float(unix), float(scale))
    except ValueError as error:
        raise ProjectError(
            f"JOURNEY_CLOCK: expected <platform time>@<unix time>x<scale>, such as 2026-03-01T00:00:00Z@1767225600x4320, found {text!r}"
        ) from error
    if clock.scale <= 0:
        raise ProjectError(f"JOURNEY_CLOCK: expected a scale above 0, found {clock.scale}")
    return clock


def duration(text: str) -> timedelta:
    """A span of time written as 90s, 15m, 6h or 30d.

    Raises:
        ValueError: the text is no such span.
    """
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smhd])", text.strip())
    if match is None:
        raise ValueError(f"expected a duration such as 90s, 15m, 6h or 30d, found {text!r}")
    return timedelta(**{_UNITS[match[2]]: float(match[1])})
