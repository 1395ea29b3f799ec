"""The bank that is made up for the payments project: same seed same bank, and a drift that only the relearned can follow."""

import importlib.util
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import numpy
import pytest

GENERATOR = Path(__file__).resolve().parents[2] / "examples" / "payments" / "generator.py"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("payments_generator", GENERATOR)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_same_seed_gives_the_same_people_and_payments(generator: ModuleType) -> None:
    first, second, other = generator.Bank(7), generator.Bank(7), generator.Bank(8)
    assert first.cards() == second.cards() != other.cards()
    assert first.history(1) == second.history(1)
    assert first.payment(generator.START, drifted=True) == second.payment(generator.START, drifted=True)


def test_about_three_in_ten_payments_are_disputed_before_and_after_the_drift(generator: ModuleType) -> None:
    bank = generator.Bank(7)
    moments = [generator.START + timedelta(seconds=43.2) * index for index in range(20_000)]
    for drifted in (False, True):
        assert numpy.mean([payment.disputed for payment in bank.payments(moments, drifted)]) == pytest.approx(0.30, abs=0.02)


def test_the_drift_moves_two_inputs_by_eight_tenths_of_their_spread(generator: ModuleType) -> None:
    bank = generator.Bank(7)
    moments = [generator.START] * 20_000
    before, after = (bank.payments(moments, drifted) for drifted in (False, True))
    for column in ("amount", "distance_km"):
        old, new = (numpy.log([payment.row[column] for payment in rows if payment.row[column] is not None]) for rows in (before, after))
        assert (new.mean() - old.mean()) / old.std() == pytest.approx(0.8, abs=0.05)
    old, new = (numpy.log([payment.row["merchant_age_days"] for payment in rows]) for rows in (before, after))
    assert new.mean() == pytest.approx(old.mean(), abs=0.05)


def test_the_drift_turns_the_sign_of_an_effect(generator: ModuleType) -> None:
    bank = generator.Bank(7)
    moments = [generator.START] * 20_000
    for drifted, sign in ((False, 1.0), (True, -1.0)):
        rows = bank.payments(moments, drifted)
        amounts = numpy.log([payment.row["amount"] for payment in rows])
        labels = numpy.array([payment.disputed for payment in rows])
        assert sign * numpy.corrcoef(amounts, labels)[0, 1] > 0.05


def test_a_dispute_is_in_the_books_before_any_payment_six_hours_younger(generator: ModuleType, tmp_path: Path) -> None:
    bank, database = generator.Bank(7), generator.BankDatabase(tmp_path / "bank.db")
    database.found(bank)
    payments = bank.history(1, a_day=400)
    for payment in payments:
        database.enter([payment], now=payment.paid_at)
    books = sqlite3.connect(tmp_path / "bank.db")
    known = {payment for (payment,) in books.execute("SELECT payment_id FROM disputes")}
    books.close()
    database.close()
    newest = payments[-1].paid_at
    due = [payment for payment in payments if payment.disputed and payment.paid_at <= newest - timedelta(hours=6)]
    assert known == {payment.row["payment_id"] for payment in due}
    assert known


def test_the_command_writes_a_bank_and_refuses_to_write_over_one(
    generator: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bank.db"
    monkeypatch.setattr(sys, "argv", ["generator.py", "--out", str(path), "--days", "0.5", "--seed", "3"])
    generator.main()
    assert f"BANK_URL=sqlite:///{path}" in capsys.readouterr().out
    books = sqlite3.connect(path)
    assert books.execute("SELECT count(*) FROM payments").fetchone() == (1000,)
    assert books.execute("SELECT count(*) FROM cards").fetchone() == (5000,)
    books.close()
    with pytest.raises(SystemExit, match="found one that exists"):
        generator.main()


def test_the_database_that_the_command_writes_is_whole_and_can_be_read_where_nothing_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / "bank.db"
    command = [sys.executable, GENERATOR, "--out", path, "--days", "1"]
    (tmp_path / "bank.db.unfinished").write_text("of a run that was killed")
    (tmp_path / "bank.db.unfinished-wal").write_text("of a run that was killed")
    subprocess.run(command, check=True, capture_output=True)
    assert [one.name for one in tmp_path.iterdir()] == ["bank.db"]
    tmp_path.chmod(0o555)
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        assert connection.execute("SELECT count(*) FROM payments").fetchone() == (2_000,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        connection.close()
    finally:
        tmp_path.chmod(0o755)


def test_a_database_that_is_there_is_refused_or_kept_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "bank.db"
    path.write_text("another one")
    command = [sys.executable, GENERATOR, "--out", path, "--days", "1"]
    assert b"expected a new file" in subprocess.run(command, check=False, capture_output=True).stderr
    subprocess.run([*command, "--keep"], check=True, capture_output=True)
    assert path.read_text() == "another one"
