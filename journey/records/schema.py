"""The ledger's tables and how they came to be: numbered migrations in SQL that SQLite and Postgres both read.

A migration is never edited once it has shipped; what changes a table is a new one. The Core tables below say what holds after the last.
Moments are text in ISO 8601, UTC, with microseconds, so that their order is that of time in every database and a hash over them is stable.
"""

from datetime import UTC, datetime

from sqlalchemy import Column, Connection, Float, Integer, MetaData, Table, Text, func, insert, inspect, select, text

from journey.errors import DataError

METADATA = MetaData()

SCHEMA = Table("schema_migrations", METADATA, Column("number", Integer, primary_key=True), Column("at", Text))
RUNS = Table(
    "runs",
    METADATA,
    Column("id", Text, primary_key=True),
    *(Column(name, Text) for name in ("project", "pipeline", "target", "engine_run", "started", "ended", "state", "bundle")),
)
SNAPSHOTS = Table(
    "snapshots",
    METADATA,
    Column("seq", Integer, primary_key=True),
    *(Column(name, Text) for name in ("project", "table", "digest", "watermark", "at")),
)
VERSIONS = Table(
    "versions",
    METADATA,
    Column("model", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    *(Column(name, Text) for name in ("bundle", "uri", "run", "trained_on", "registered", "retired")),
)
PROMOTIONS = Table(
    "promotions",
    METADATA,
    Column("seq", Integer, primary_key=True),
    Column("model", Text),
    Column("role", Text),
    Column("version", Integer),
    Column("bundle", Text),
    Column("replaces_seq", Integer),
    *(Column(name, Text) for name in ("actor", "reason", "at")),
)
AUDIT = Table(
    "audit",
    METADATA,
    Column("seq", Integer, primary_key=True),
    *(Column(name, Text) for name in ("at", "actor", "action", "model")),
    Column("version", Integer),
    *(Column(name, Text) for name in ("reason", "evidence", "previous", "hash")),
)
RETRAININGS = Table(
    "retrainings",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("model", Text),
    Column("version", Integer),
    *(Column(name, Text) for name in ("class", "received", "state", "onset", "run", "reason")),
)
PREDICTIONS = Table(
    "predictions",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("model", Text),
    Column("version", Integer),
    Column("event_time", Text),
    Column("key", Text),
    Column("score", Float),
)
FEEDBACK = Table(
    "feedback",
    METADATA,
    Column("prediction", Text, primary_key=True),
    *(Column(name, Text) for name in ("label", "at", "source")),
)
IMAGES = Table(
    "images",
    METADATA,
    Column("model", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    *(Column(name, Text) for name in ("reference", "at")),
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE runs (
            id TEXT PRIMARY KEY, project TEXT NOT NULL, pipeline TEXT NOT NULL, target TEXT NOT NULL, engine_run TEXT NOT NULL,
            started TEXT NOT NULL, ended TEXT, state TEXT NOT NULL, bundle TEXT)""",
        """CREATE TABLE snapshots (
            seq INTEGER PRIMARY KEY, project TEXT NOT NULL, "table" TEXT NOT NULL, digest TEXT NOT NULL, watermark TEXT,
            at TEXT NOT NULL)""",
        'CREATE INDEX snapshots_newest ON snapshots (project, "table", seq)',
        """CREATE TABLE versions (
            model TEXT NOT NULL, version INTEGER NOT NULL, bundle TEXT NOT NULL, uri TEXT NOT NULL, run TEXT NOT NULL,
            trained_on TEXT NOT NULL, registered TEXT NOT NULL, retired TEXT,
            PRIMARY KEY (model, version), UNIQUE (model, bundle))""",
        """CREATE TABLE promotions (
            seq INTEGER PRIMARY KEY, model TEXT NOT NULL, role TEXT NOT NULL, version INTEGER NOT NULL, bundle TEXT NOT NULL,
            replaces_seq INTEGER NOT NULL, actor TEXT NOT NULL, reason TEXT NOT NULL, at TEXT NOT NULL,
            UNIQUE (model, role, replaces_seq), FOREIGN KEY (model, version) REFERENCES versions (model, version))""",
        """CREATE TABLE audit (
            seq INTEGER PRIMARY KEY, at TEXT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, model TEXT NOT NULL,
            version INTEGER, reason TEXT NOT NULL, evidence TEXT NOT NULL, previous TEXT NOT NULL UNIQUE, hash TEXT NOT NULL)""",
        """CREATE TABLE retrainings (
            key TEXT PRIMARY KEY, model TEXT NOT NULL, version INTEGER, class TEXT NOT NULL, received TEXT NOT NULL,
            state TEXT NOT NULL, onset TEXT, run TEXT NOT NULL, reason TEXT NOT NULL)""",
        "CREATE INDEX retrainings_by_model ON retrainings (model, received)",
        """CREATE TABLE predictions (
            id TEXT PRIMARY KEY, model TEXT NOT NULL, version INTEGER NOT NULL, event_time TEXT NOT NULL, key TEXT,
            score DOUBLE PRECISION NOT NULL)""",
        "CREATE INDEX predictions_by_time ON predictions (model, event_time)",
        "CREATE INDEX predictions_by_key ON predictions (model, key)",
        "CREATE TABLE feedback (prediction TEXT PRIMARY KEY, label TEXT NOT NULL, at TEXT NOT NULL, source TEXT NOT NULL)",
    ),
    (
        """CREATE TABLE images (
            model TEXT NOT NULL, version INTEGER NOT NULL, reference TEXT NOT NULL, at TEXT NOT NULL,
            PRIMARY KEY (model, version), FOREIGN KEY (model, version) REFERENCES versions (model, version))""",
    ),
)


def schema_number(connection: Connection) -> int:
    """The number of the last migration that the database has seen; 0 for an empty database."""
    if not inspect(connection).has_table(SCHEMA.name):
        return 0
    return int(connection.scalar(select(func.max(SCHEMA.c.number))) or 0)


def migrate(connection: Connection) -> None:
    """Applies the migrations that the database hasn't seen; the caller's transaction holds the ledger's lock.

    Raises:
        DataError: the database was made by a newer Journey.
    """
    seen = schema_number(connection)
    refuse_newer(seen)
    if seen == 0:
        connection.execute(text("CREATE TABLE IF NOT EXISTS schema_migrations (number INTEGER PRIMARY KEY, at TEXT NOT NULL)"))
    for number, statements in enumerate(MIGRATIONS[seen:], seen + 1):
        for statement in statements:
            connection.execute(text(statement))
        connection.execute(insert(SCHEMA).values(number=number, at=moment_text(datetime.now(UTC))))


def refuse_newer(seen: int) -> None:
    """Raises DataError if a database's schema is newer than this code."""
    if seen > len(MIGRATIONS):
        raise DataError(
            f"ledger: expected tables of schema {len(MIGRATIONS)} or older, found schema {seen}: made by a newer Journey. Upgrade this one."
        )


def moment_text(moment: datetime) -> str:
    """A moment as the ledger writes it; one without a zone is UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="microseconds")


def moment_of(stored: str) -> datetime:
    """The moment that the ledger wrote."""
    return datetime.fromisoformat(stored)
