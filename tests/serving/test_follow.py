"""Following the ledger: versions that can't be opened, and can later."""

import serving.follow
from serving.follow import Follower, Watched
from serving.models import Surroundings


def test_a_version_that_could_not_be_opened_is_tried_again(home, monkeypatch, eventually):
    tries, really_open = [], serving.follow.open_model

    def opened(record, surroundings):
        tries.append(record.version)
        return really_open(record, surroundings)

    monkeypatch.setattr(serving.follow, "AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(serving.follow, "open_model", opened)
    home.promote(home.register())
    watched = Watched("tiny", 0, newest=False)      # the next version is opened once it is promoted, not while its card is still there
    follower = Follower(home.ledger, watched, Surroundings(home.path / "keys", str(home.path / "none.db"), 0.02))
    follower.start()
    try:
        version = home.register()
        card = home.path / "artifacts" / f"bundle-{version}" / "card.md"
        told = card.read_text()
        card.unlink()
        home.promote(version)
        eventually(lambda: tries.count(version) >= 2)
        assert follower.fleet.champion.version == 1
        card.write_text(told)
        eventually(lambda: follower.fleet.champion.version == version)
        assert follower.failures == 1, "a version that fails again is no other failure"
    finally:
        follower.stop()
