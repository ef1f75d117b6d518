"""The .hs format: exact round trips, and an error for every damaged file."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from helpers.stored import LAYOUT, LAYOUTS, thing
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from headscore import files
from headscore.errors import InputError
from headscore.files import manifest as manifests


@pytest.mark.parametrize("letters", range(1, 10))
def test_arrays_begin_at_a_multiple_of_eight_bytes(tmp_path, letters):
    files.write(tmp_path / "a.hs", thing(facts={"model": "a" * letters}))
    content = (tmp_path / "a.hs").read_bytes()
    size = int.from_bytes(content[:8], "little")
    assert size % 8 == 0
    assert content[8 : 8 + size].rstrip(b" ").endswith(b"}")


def header_of(path):
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def rewrite(path, header, body):
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)


def change_manifest(path, *, digest=True, **changes):
    """Write a file whose manifest differs, with the digest that fits it unless told otherwise."""
    header, body = header_of(path)
    manifest = {**json.loads(header["__metadata__"]["headscore"]), **changes}
    if digest:
        manifest["sha256"] = manifests._digest(manifest)
    header["__metadata__"]["headscore"] = json.dumps(manifest)
    rewrite(path, header, body)


def test_a_file_is_read_back_unchanged(path):
    stored, expected = files.read(path, LAYOUTS), thing()
    assert (stored.kind, stored.roles) == (expected.kind, expected.roles)
    assert list(stored.facts.items()) == list(expected.facts.items())
    assert stored.counts == expected.counts
    assert (stored.version, stored.path) == (files.FORMAT_VERSION, path)
    assert stored.arrays.keys() == expected.arrays.keys()
    for name, array in expected.arrays.items():
        assert stored.arrays[name].dtype == array.dtype
        assert stored.arrays[name].tobytes() == array.tobytes()
    assert files.unpack(stored.arrays["texts"]) == ("a", None, "\ud800é")


def test_a_file_is_safetensors_with_a_manifest(path):
    with safe_open(path, framework="numpy") as file:
        manifest = json.loads(file.metadata()["headscore"])
    assert (manifest["kind"], manifest["version"]) == ("thing", 2)
    assert manifest["arrays"]["values"]["shape"] == [3, 4]
    np.testing.assert_array_equal(load_file(path)["values"], thing().arrays["values"])


def test_same_content_gives_the_same_bytes(path, tmp_path):
    files.write(tmp_path / "b.hs", thing())
    assert (tmp_path / "b.hs").read_bytes() == path.read_bytes()


def test_strided_arrays_are_written_in_order(tmp_path):
    values = np.arange(12, dtype=np.float32).reshape(4, 3).T
    arrays = {**thing().arrays, "values": values}
    files.write(tmp_path / "a.hs", thing(arrays=arrays))
    stored = files.read(tmp_path / "a.hs", LAYOUTS)
    np.testing.assert_array_equal(stored.arrays["values"], values)


def test_a_truncated_file_raises(path, tmp_path):
    content = path.read_bytes()
    cut = tmp_path / "cut.hs"
    for length in {*range(0, len(content), 37), *range(24), len(content) - 1}:
        cut.write_bytes(content[:length])
        with pytest.raises(InputError, match=re.escape(str(cut))):
            files.read(cut, LAYOUTS)


def test_bytes_after_the_end_raise(path):
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(InputError, match="not a headscore file, or a damaged one"):
        files.read(path, LAYOUTS)


def test_a_flipped_bit_of_an_array_raises(path):
    content = path.read_bytes()
    start = len(content) - len(header_of(path)[1])
    for index in range(start, len(content)):
        path.write_bytes(
            content[:index] + bytes([content[index] ^ 1 << index % 8]) + content[index + 1 :]
        )
        with pytest.raises(InputError, match=r"damaged: array '\w+' is not the one"):
            files.read(path, LAYOUTS)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_flipped_bytes_of_the_header_raise_or_change_nothing(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("flip") / "a.hs"
    files.write(path, thing())
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        index = data.draw(st.integers(0, len(content) - 1))
        content[index] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        stored = files.read(path, LAYOUTS)
    except InputError:
        return
    expected = thing()
    assert (stored.roles, stored.facts, stored.counts) == (
        expected.roles,
        expected.facts,
        expected.counts,
    )
    assert {k: v.tobytes() for k, v in stored.arrays.items()} == {
        k: v.tobytes() for k, v in expected.arrays.items()
    }


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"\x80\x04pickle", b"\xff" * 64, b"\x02" + b"\0" * 7 + b"{}", b"\0" * 4096],
)
def test_foreign_file_raises(tmp_path, content):
    path = tmp_path / "foreign.hs"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a headscore file"):
        files.read(path, LAYOUTS)


@pytest.mark.parametrize(
    "manifest", [None, "{", "[]", "3", "null", '{"kind": "thing"}', "[" * 100_000]
)
def test_foreign_safetensors_file_raises(tmp_path, manifest):
    path = tmp_path / "foreign.hs"
    metadata = None if manifest is None else {"headscore": manifest}
    save_file({"values": np.zeros((3, 4), np.float32)}, path, metadata=metadata)
    with pytest.raises(InputError, match="not a headscore file: it has no manifest"):
        files.read(path, LAYOUTS)


@pytest.mark.parametrize("version", [0, 3, "1", None, [1], True, 2.0])
def test_other_version_raises(path, version):
    change_manifest(path, version=version)
    message = f"has format version {version!r}, this headscore reads versions 1 to 2"
    with pytest.raises(InputError, match=re.escape(message)):
        files.read(path, LAYOUTS)


def test_a_file_of_an_older_version_is_read_by_its_own_layout(tmp_path):
    path = tmp_path / "old.hs"
    old = thing(arrays={"old": np.array([True, False])}, version=1)
    files.write(path, old)
    stored = files.read(path, LAYOUTS)
    assert (stored.version, stored.arrays["old"].tolist()) == (1, [True, False])
    change_manifest(path, version=2)
    with pytest.raises(InputError, match=r"must hold the arrays \['texts', 'tokens', 'values'\]"):
        files.read(path, LAYOUTS)


def test_a_version_of_a_kind_without_a_layout_raises(tmp_path):
    path = tmp_path / "old.hs"
    files.write(path, thing(version=1))
    with pytest.raises(InputError, match="a thing of format version 1, this headscore reads 2"):
        files.read(path, {("thing", 2): LAYOUT, ("other", 1): LAYOUT})


@pytest.mark.parametrize("kind", ["comparison", "", None, ["thing"], {}])
def test_other_kind_raises(path, kind):
    change_manifest(path, kind=kind)
    with pytest.raises(InputError, match=re.escape(f"must hold thing, got {kind!r}")):
        files.read(path, LAYOUTS)


def test_changed_manifest_raises(path):
    change_manifest(path, digest=False, counts={"skipped": 4})
    with pytest.raises(InputError, match="damaged: its manifest does not have the digest"):
        files.read(path, LAYOUTS)


@pytest.mark.parametrize(
    "part",
    [
        {"roles": "local"},
        {"roles": [1]},
        {"facts": []},
        {"facts": {"model": 1}},
        {"counts": {"skipped": "3"}},
        {"counts": None},
        {"arrays": []},
        {"arrays": {"values": 3}},
    ],
)
def test_manifest_of_wrong_types_raises(path, part):
    change_manifest(path, **part)
    with pytest.raises(InputError, match="damaged: its manifest"):
        files.read(path, LAYOUTS)


@pytest.mark.parametrize("entry", [{}, {"shape": [3, 4]}, {"shape": [4, 3], "sha256": "0"}])
def test_manifest_that_describes_another_array_raises(path, entry):
    described = manifests.describe(thing(), thing().arrays)["arrays"]
    change_manifest(path, arrays={**described, "values": entry})
    with pytest.raises(InputError, match="damaged: array 'values'"):
        files.read(path, LAYOUTS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values": np.zeros((3, 4), np.float64)}, "array 'values' must be float32, got F64"),
        ({"tokens": np.zeros(4, np.uint64)}, "array 'values' has the shape (3, 4)"),
        ({"values": np.zeros((3, 4, 1), np.float32)}, "array 'values' has the shape (3, 4, 1)"),
        ({"values": np.zeros(3, np.float32)}, "array 'values' has the shape (3,)"),
        ({"values": None}, "must hold the arrays ['texts', 'tokens', 'values'], got ['texts', 't"),
        ({"more": np.zeros(3, np.float32)}, "got ['more', 'texts', 'tokens', 'values']"),
    ],
)
def test_arrays_that_do_not_match_the_layout_raise(tmp_path, changes, message):
    arrays = {k: v for k, v in {**thing().arrays, **changes}.items() if v is not None}
    files.write(tmp_path / "a.hs", thing(arrays=arrays))
    with pytest.raises(InputError, match=re.escape(message)):
        files.read(tmp_path / "a.hs", LAYOUTS)


def test_array_missing_from_the_manifest_raises(path):
    change_manifest(path, arrays={})
    with pytest.raises(InputError, match="must hold the arrays"):
        files.read(path, LAYOUTS)


def test_array_of_an_unsupported_dtype_raises(tmp_path):
    arrays = thing().arrays
    manifest = manifests.describe(thing(), arrays)
    save_file(
        {**arrays, "values": np.zeros((3, 4), np.int16)},
        tmp_path / "a.hs",
        metadata={"headscore": json.dumps(manifest)},
    )
    with pytest.raises(InputError, match="array 'values' must be float32, got I16"):
        files.read(tmp_path / "a.hs", LAYOUTS)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("missing.hs", "there is no such file"),
        ("no/folder.hs", "there is no such file"),
        (".", "must be a file, is a folder"),
    ],
)
def test_reading_a_missing_file_or_a_folder_raises(tmp_path, name, sentence):
    with pytest.raises(InputError, match=sentence):
        files.read(tmp_path / name, LAYOUTS)


def test_a_pipe_or_a_device_raises(tmp_path):
    os.mkfifo(tmp_path / "a.hs")
    for path in (tmp_path / "a.hs", Path("/dev/zero")):
        with pytest.raises(InputError, match="must be a file, is a pipe, a socket or a device"):
            files.read(path, LAYOUTS)


@pytest.mark.parametrize("count", [-1, 2**63, 10**4000, True])
def test_counts_that_are_no_numbers_of_things_raise(path, count):
    change_manifest(path, counts={"skipped": count})
    with pytest.raises(InputError, match="damaged: its manifest"):
        files.read(path, LAYOUTS)


def test_parts_that_do_not_fit_together_raise(path):
    with pytest.raises(InputError, match=r"a\.hs: its parts do not fit together \('none'\)"):
        files.read_as(path, LAYOUTS, lambda stored: stored.facts["none"])


def test_what_a_file_says_is_escaped_in_errors(path):
    with pytest.raises(InputError) as refused:
        files.check_same(path, {"model": "\x1b[31m\u202e"}, {"model": "mine"})
    assert r"model is \u{1b}[31m\u{202e} there and mine here" in str(refused.value)
