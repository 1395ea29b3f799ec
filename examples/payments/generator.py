"""A bank's database of payments, cards and disputes, made up by seed: a history at once, then live payments of the same people.

What makes a payment likely to be disputed is a sum of effects. Two of them ask how unusual the payment is *for its card* (its amount, its
distance from home), which nobody can tell without the card's history. The others (channel, the merchant's age, night, the card's limit)
look at the payment alone. When the bank drifts, amounts and distances move up by .8 standard deviations and the sign of the two unusual
effects turns: what was suspicious is now ordinary, as when fraudsters learn to stay below the radar.

    python generator.py --out bank.db --days 20 --seed 7
"""

import argparse
import os
import sqlite3
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy

CARDS = 5_000
DISPUTED_AFTER = timedelta(hours=6)
SHIFT_SD = 0.8                     # how far amounts and distances move in a drift, in standard deviations over all payments
WITHIN_SD = 0.5                    # spread of one card's payments around its habit, where habits spread by 1
INTERCEPT = -1.55                  # gives about 30 % disputed payments, before the drift and after: their share alone doesn't give it away
ACTIVITY_SPREAD = 0.3              # of the logarithm of how often a card pays: no few cards may carry the tail of what is counted
UNKNOWN_DISTANCE = 0.02            # share of payments whose distance nobody knows
START = datetime(2026, 3, 1, tzinfo=UTC)

CHANNELS = ("online", "terminal", "phone")
CHANNEL_SHARES = (0.45, 0.42, 0.13)
CHANNEL_EFFECTS = numpy.array([0.55, -0.85, 0.35])
SPELLINGS = {"online": ("online", "Online", "e-com"), "terminal": ("terminal", " TERMINAL"), "phone": ("phone",)}
SCHEMA = """
CREATE TABLE cards (card_id TEXT PRIMARY KEY, issued_at TEXT NOT NULL, credit_limit INTEGER NOT NULL);
CREATE TABLE payments (payment_id TEXT PRIMARY KEY, card_id TEXT NOT NULL, paid_at TEXT NOT NULL, amount INTEGER NOT NULL,
                       channel TEXT NOT NULL, distance_km REAL, merchant_age_days INTEGER NOT NULL);
CREATE TABLE disputes (dispute_id TEXT PRIMARY KEY, payment_id TEXT NOT NULL, opened_at TEXT NOT NULL);
"""

Cell = str | int | float | None


@dataclass(frozen=True)
class Payment:
    """One payment: the row as the bank knows it at once, and what only time will tell.

    Attributes:
        row: column > raw value, as it stands in the table `payments` and in a request.
        paid_at: event time, UTC.
        disputed: whether a dispute will be opened, `DISPUTED_AFTER` later.
    """

    row: dict[str, Cell]
    paid_at: datetime
    disputed: bool


class Bank:
    """The population: the same seed gives the same cards, and the same payments for the same moments in the same order."""

    def __init__(self, seed: int) -> None:
        self._random = numpy.random.default_rng([seed, 1])
        people = numpy.random.default_rng([seed, 0])
        self._usual_amount = people.normal(size=CARDS)
        self._usual_distance = people.normal(size=CARDS)
        activity = people.lognormal(0.0, ACTIVITY_SPREAD, size=CARDS)
        self._activity = numpy.cumsum(activity / activity.sum())
        self._limit_step = people.integers(0, 5, size=CARDS)
        self._issued_days_before = people.integers(60, 2_000, size=CARDS)
        self._made = 0

    def cards(self) -> list[tuple[Cell, ...]]:
        """The rows of the table `cards`."""
        return [
            (card_name(card), stamp(START - timedelta(days=int(days))), 1_000 * 2 ** int(step))
            for card, (days, step) in enumerate(zip(self._issued_days_before, self._limit_step, strict=True))
        ]

    def history(self, days: float, a_day: int = 2_000, end: datetime = START) -> list[Payment]:
        """Payments evenly spread over the `days` before `end`, none of them drifted, in order of time."""
        count = round(days * a_day)
        step = timedelta(days=days) / count
        return self.payments([end - step * (count - index) for index in range(count)])

    def payment(self, moment: datetime, drifted: bool = False) -> Payment:
        """The next payment, made at `moment`."""
        return self.payments([moment], drifted)[0]

    def payments(self, moments: Sequence[datetime], drifted: bool = False) -> list[Payment]:
        """The next payments, one at each moment."""
        count, random = len(moments), self._random
        card = numpy.searchsorted(self._activity, random.random(count)).clip(max=CARDS - 1)
        amount, distance, merchant_age = random.normal(size=(3, count))
        channel = random.choice(len(CHANNELS), p=CHANNEL_SHARES, size=count)
        night = numpy.array([moment.hour < 6 for moment in moments])
        unusual = 1.15 * amount + 0.85 * distance
        steady = CHANNEL_EFFECTS[channel] - 1.35 * merchant_age + 0.7 * night - 0.35 * (self._limit_step[card] - 2)
        logit = INTERCEPT + steady + (-unusual if drifted else unusual)
        disputed = random.random(count) < 1.0 / (1.0 + numpy.exp(-logit))
        shift = SHIFT_SD * (1.0 + WITHIN_SD**2) ** 0.5 if drifted else 0.0
        columns = zip(
            card.tolist(),
            numpy.exp(3.6 + 0.6 * (self._usual_amount[card] + shift + WITHIN_SD * amount)).tolist(),          # euros
            [self._spelled(which) for which in channel.tolist()],
            numpy.exp(2.0 + 0.7 * (self._usual_distance[card] + shift + WITHIN_SD * distance)).tolist(),
            (random.random(count) < UNKNOWN_DISTANCE).tolist(),
            numpy.exp(6.5 + 0.9 * merchant_age).tolist(),
            strict=True,
        )
        rows = [self._row(moment, *values) for moment, values in zip(moments, columns, strict=True)]
        return [Payment(row, moment, verdict) for row, moment, verdict in zip(rows, moments, disputed.tolist(), strict=True)]

    def _row(self, moment: datetime, card: int, euros: float, channel: str, km: float, unknown: bool, age: float) -> dict[str, Cell]:
        self._made += 1
        return {
            "payment_id": f"p{self._made:08d}",
            "card_id": card_name(card),
            "paid_at": stamp(moment),
            "amount": max(1, round(100 * euros)),          # the bank counts in cents
            "channel": channel,
            "distance_km": None if unknown else round(km, 2),
            "merchant_age_days": max(1, round(age)),
        }

    def _spelled(self, channel: int) -> str:
        words = SPELLINGS[CHANNELS[channel]]
        return words[int(self._random.random() * len(words))]


class BankDatabase:
    """The bank's books: a SQLite database that receives payments, and each dispute when its time has come."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._pending: deque[Payment] = deque()

    def found(self, bank: Bank) -> None:
        """Makes the tables and enters the cards."""
        self._connection.executescript(SCHEMA)
        with self._transaction() as books:
            books.executemany("INSERT INTO cards VALUES (?, ?, ?)", bank.cards())

    def enter(self, payments: Iterable[Payment], now: datetime) -> None:
        """Enters payments, and the disputes due by `now`, in one transaction: whoever sees a payment sees every dispute before it."""
        arrived = list(payments)
        self._pending.extend(payment for payment in arrived if payment.disputed)
        due = []
        while self._pending and self._pending[0].paid_at + DISPUTED_AFTER <= now:
            due.append(self._pending.popleft())
        with self._transaction() as books:
            books.executemany(
                "INSERT INTO disputes VALUES (?, ?, ?)",
                [(f"d{payment.row['payment_id']}", payment.row["payment_id"], stamp(payment.paid_at + DISPUTED_AFTER)) for payment in due],
            )
            books.executemany("INSERT INTO payments VALUES (?, ?, ?, ?, ?, ?, ?)", [tuple(payment.row.values()) for payment in arrived])

    def seal(self) -> None:
        """Leaves write-ahead logging, which needs files beside the database: from now on it can be read where nothing can be written."""
        self._connection.execute("PRAGMA journal_mode=DELETE")

    def close(self) -> None:
        """Closes the database; disputes that are not due yet are never written."""
        self._connection.close()

    def _transaction(self) -> "Transaction":
        return Transaction(self._connection)


class Transaction:
    """BEGIN IMMEDIATE to COMMIT, ROLLBACK on an error."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> sqlite3.Connection:
        self._connection.execute("BEGIN IMMEDIATE")
        return self._connection

    def __exit__(self, kind: object, *_: object) -> None:
        self._connection.execute("COMMIT" if kind is None else "ROLLBACK")


def card_name(card: int) -> str:
    """The id of a card by its number."""
    return f"c{card:05d}"


def stamp(moment: datetime) -> str:
    """Event time as the bank writes it: UTC, milliseconds, no offset."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03d}"


def main() -> None:
    """Writes a bank's database with its history up to `START`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, default=Path("bank.db"), help="the SQLite file to write; must not exist")
    parser.add_argument("--days", type=float, default=20.0)
    parser.add_argument("--a-day", type=int, default=2_000, help="payments a day")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--keep", action="store_true", help="leave a file that exists as it is")
    wanted = parser.parse_args()
    if wanted.keep and wanted.out.exists():
        return
    if wanted.out.exists():
        raise SystemExit(f"{wanted.out}: expected a new file, found one that exists. Remove it or name another with --out.")
    bank = Bank(wanted.seed)
    unfinished = wanted.out.with_name(f"{wanted.out.name}.unfinished")
    for leftover in wanted.out.parent.glob(f"{unfinished.name}*"):      # of a run that was killed, with its log of writes
        leftover.unlink()
    database = BankDatabase(unfinished)
    database.found(bank)
    payments = bank.history(wanted.days, wanted.a_day)
    database.enter(payments, now=START)
    database.seal()
    database.close()
    unfinished.rename(wanted.out)
    print(f"{len(payments)} payments of {CARDS} cards, {sum(payment.disputed for payment in payments)} of them disputed: {wanted.out}")  # noqa: T201
    print(f"export BANK_URL=sqlite:///{os.path.abspath(wanted.out)}")  # noqa: T201, PTH100


if __name__ == "__main__":
    main()
