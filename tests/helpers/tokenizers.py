"""Kinds of tokenizer, trained on a few sentences."""

from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

SENTENCES = [
    "The dog barked at the other dog, didn't it?",
    "Él vió cafés naïve in the café.",
    "我喜欢猫 和 狗",
    "nice 🙂 emoji 👩‍👧 gonna bark, transformational barking dogs",
] * 4
SPECIALS = ["<pad>", "<unk>", "<s>", "</s>"]


def trained(model, trainer, pre_tokenizer, normalizer, pair):
    tokenizer = Tokenizer(model)
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, pre_tokenizer
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair=pair, special_tokens=[("<s>", 2), ("</s>", 3)]
    )
    names = {"bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>", "sep_token": "</s>"}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", **names
    )


def word_piece():
    return trained(
        models.WordPiece(unk_token="<unk>"),
        trainers.WordPieceTrainer(vocab_size=110, special_tokens=SPECIALS, show_progress=False),
        pre_tokenizers.BertPreTokenizer(),
        normalizers.BertNormalizer(),
        "<s> $A </s> $B:1 </s>:1",
    )


def byte_level_bpe():
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    options = {"vocab_size": 310, "initial_alphabet": alphabet, "show_progress": False}
    return trained(
        models.BPE(),
        trainers.BpeTrainer(special_tokens=SPECIALS, **options),
        pre_tokenizers.ByteLevel(add_prefix_space=True),
        normalizers.Sequence([]),
        "<s> $A </s> </s> $B </s>",
    )


def unigram():
    options = {"special_tokens": SPECIALS, "unk_token": "<unk>", "show_progress": False}
    return trained(
        models.Unigram(),
        trainers.UnigramTrainer(vocab_size=90, **options),
        pre_tokenizers.Metaspace(),
        normalizers.NFKC(),
        "<s> $A </s> </s> $B </s>",
    )


def llama(spaces="prepended"):
    """As Llama, Gemma and Mistral: without a pre-tokenizer that splits, unknown letters as bytes.

    `spaces` names what turns spaces to ▁: a normalizer, also before the text (Llama 2); only
    between words (Gemma); or a pre-tokenizer that does not split (Llama 2 as converted later).
    """
    model = models.BPE(byte_fallback=True, unk_token="<unk>")
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    alphabet = [f"<0x{byte:02X}>" for byte in range(256)]
    names = ["<unk>", "<s>", "</s>", *alphabet]
    tokenizer.train_from_iterator(
        SENTENCES, trainers.BpeTrainer(vocab_size=359, special_tokens=names, show_progress=False)
    )
    replace = normalizers.Replace(" ", "▁")
    ways = {
        "prepended": (normalizers.Sequence([normalizers.Prepend("▁"), replace]), None),
        "replaced": (replace, pre_tokenizers.Split(" ", "merged_with_previous")),
        "metaspace": (
            normalizers.Sequence([]),
            pre_tokenizers.Metaspace(prepend_scheme="first", split=False),
        ),
    }
    normalizer, pre_tokenizer = ways[spaces]
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, pre_tokenizer
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


KINDS = {"wordpiece": word_piece, "bpe": byte_level_bpe, "unigram": unigram}
TOKENIZERS = {}
