"""Tiny models with random weights, tokenizers and sequences to run them on."""

import numpy as np
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

from headscore.corpus.sequence import Segment, Sequence
from headscore.encoding import encode as encode_all
from headscore.model.load import load_model
from headscore.options import LoadOptions
from helpers import loops

SPECIALS = ("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")  # the pad id is not 0
ROOTS = tuple(a + b + c for a in "bdgkm" for b in "aeo" for c in "lnrt")
SUFFIXES = ("##ing", "##s", "##ed", "##ly")
VOCABULARY = (*SPECIALS, ".", *ROOTS, *SUFFIXES)
BAD_WORD = ROOTS[-1]  # the word whose embedding tests spoil; random sequences do without it
RELATIONS = ("nsubj", "obj", "amod", "advmod", "det", "dobj")
ROLES = (
    "local,syntactic,nsubj,obj,amod,advmod,block,delimiter,delimiter_cls,delimiter_sep,"
    "local:0,offset:-1,block_plain,sink,amod@both,advmod@head2dep"
)

SIZES = {
    "vocab_size": 200,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 128,
    "initializer_range": 0.3,  # attention far from uniform
}
_GPT2 = {"vocab_size": 200, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 128}
CONFIGS = {
    "bert": SIZES,
    "roberta": {**SIZES, "type_vocab_size": 1},
    "distilbert": {
        "vocab_size": 200,
        "dim": 32,
        "n_layers": 2,
        "n_heads": 4,
        "hidden_dim": 64,
        "max_position_embeddings": 128,
        "initializer_range": 0.3,
    },
    "electra": {**SIZES, "embedding_size": 16},
    "albert": {**SIZES, "embedding_size": 16},
    "gpt2": {**_GPT2, "initializer_range": 0.3, "scale_attn_by_inverse_layer_idx": True},
    "xlnet": {
        "vocab_size": 200,
        "d_model": 32,
        "n_layer": 3,
        "n_head": 4,
        "d_inner": 64,
        "initializer_range": 0.3,
    },
    "llama": {**SIZES, "num_key_value_heads": 2},
}
ENCODERS = ("bert", "roberta", "distilbert", "electra", "albert")
DECODERS = ("gpt2", "llama")
FAMILIES = (*ENCODERS, *DECODERS)


def tokenizer(family="bert"):
    """A WordPiece tokenizer that adds the special tokens of the family."""
    pieces = Tokenizer(
        models.WordPiece({token: n for n, token in enumerate(VOCABULARY)}, unk_token="[UNK]")
    )
    pieces.normalizer = normalizers.Lowercase()
    pieces.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    names = {"unk_token": "[UNK]", "model_max_length": 128}
    if family in DECODERS:
        names["eos_token"] = "[SEP]"
    else:
        between = "[SEP] [SEP]" if family == "roberta" else "[SEP]"
        types = "0" if family == "roberta" else "1"
        pieces.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]",
            pair=f"[CLS] $A {between} $B:{types} [SEP]:{types}",
            special_tokens=[("[CLS]", 1), ("[SEP]", 2)],
        )
        names.update(cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]", mask_token="[MASK]")
    inputs = ["input_ids", "attention_mask"]
    if family in ("bert", "electra", "albert"):
        inputs.append("token_type_ids")
    names["model_input_names"] = inputs
    return PreTrainedTokenizerFast(tokenizer_object=pieces, **names)


def network(family="bert", seed=0, **changes):
    """A model with random weights, the same for the same seed."""
    torch.manual_seed(seed)
    config = AutoConfig.for_model(
        family, **{**CONFIGS.get(family, SIZES), "pad_token_id": 3, **changes}
    )
    return AutoModel.from_config(config)


def load(family="bert", seed=0, **changes):
    """A tiny model of a family as `headscore.model.load.Model`."""
    return load_model(network(family, seed, **changes), LoadOptions(tokenizer=tokenizer(family)))


def save(folder, family="bert", seed=0, **changes):
    """Save a tiny model with its tokenizer; returns the folder as text."""
    network(family, seed, **changes).save_pretrained(folder)
    tokenizer(family).save_pretrained(folder)
    return str(folder)


def segment(rng, n_words, reach=None):
    """Random words of one to three pieces with a random tree over them.

    With `reach` a word's head is one of so many words before it, as in long texts.
    """
    words = [
        str(rng.choice(ROOTS[:-1]))
        + "".join(suffix[2:] for suffix in rng.choice(SUFFIXES, rng.integers(0, 3)))
        for _ in range(n_words)
    ]
    order = rng.permutation(n_words).tolist()  # from the root on, each below an earlier one
    if reach is not None:
        order = list(range(n_words))
    heads, relations = [-1] * n_words, ["root"] * n_words
    for place, word in enumerate(order[1:], start=1):
        heads[word] = order[int(rng.integers(max(0, place - (reach or place)), place))]
        relations[word] = str(rng.choice(RELATIONS))
    return Segment.from_words(words, heads, relations)


def sequences(n_sequences, seed=0, longest=20):
    """Parsed texts and pairs of texts of 1 to `longest` words each, in no order of length."""
    rng = np.random.default_rng(seed)
    return [
        Sequence(
            f"s{n}",
            tuple(segment(rng, int(rng.integers(1, longest + 1))) for _ in range(1 + n % 2)),
        )
        for n in range(n_sequences)
    ]


def encode(loaded, items):
    """Encode sequences for a model."""
    return encode_all(items, loaded.tokenizer, max_length=loaded.max_length)


def eager_attentions(network, inputs):
    """Attention of every layer, (batch, head, T, T) each, from the model run eagerly."""
    before, training = network.config._attn_implementation, network.training
    network.set_attn_implementation("eager")
    network.eval()
    with torch.inference_mode():
        outputs = network(**inputs, output_attentions=True, use_cache=False)
    network.set_attn_implementation(before)
    network.train(training)
    return outputs.attentions


def loop_scores(
    attentions, encoded, sequence, roles, *, causal=False, window=None, layers=None, heads=None
):
    """Scores (role, layer, head) of one sequence by plain loops, NaN = takes no part."""
    layers = range(len(attentions)) if layers is None else layers
    heads = range(attentions[0].shape[1]) if heads is None else heads
    start, end = encoded.offsets[sequence : sequence + 2]
    special, segments = (each[start:end].tolist() for each in (encoded.special, encoded.segments))
    pairs = _pairs(encoded, sequence)
    first, last = encoded.keyed.offsets[sequence : sequence + 2]
    n, keys = int(end - start), int(last - first)
    scores = np.full((len(roles), len(layers), len(heads)), np.nan)
    for at_layer, layer in enumerate(layers):
        for at_head, head in enumerate(heads):
            rows = attentions[layer][sequence, head, :n, :keys].double().tolist()
            for r, role in enumerate(roles):
                if encoded.source is None:
                    score = loops.score(rows, role, special, segments, pairs, causal, window)
                else:
                    marks = encoded.source.special[first:last].tolist()
                    score = loops.source_score(rows, role, marks, pairs)
                scores[r, at_layer, at_head] = np.nan if score is None else score
    return scores


def _pairs(encoded, sequence):
    """relation -> (dependent positions, head positions) of one sequence."""
    pairs = encoded.pairs
    found = {}
    for p in range(int(pairs.offsets[sequence]), int(pairs.offsets[sequence + 1])):
        sides = (
            at[slice(*offsets[p : p + 2])].tolist()
            for offsets, at in (
                (pairs.dependent_offsets, pairs.dependents),
                (pairs.head_offsets, pairs.heads),
            )
        )
        found.setdefault(encoded.relation_names[pairs.relation[p]], []).append(tuple(sides))
    return found
