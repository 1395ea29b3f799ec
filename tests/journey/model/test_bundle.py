"""A bundle is opened only when everything holds."""

import json
import multiprocessing
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from journey.errors import DataError, Untrusted
from journey.model.bundle import bundle_digest, open_bundle
from journey.model.keys import SigningKey, Trusted


def test_what_was_written_is_what_is_opened(workshop) -> None:
    bundle = workshop.bundle()
    assert bundle.signature == workshop.signature
    assert bundle.read("card.md") == b"# payments\n"
    assert bundle.digest == bundle_digest(bundle.directory)
    assert sorted(path.name for path in bundle.directory.iterdir()) == [
        "card.md",
        "manifest.json",
        "manifest.sig",
        "model.onnx",
        "request_features.py",
        "signature.json",
    ]
    assert bundle.has("model.onnx")
    assert not bundle.has("model.skops")


def test_the_digest_is_that_of_the_contents_whoever_signs_them(workshop, tmp_path: Path) -> None:
    first = bundle_digest(workshop.write("one"))
    workshop.keys.rename(tmp_path / "put-away")
    assert bundle_digest(workshop.write("two")) == first
    assert bundle_digest(workshop.write("three", files={**workshop.files, "card.md": b"other"})) != first


def test_parts_of_the_signature_do_not_repeat_the_format(workshop) -> None:
    content = json.loads((workshop.write() / "signature.json").read_bytes())
    assert content["format"] == 1
    assert content["inputs"][0] == {"name": "amount", "type": "float", "origin": "spine"}
    assert content["lookups"][0]["features"] == [{"name": "payments_30d", "type": "integer", "default": 0}]


def changed(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda bundle: (bundle / name).write_bytes(content)


def flipped(bundle: Path) -> None:
    seal = json.loads((bundle / "manifest.sig").read_bytes())
    seal["value"] = seal["value"][:-4].swapcase() + seal["value"][-4:]
    (bundle / "manifest.sig").write_text(json.dumps(seal))


def renamed(bundle: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_bytes())
    (bundle / "manifest.json").write_text(json.dumps({**manifest, "name": "other"}))


def linked(bundle: Path) -> None:
    (bundle / "card.md").rename(bundle.parent / "card.md")
    (bundle / "card.md").symlink_to(bundle.parent / "card.md")


@pytest.mark.parametrize(
    ("tamper", "found"),
    [
        (changed("model.onnx", b"evil"), "expected model.onnx with SHA-256"),
        (changed("request_features.py", b"import os"), "expected request_features.py with SHA-256"),
        (changed("signature.json", b"{}"), "expected signature.json with SHA-256"),
        (changed("more.py", b""), "found also more.py"),
        (lambda bundle: (bundle / "more").mkdir(), "found also more"),
        (lambda bundle: (bundle / "model.onnx").unlink(), "expected the file model.onnx, found none"),
        (lambda bundle: (bundle / "manifest.sig").unlink(), "expected the file manifest.sig, found none"),
        (changed("manifest.sig", b"not json"), "expected JSON in manifest.sig"),
        (flipped, "found one that doesn't hold"),
        (renamed, "found one that doesn't hold"),
        (linked, "found a link"),
    ],
)
def test_a_tampered_bundle_is_refused(workshop, tamper: Callable[[Path], object], found: str) -> None:
    directory = workshop.write()
    tamper(directory)
    with pytest.raises(Untrusted, match=found):
        open_bundle(directory, Trusted.of(workshop.keys))


def test_a_key_that_is_not_trusted_is_named(workshop, tmp_path: Path) -> None:
    directory = workshop.write()
    stranger = SigningKey.load_or_create(tmp_path / "elsewhere")
    with pytest.raises(Untrusted, match=rf"expected a signature by a trusted key \({stranger.id}\), found one by key"):
        open_bundle(directory, Trusted.of(tmp_path / "elsewhere"))
    with pytest.raises(Untrusted, match=r"trusted key \(none\)"):
        open_bundle(directory, Trusted.of(tmp_path / "nowhere"))


def test_a_public_key_put_into_the_folder_is_trusted(workshop, tmp_path: Path) -> None:
    directory = workshop.write()
    elsewhere = tmp_path / "elsewhere"
    SigningKey.load_or_create(elsewhere)
    (elsewhere / "colleague.pub").write_bytes((workshop.keys / "signing.pub").read_bytes())
    assert open_bundle(directory, Trusted.of(elsewhere)).manifest.name == "payments"


def test_a_file_changed_after_opening_is_noticed_when_it_is_read(workshop) -> None:
    bundle = workshop.bundle()
    (bundle.directory / "model.onnx").write_bytes(b"evil")
    with pytest.raises(Untrusted, match=r"expected model.onnx with SHA-256"):
        bundle.read("model.onnx")
    with pytest.raises(Untrusted, match=r"found a request for 'model.skops'"):
        bundle.read("model.skops")


@pytest.mark.parametrize("name", ["../model.onnx", "a/b", "manifest.json", ".hidden", ""])
def test_a_file_name_that_is_a_path_is_refused(workshop, name: str) -> None:
    with pytest.raises(DataError, match="expected files with plain names"):
        workshop.write(files={name: b""})


def test_a_bundle_is_never_written_over_another(workshop) -> None:
    workshop.write()
    with pytest.raises(DataError, match="expected an empty folder"):
        workshop.write()


def test_a_newer_format_is_refused_by_name(workshop) -> None:
    newer = workshop.signature.model_copy(update={"format": 2})
    directory = workshop.write(signature=newer)
    with pytest.raises(DataError, match=r"expected signature.json of format 1, found format 2: made by a newer Journey"):
        open_bundle(directory, Trusted.of(workshop.keys))


def test_where_there_is_no_bundle_the_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected a folder with manifest.json, found none"):
        open_bundle(tmp_path, Trusted({}))


def test_the_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    first = SigningKey.load_or_create(keys)
    assert SigningKey.load_or_create(keys).id == first.id
    assert stat.S_IMODE((keys / "signing.pem").stat().st_mode) == 0o600
    assert sorted(path.name for path in keys.iterdir()) == ["signing.pem", "signing.pub"]


def test_a_new_key_is_trusted_and_the_bundles_of_the_one_before_stay_so(tmp_path: Path) -> None:
    first = SigningKey.load_or_create(tmp_path)
    (tmp_path / "signing.pem").unlink()
    second = SigningKey.load_or_create(tmp_path)
    assert second.id != first.id
    assert set(Trusted.of(tmp_path).keys) == {first.id, second.id}


def _make(keys: Path, start: object, made: object) -> None:
    start.wait()
    made.put(SigningKey.load_or_create(keys).id)


def test_processes_that_come_first_at_once_all_get_one_key(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    start, made = context.Barrier(4, timeout=120), context.Queue()
    makers = [context.Process(target=_make, args=(tmp_path / "keys", start, made), daemon=True) for _ in range(4)]
    for maker in makers:
        maker.start()
    ids = {made.get(timeout=180) for _ in makers}
    for maker in makers:
        maker.join()
    assert len(ids) == 1
    assert set(Trusted.of(tmp_path / "keys").keys) == ids


def test_a_file_that_is_no_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "signing.pem").write_text("nothing")
    with pytest.raises(Untrusted, match=r"signing.pem: expected an Ed25519 private key"):
        SigningKey.load_or_create(tmp_path)
    (tmp_path / "x.pub").write_text("nothing")
    with pytest.raises(Untrusted, match=r"x.pub: expected an Ed25519 public key"):
        Trusted.of(tmp_path)
