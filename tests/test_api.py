"""The public functions from end to end, on a tiny model."""

import inspect
import logging

import numpy as np
import pytest
import spacy
import torch
from helpers import tiny
from helpers.batches import relative
from spacy.language import Language
from spacy.tokens import Doc

import headscore as hs
from headscore import runs
from headscore.checks import check_analysis
from headscore.model.load import load_model
from headscore.options import AnalyzeOptions, LoadOptions, ScoreOptions, TestOptions
from headscore.scores import batches as running
from headscore.stopwatch import Stopwatch

TEXTS = ["bal dan gor.", "mol kal", "der don bat met", "gan"]
PAIRS = [("bal dan", "gor mol"), ("kal", "der don bat")]
CONLLU = """\
# newdoc id = d1
# sent_id = a
1\tbal\t_\t_\t_\t_\t2\tnsubj\t_\t_
2\tdan\t_\t_\t_\t_\t0\troot\t_\t_

# sent_id = b
1\tgor\t_\t_\t_\t_\t2\tamod\t_\t_
2\tmol\t_\t_\t_\t_\t0\troot\t_\t_

"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def scores(folder):
    return hs.score(folder, tiny.sequences(8), device="cpu")


def test_scores_of_a_corpus_agree_with_the_loops(folder, scores):
    loaded = load_model(folder, LoadOptions(device="cpu"))
    encoded = tiny.encode(loaded, tiny.sequences(8))
    attentions = tiny.eager_attentions(loaded.network, running.inputs(loaded, encoded))
    want = [tiny.loop_scores(attentions, encoded, s, scores.roles) for s in range(3)]
    assert relative(scores.values[:3], want) <= 1e-4
    assert scores.values.shape == (8, 10, 3, 4)
    assert scores.attainable.shape == (8, 10, 3)
    assert scores.sequence_ids == tuple(f"s{n}" for n in range(8))
    assert len(set(scores.tokens.tolist())) == 8


@pytest.mark.parametrize(
    ("corpus", "ids"),
    [
        (TEXTS, ("0", "1", "2", "3")),
        (PAIRS, ("0", "1")),
        ([["bal", "dan"], ["gor"]], ("0", "1")),
        ([{"sentence": "bal dan"}, {"sentence": "gor"}], ("0", "1")),
        ((text for text in TEXTS), ("0", "1", "2", "3")),
        ([hs.Sequence.from_text("bal", id="x"), "dan", ("gor", "mol")], ("x", "1", "2")),
    ],
)
def test_every_kind_of_corpus_in_memory_is_scored(folder, corpus, ids):
    scores = hs.score(folder, corpus, roles="local,delimiter")
    assert scores.sequence_ids == ids
    assert np.isfinite(scores.values).all()
    assert scores.documents is None


@pytest.mark.parametrize(
    ("name", "text", "ids"),
    [
        ("c.txt", "bal dan\ngor\n", ("1", "2")),
        ("c.tsv", "index\tsentence\n0\tbal dan\n1\tgor\n", ("2", "3")),
        ("c.conllu", CONLLU, ("a", "b")),
    ],
)
def test_every_kind_of_file_is_scored(folder, tmp_path, name, text, ids):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    for each in (path, str(path)):
        assert hs.score(folder, each, roles="local").sequence_ids == ids


def test_a_parsed_file_has_relations_documents_and_text_pairs(folder, tmp_path):
    path = tmp_path / "c.conllu"
    path.write_text(CONLLU, encoding="utf-8")
    scores = hs.score(folder, path, roles="nsubj,amod,local")
    assert np.isnan(scores.values[:, :, 0, 0]).tolist() == [
        [False, True, False],
        [True, False, False],
    ]
    assert scores.documents == ("d1", "d1")
    paired = hs.score(folder, path, roles="nsubj,amod,block", pairs="consecutive")
    assert paired.sequence_ids == ("a+b",)
    assert np.isfinite(paired.values).all()


def test_sequences_with_a_parse_need_no_parser(folder):
    parsed = hs.Sequence.from_words(["bal", "dan"], [1, -1], ["nsubj", "root"])
    assert np.isfinite(hs.score(folder, [parsed], roles="nsubj").values).all()


@Language.component("left_is_subject")
def left_is_subject(doc):
    """Stands in for a parser: every word is the subject of the next."""
    n = len(doc)
    heads = [min(word + 1, n - 1) for word in range(n)]
    words, spaces = [token.text for token in doc], [bool(token.whitespace_) for token in doc]
    return Doc(doc.vocab, words, spaces, heads=heads, deps=["nsubj"] * (n - 1) + ["ROOT"])


@pytest.fixture(scope="module")
def pipeline():
    pipeline = spacy.blank("en")
    pipeline.add_pipe("left_is_subject", name="parser")
    return pipeline


def test_texts_are_parsed_where_a_parser_is_given(folder, pipeline):
    scores = hs.score(folder, TEXTS[:3], roles="nsubj", parser=pipeline)
    by_hand = [
        hs.Sequence.from_words(words, heads, relations)
        for words, heads, relations in (
            (["bal", "dan", "gor"], [1, 2, -1], ["nsubj", "nsubj", "root"]),
            (["mol", "kal"], [1, -1], ["nsubj", "root"]),
            (["der", "don", "bat", "met"], [1, 2, 3, -1], ["nsubj"] * 3 + ["root"]),
        )
    ]
    want = hs.score(folder, by_hand, roles="nsubj").values
    assert relative(scores.values[1:], want[1:]) <= 1e-5
    assert not np.allclose(scores.values[0], want[0])  # here the full stop is a word too
    assert scores.facts["parser"] == f"en_pipeline@{pipeline.meta['version']}"
    assert hs.score(folder, by_hand, roles="nsubj").facts["parser"] == "none"
    idle = hs.score(folder, by_hand, roles="nsubj", parser=pipeline)
    assert idle.facts["parser"] == "none (all came parsed)"


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"roles": "local:x"}, "local must come as local:NUMBER, got 'local:x'"),
        ({"roles": []}, "roles must name at least one role"),
        ({"tau": 0}, "tau must be"),
        ({"tau": float("nan")}, "tau must be"),
        ({"tau": {"obj": 2.0}, "roles": "local"}, "obj"),
        ({"alpha": 1.0}, "alpha must"),
        ({"adjust": "bonferroni"}, "holm, bh, by, maxt, none"),
        ({"ddof": 2}, "ddof must"),
        ({"too_long": "cut"}, "too_long must be one of truncate, skip, error, got 'cut'"),
        ({"batch_tokens": 0}, "batch_tokens must be an integer of at least 1, got 0"),
        ({"on_nonfinite": "drop"}, "on_nonfinite must be one of error, skip, got 'drop'"),
        ({"backend": "gpu"}, "backend must be one of auto, cuda, cpu, reference, got 'gpu'"),
        ({"dtype": "int8"}, "dtype must be one of float32, bfloat16, float16, got 'int8'"),
        ({"max_length": 1.5}, "max_length must be an integer of at least 1, got 1.5"),
    ],
)
def test_invalid_options_raise_before_loading(options, part):
    with pytest.raises(hs.UsageError) as caught:
        hs.analyze("no/such-model", unread(), **options)
    assert part in str(caught.value)


def unread():
    """A corpus that nobody may begin to read."""
    pytest.fail("the corpus was read")
    yield


@pytest.mark.parametrize(
    ("corpus", "options", "error", "part"),
    [
        ([], {}, hs.InputError, "corpus holds no sequence"),
        (["", "  "], {}, hs.InputError, "no usable sequence (empty: 2)"),
        ("no.txt", {}, hs.InputError, "no such file: 'no.txt'"),
        (3, {}, hs.InputError, "must be a path or an iterable"),
        (TEXTS, {"pairs": "all"}, hs.UsageError, "pairs must be None or 'consecutive'"),
        (TEXTS, {"parser": "no_such_pipeline"}, hs.InputError, "spaCy pipeline 'no_such_pip"),
        (TEXTS, {"roles": "nsubj"}, hs.InputError, "the text is not parsed, so nsubj has no"),
        (TEXTS, {"roles": "block"}, hs.InputError, "no pair of texts"),
        (["bal " * 200], {"too_long": "error"}, hs.InputError, "'0' is longer than the limit"),
        (TEXTS, {"max_length": 129}, hs.UsageError, "max_length must lie in 1..128"),
    ],
)
def test_invalid_input_raises(folder, corpus, options, error, part):
    with pytest.raises(error) as caught:
        hs.score(folder, corpus, **{"roles": "local", **options})
    assert part in str(caught.value)


def test_skipped_truncated_and_duplicate_sequences_are_counted(folder, caplog):
    corpus = ["bal dan", "", "bal [SEP] dan", "bal " * 300, "bal dan", "Bal DAN", 7]
    with caplog.at_level(logging.WARNING, "headscore"):
        scores = hs.score(folder, corpus, roles="local,block", skip_invalid=True)
    assert scores.counts == {
        "empty": 1,
        "literal_special": 1,
        "truncated": 1,
        "invalid_skipped": 1,
        "duplicate_sequences": 2,
    }
    assert scores.sequence_ids == ("0", "2", "3", "4", "5")
    assert "2 of 5 sequences repeat an earlier one" in caplog.text
    assert "item 6 must be a text" in caplog.text
    assert "block has no sieve: the corpus has no pair of texts" in caplog.text


def test_max_length_truncates_or_skips(folder):
    corpus = ["bal dan gor mol kal", "bal dan gor mol der"]  # alike but for the last word
    scores = hs.score(folder, [*corpus, "gan"], roles="local", max_length=6)
    assert scores.counts == {"truncated": 2, "duplicate_sequences": 1}
    np.testing.assert_array_equal(scores.values[0], scores.values[1])
    skipped = hs.score(folder, [*corpus, "gan"], roles="local", max_length=6, too_long="skip")
    assert skipped.sequence_ids == ("2",)
    assert skipped.counts == {"too_long_skipped": 2}


def test_the_papers_roles_without_a_parse_log_the_missing_ones(folder, caplog):
    with caplog.at_level(logging.WARNING, "headscore"):
        scores = hs.score(folder, TEXTS)
    assert "the text is not parsed, so syntactic, nsubj, obj, amod, advmod have no" in caplog.text
    present = [r for r, role in enumerate(scores.roles) if np.isfinite(scores.values[:, r]).all()]
    assert [scores.roles[r] for r in present] == [
        "local",
        "delimiter",
        "delimiter_cls",
        "delimiter_sep",
    ]


def test_the_same_run_has_the_same_bits_and_the_same_signature(folder, scores):
    again = hs.score(folder, tiny.sequences(8), device="cpu", progress=False)
    np.testing.assert_array_equal(again.values, scores.values)
    np.testing.assert_array_equal(again.tokens, scores.tokens)
    assert again.signature == scores.signature


def differing(first, second):
    """Names of the facts in which two runs differ."""
    return {name for name in first.facts if first.facts[name] != second.facts[name]}


def test_the_signature_differs_only_in_what_changed(folder, scores, tmp_path, pipeline):
    sequences = tiny.sequences(8)
    other = tiny.save(tmp_path, seed=1)
    assert differing(scores, hs.score(other, sequences, device="cpu")) == {"model", "weights"}
    for changed, options in (
        ({"roles"}, {"roles": "local"}),
        ({"max_length"}, {"max_length": 127}),
        ({"dtype", "weights"}, {"dtype": "bfloat16"}),
        ({"backend"}, {"backend": "reference"}),
        ({"parser"}, {"parser": pipeline}),
        (set(), {"batch_tokens": 99}),
    ):
        again = hs.score(folder, sequences, **{"device": "cpu", **options})
        assert differing(scores, again) == changed
    assert differing(scores, hs.score(folder, sequences[:7], device="cpu")) == {"corpus"}
    assert scores.signature.startswith(f"headscore:{hs.__version__}|model:{folder}|weights:")


def test_a_loaded_model_has_the_scores_of_its_folder(folder, scores):
    network = tiny.network("bert").train()
    again = hs.score(network, tiny.sequences(8), tokenizer=tiny.tokenizer())
    np.testing.assert_array_equal(again.values, scores.values)
    assert differing(scores, again) <= {"model", "tokenizer"}
    assert again.facts["tokenizer"] == scores.facts["tokenizer"]
    assert network.training


def test_a_causal_model_without_special_tokens_scores_sink(caplog):
    with caplog.at_level(logging.WARNING, "headscore"):
        scores = hs.score(
            tiny.network("llama"), TEXTS, tokenizer=tiny.tokenizer("llama"), roles="sink,delimiter"
        )
    assert "delimiter has no sieve: the tokenizer adds no special tokens" in caplog.text
    assert np.isfinite(scores.values[:, 0]).all()
    assert np.isnan(scores.values[:, 1]).all()
    # n visible keys, one of them the sink: the mean over i = 1..n of i
    lengths = [4, 2, 4, 1]
    want = [(n + 1) / 2 for n in lengths]
    np.testing.assert_allclose(scores.attainable[:, 0, 0], want, rtol=1e-6)


def test_progress_is_printed_to_stderr_only_on_request(folder, capsys):
    for progress, shown in ((True, True), (False, False), (None, False)):
        hs.score(folder, TEXTS, roles="local", progress=progress)
        out, err = capsys.readouterr()
        assert out == ""
        assert ("scoring" in err) == shown


def test_stages_record_the_seconds_of_each_stage(folder, pipeline):
    stopwatch = Stopwatch()
    runs.score_with(folder, TEXTS, ScoreOptions(roles="nsubj", parser=pipeline), stopwatch)
    want = {"load model", "read", "parse", "encode", "score", "sign"}
    want |= {"sieves", "forward", "kernel"}  # parts of scoring, each counted for itself
    assert set(stopwatch.seconds) == want
    assert min(stopwatch.seconds.values()) >= 0
    plain = Stopwatch()
    runs.score_with(folder, TEXTS, ScoreOptions(roles="local"), plain)
    assert set(plain.seconds) == want - {"load parser", "parse"}


def test_analyze_equals_score_then_test(folder, scores):
    options = {"tau": {"local": 1.2}, "alpha": 0.1, "adjust": "by"}
    whole = hs.analyze(folder, tiny.sequences(8), roles="local,sink", tau=1.1, alpha=0.1)
    halves = hs.test(hs.score(folder, tiny.sequences(8), roles="local,sink"), tau=1.1, alpha=0.1)
    assert whole.signature == halves.signature
    assert whole.table.equals(halves.table)
    with pytest.raises(hs.UsageError, match="sink"):
        hs.analyze(folder, tiny.sequences(8), roles="local,sink", **options)


def test_saved_scores_and_reports_are_loaded_unchanged(scores, tmp_path):
    scores.save(tmp_path / "scores.hs")
    again = hs.load(tmp_path / "scores.hs")
    for name in ("values", "attainable", "tokens"):
        np.testing.assert_array_equal(getattr(again, name), getattr(scores, name))
    assert (again.roles, again.sequence_ids, again.documents, again.counts) == (
        scores.roles,
        scores.sequence_ids,
        scores.documents,
        scores.counts,
    )
    assert again.signature == scores.signature
    report = hs.test(again, tau=1.5)
    report.save(tmp_path / "report.hs")
    assert hs.load(tmp_path / "report.hs").table.equals(report.table)


def test_non_finite_sequences_are_skipped_and_counted_or_raise(caplog):
    network = tiny.network("bert")
    word = tiny.VOCABULARY.index(tiny.BAD_WORD)
    network.embeddings.word_embeddings.weight.data[word] = torch.nan
    corpus = [f"{a} {b}" for a in tiny.ROOTS[:10] for b in tiny.ROOTS[:10]]
    corpus[42] = tiny.BAD_WORD
    options = {"tokenizer": tiny.tokenizer(), "roles": "local", "on_nonfinite": "skip"}
    scores = hs.score(network, corpus, **options)
    assert scores.counts == {"nonfinite_skipped": 1}
    assert np.flatnonzero(np.isnan(scores.values).any((1, 2, 3))).tolist() == [42]
    assert set(hs.test(scores, tau=1.0).table["n"]) == {99}
    with pytest.raises(hs.InputError, match="sequence '42', layer 0, head 0 holds NaN or Inf"):
        hs.score(network, corpus, **{**options, "on_nonfinite": "error"})
    corpus[7] += f" {tiny.BAD_WORD}"
    with pytest.raises(hs.IncompleteError, match="got 2 of 100"):
        hs.score(network, corpus, **options)


def test_a_custom_role_is_scored_with_a_built_in_one(folder):
    word = tiny.VOCABULARY.index("bal")

    def looks_at_bal(batch):
        key = np.where(batch.grid(batch.input_ids, fill=-1) == word, 0, -1)
        return hs.Labels(np.zeros_like(key), key)

    scores = hs.score(folder, ["bal dan", "gor mol"], roles=["local", hs.Role("bal", looks_at_bal)])
    assert scores.roles == ("local", "bal")
    assert np.isfinite(scores.values[0]).all()
    assert np.isnan(scores.values[1, 1]).all()


def test_check_analysis_validates_options_without_scores():
    check_analysis(
        AnalyzeOptions(roles="local,nsubj", tau={"local": 2, "nsubj": 3}, clusters="document")
    )
    with pytest.raises(hs.UsageError, match="tau must name roles of the scores, got 'nsbj'"):
        check_analysis(AnalyzeOptions(roles="local,nsubj", tau={"*": 3, "nsbj": 2}))


def test_public_functions_take_flat_keyword_only_options():
    for function, positional in (
        (hs.analyze, ["model", "corpus"]),
        (hs.score, ["model", "corpus"]),
        (hs.test, ["scores"]),
        (hs.compare, ["before", "after"]),
    ):
        parameters = inspect.signature(function).parameters
        kinds = {each: parameter.kind for each, parameter in parameters.items()}
        assert list(kinds)[: len(positional)] == positional
        options = set(kinds) - set(positional)
        assert {kinds[name] for name in options} == {inspect.Parameter.KEYWORD_ONLY}
        assert not options & {"stopwatch", "options"}
        assert all(f"\n{name}\n" in inspect.getdoc(function) for name in options)
    assert hs.test.__test__ is False
    assert inspect.signature(hs.test).parameters["tau"].default == TestOptions.tau == 3.0


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: hs.test(None, alpa=0.1), r"test\(\) got an .* 'alpa'; did you mean 'alpha'\?"),
        (lambda: hs.test(None, 3.0), r"test\(\) too many positional arguments"),
        (lambda: hs.score("model"), r"score\(\) missing a required argument: 'corpus'"),
    ],
)
def test_arguments_that_do_not_exist_raise_a_type_error(call, sentence):
    with pytest.raises(TypeError, match=sentence):
        call()
