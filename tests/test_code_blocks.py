"""Every code block of README and docs runs as it stands, page by page, on the demo."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from helpers import code_blocks, forked
from helpers.code_blocks import FENCED, blocks

from headscore.demo import demo_corpus

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "pages").glob("*.md"))]
QUICK = {"install", "own-attention", "own-roles", "reading"}
RUN = [
    pytest.param(page, id=page.stem, marks=[pytest.mark.slow] * (page.stem not in QUICK))
    for page in PAGES
    if any(blocks(page.read_text(encoding="utf-8")))
]


@pytest.fixture(scope="session")
def parser(tmp_path_factory, demo_sequences):
    """A spaCy pipeline that knows the first sentences of the demo, under a published name."""
    import spacy
    from spacy.tokens import Doc
    from spacy.training import Example

    path = tmp_path_factory.mktemp("pipelines") / "en_core_web_sm"
    pipeline = spacy.blank("en")
    pipeline.add_pipe("parser")
    examples = []
    for text in (sequence.segments[0] for sequence in demo_sequences[:60]):
        heads = [word if head < 0 else head for word, head in enumerate(text.heads)]
        parse = {"heads": heads, "deps": list(text.relations)}
        examples.append(Example.from_dict(Doc(pipeline.vocab, list(text.words)), parse))
    pipeline.initialize(lambda: examples)
    for _ in range(12):
        for start in range(0, len(examples), 12):
            pipeline.update(examples[start : start + 12])
    pipeline.to_disk(path)
    return path


def another_checkpoint(source, path):
    """The model after a bit of training: some weights of one layer have changed."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(source, path)
    weights = load_file(source / "model.safetensors")
    name = next(name for name in weights if name.endswith("layer.2.attention.self.query.weight"))
    weights[name] *= 1.5
    save_file(weights, path / "model.safetensors", {"format": "pt"})


@pytest.fixture
def readers_folder(tmp_path, minilm_path, parser):
    """What a reader has: the demo model as on the hub, a corpus, notes, a parser."""
    (tmp_path / "sentence-transformers").mkdir()
    (tmp_path / "sentence-transformers" / "all-MiniLM-L6-v2").symlink_to(minilm_path)
    another_checkpoint(minilm_path, tmp_path / "fine-tuned")
    (tmp_path / parser.name).symlink_to(parser)
    corpus = demo_corpus().read_text(encoding="utf-8")
    (tmp_path / "corpus.conllu").write_text(corpus, encoding="utf-8")
    texts = re.findall(r"^# text = (.*)", corpus, re.M)[:60]
    (tmp_path / "notes.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    return tmp_path


def test_shown_output_may_differ_from_the_printed_in_last_digits_only():
    printed = "1.8 ●  6.94  8.51e-08\n2.8 ●  6.37  2.24e-07\n"
    code_blocks.check("1.8 ●  6.94  8.50e-08\n...\n", printed)
    for wrong in ("1.8 ◐  6.94  8.51e-08", "1.8 ●  7.94  8.51e-08", "1.8 ●  6.94"):
        with pytest.raises(SystemExit, match="not printed"):
            code_blocks.check(wrong, printed)


def test_output_belongs_to_the_shell_block_right_above():
    page = "```bash\na\n```\n\n```text\nb\n```\n\n```bash\nc\n```\n\nso\n\n```text\nd\n```\n"
    assert [(block.code, block.output) for block in blocks(page)] == [("a\n", "b\n"), ("c\n", "")]


@pytest.mark.model
@pytest.mark.parametrize("page", RUN)
def test_the_blocks_of_a_page_run_in_order(page, readers_folder, tmp_path_factory):
    programs = tmp_path_factory.mktemp("programs")
    environment = {
        **os.environ,
        "HOME": str(programs),
        "COLUMNS": "100",  # as where there is no terminal
        "MPLBACKEND": "agg",
        "PYTHONIOENCODING": "utf-8",
    }
    ended = subprocess.run(
        [forked.python(), code_blocks.__file__, str(page), str(programs)],
        cwd=readers_folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-4000:]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_code_hides_in_other_blocks(page):
    text = page.read_text(encoding="utf-8")
    assert {language for _, language, _ in FENCED.findall(text)} <= {"python", "bash", "text"}
    outside = FENCED.sub("", text)
    assert "```" not in outside
    assert not re.findall(r"^    (?:headscore|python|pip|import) .*", outside, re.M)
