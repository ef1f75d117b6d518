"""The parse cache: its path, and runs that continue without it where it cannot be used."""

import sqlite3
import subprocess
from dataclasses import replace

import pytest
from helpers import tiny

from headscore.corpus.sequence import Segment
from headscore.errors import InputError
from headscore.parsing.cache import SpareStore, open_cache
from headscore.parsing.store import key_of

IDENTITY = "en_test@1+00"
ONE = Segment("a b", ("a", "b"), ((0, 1), (2, 3)), (-1, 0), ("root", "obj"))
ASKED = {key_of(Segment("a b"), IDENTITY): Segment("a b")}
PARSED = dict.fromkeys(ASKED, ONE)


def path_of(cache):
    with open_cache(cache, IDENTITY) as store:
        return store.path


def said(caplog):
    return [record.message for record in caplog.records if record.name == "headscore"]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The user's folder of caches, which is not there yet."""
    monkeypatch.delenv("HEADSCORE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    return tmp_path / "xdg"


@pytest.fixture
def file(home):
    """The user's file with one parse."""
    with SpareStore(IDENTITY) as store:
        store.add(PARSED)
    return home / "headscore" / "parses.hsp"


@pytest.fixture
def mount(home):
    """Mount a small disk in the place of the user's folder of caches, with any options."""
    home.mkdir(exist_ok=True)

    def mount(*options):
        done = subprocess.run(["mount", *options, str(home)], capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"a small disk cannot be mounted here: {done.stderr.decode().strip()}")

    mount("-t", "tmpfs", "-o", "size=64k", "tmpfs")
    yield mount
    subprocess.run(["umount", "--lazy", str(home)], check=True)


def test_the_cache_path_comes_from_the_option_or_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADSCORE_CACHE", str(tmp_path / "of-env"))
    assert path_of("auto") == tmp_path / "of-env" / "parses.hsp"
    assert path_of(tmp_path / "a" / "b.hsp") == tmp_path / "a" / "b.hsp"
    assert path_of(str(tmp_path / "folder")) == tmp_path / "folder" / "parses.hsp"


def test_no_cache_is_opened_without_a_path_or_an_identity():
    for cache, identity in ((None, IDENTITY), ("auto", None)):
        with open_cache(cache, identity) as store:
            assert store is None


def test_an_unusable_chosen_cache_raises(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/under: cannot be made"):
        open_cache(tmp_path / "file" / "under", IDENTITY)
    monkeypatch.setenv("HEADSCORE_CACHE", str(tmp_path / "file" / "under"))
    with pytest.raises(InputError, match=r"file/under: cannot be made"):
        open_cache("auto", IDENTITY)


def test_the_default_cache_stores_parses(file, caplog):
    assert file.is_file()
    with open_cache("auto", IDENTITY) as store:
        assert store.find(ASKED) == PARSED
    assert said(caplog) == []


@pytest.mark.usefixtures("file")
def test_the_default_cache_stores_labels(caplog):
    labelled = {key: replace(each, labels={"tag": ("A", "B")}) for key, each in PARSED.items()}
    with open_cache("auto", IDENTITY, ("tag",)) as store:
        assert store.find(ASKED) == {}
        store.add(labelled)
        assert store.find(ASKED) == labelled
    with open_cache("auto", IDENTITY) as store:
        assert store.find(ASKED) == PARSED
    assert said(caplog) == []


def test_a_default_folder_that_cannot_be_made_warns(home, caplog):
    home.write_text("")
    with open_cache("auto", IDENTITY) as store:
        store.add(PARSED)
        assert store.find(ASKED) == {}
    (sentence,) = said(caplog)
    assert sentence.startswith(f"new parses are not kept: {home}/headscore: cannot be made (")


def test_a_missing_home_folder_warns(home, caplog, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr("pathlib.Path.home", lambda: (_ for _ in ()).throw(RuntimeError()))
    with open_cache("auto", IDENTITY) as store:
        assert store.find(ASKED) == {}
    assert said(caplog) == ["new parses are not kept: the user has no folder of caches"]


def test_a_read_only_cache_is_read_and_writing_warns(mount, caplog, home):
    with open_cache("auto", IDENTITY) as store:
        store.add(PARSED)
    mount("-o", "remount,ro")
    with open_cache("auto", IDENTITY) as store:
        assert store.find(ASKED) == PARSED
        store.add({b"k" * 16: ONE})
    (sentence,) = said(caplog)
    assert sentence.endswith("headscore/parses.hsp: cannot be written to")


def test_a_full_disk_warns_once(mount, caplog):
    many = {key_of(Segment(f"a b {n}"), IDENTITY): ONE for n in range(10_000)}
    with open_cache("auto", IDENTITY) as store:
        store.add(PARSED)
        store.add(many)
        store.add(many)
        assert store.find(ASKED) == PARSED
    (sentence,) = said(caplog)
    assert "full" in sentence


def test_a_damaged_cache_warns_once(file, caplog):
    with sqlite3.connect(file) as database:
        database.execute("UPDATE parses SET parse = ''")
    database.close()
    with open_cache("auto", IDENTITY) as store:
        assert store.find(ASKED) == store.find(ASKED) == {}
        store.add(PARSED)
    (sentence,) = said(caplog)
    assert "damaged file of parses" in sentence


@pytest.mark.parametrize("more", [(), ("--shards", "2", "--chunk", "1")], ids=["whole", "shards"])
def test_a_run_continues_without_an_unusable_default_cache(home, tmp_path, capsys, more):
    import spacy

    from headscore.cli import main

    home.write_text("")
    pipeline = spacy.blank("en")
    pipeline.add_pipe("parser").add_label("nsubj")
    pipeline.initialize()
    pipeline.to_disk(tmp_path / "pipeline")
    (tmp_path / "in.txt").write_text("bal dan gor\nmol kal\n")
    model = tiny.save(tmp_path / "model")
    asked = ["analyze", model, str(tmp_path / "in.txt"), "--parser", str(tmp_path / "pipeline")]
    more = [*more, "--run-dir", str(tmp_path / "run")] if more else []
    assert main([*asked, "--roles", "local", *more]) == 0
    assert capsys.readouterr().err.count("new parses are not kept") == 1
    assert main([*asked, "--roles", "local", *more, "--cache", str(home / "x")]) == 3
