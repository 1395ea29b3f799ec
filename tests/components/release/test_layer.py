"""Files as a layer: the same bytes for the same files."""

import io
import tarfile

from components.release.layer import layer_of


def entries(layer: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        return tar.getmembers()


def test_the_order_in_which_files_are_named_changes_nothing():
    one = layer_of("/opt/journey/bundle", {"a": b"1", "sub/b": b"2"})
    assert one == layer_of("/opt/journey/bundle", {"sub/b": b"2", "a": b"1"})


def test_another_content_another_name_and_another_folder_give_other_bytes():
    contents = [("/x", {"a": b"1"}), ("/x", {"a": b"2"}), ("/x", {"b": b"1"}), ("/y", {"a": b"1"}), ("/x", {})]
    assert len({layer_of(folder, files) for folder, files in contents}) == len(contents)


def test_entries_are_sorted_of_root_without_times_and_each_folder_comes_before_what_is_in_it():
    found = entries(layer_of("/opt/project", {"z.py": b"z", "sub/deep/a.py": b"a", "übung.md": "ü".encode()}))
    assert [entry.name for entry in found] == [
        "opt/project", "opt/project/sub", "opt/project/sub/deep", "opt/project/sub/deep/a.py", "opt/project/z.py", "opt/project/übung.md",
    ]  # fmt: skip
    assert {(entry.uid, entry.gid, entry.uname, entry.gname, entry.mtime) for entry in found} == {(0, 0, "", "", 0)}
    assert {entry.mode for entry in found if entry.isdir()} == {0o755}
    assert {entry.mode for entry in found if entry.isfile()} == {0o644}


def test_a_folder_without_files_is_there_nevertheless():
    assert [(entry.name, entry.isdir()) for entry in entries(layer_of("/opt/project", {}))] == [("opt/project", True)]
