"""A causal model made by hand that predicts repeated text by induction, and its loss.

Two layers of attention in a GPT-2 whose other parts do nothing. Head `PREVIOUS` writes at each
token which token is before it; head `INDUCTION` looks for the keys whose previous token is that of
the query, and writes their mean; what it writes are the logits, times `SHARPNESS`. Where a head
finds nothing it looks at `BEGIN`, of which `INDUCTION` writes nothing. All other heads attend at
random and write where nothing is read.
"""

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

WORDS, SIZE, HEADS = 24, 64, 4
BEGIN = 0  # this token begins each sequence, twice: a row that loses one still has the other
PREVIOUS, INDUCTION = (0, 0), (1, 2)  # (layer, head)
OTHERS = tuple((n, h) for n in (0, 1) for h in range(HEADS) if (n, h) not in (PREVIOUS, INDUCTION))
SHARPNESS = 6.0
LONGEST = SIZE - 1  # tokens; the last dimension of a head is that of `BEGIN`
_FOUND, _NOTHING = 100.0, 50.0  # logits: the rest of a row is below e^-50

# Dimensions of the hidden states: one-hot vectors of token, position, previous token, next token.
# Each comes with a -1 in `_BALANCE`, so that layer norm has no mean to subtract.
_STARTS = np.cumsum([0, WORDS, LONGEST, WORDS, WORDS])
_TOKEN, _POSITION, _BEFORE, _NEXT = (
    range(*each) for each in zip(_STARTS[:-1].tolist(), _STARTS[1:].tolist(), strict=True)
)
_BALANCE, _UNREAD = int(_STARTS[-1]), slice(int(_STARTS[-1]) + 1, None)


def induction_model(seed=0):
    """Make the model, in eval mode."""
    scale = 1e5  # of the norms' division, sqrt(epsilon): nothing else is of weight in it
    config = GPT2Config(
        vocab_size=WORDS, n_positions=LONGEST, n_embd=HEADS * SIZE, n_layer=2, n_head=HEADS,
        n_inner=1, layer_norm_epsilon=scale**2, tie_word_embeddings=False, attn_pdrop=0.0,
        embd_pdrop=0.0, resid_pdrop=0.0, bos_token_id=BEGIN, eos_token_id=BEGIN,
    )  # fmt: skip
    torch.manual_seed(seed)
    model = GPT2LMHeadModel(config).eval().requires_grad_(False)
    for name, weight in model.named_parameters():
        if ".ln_" in name:
            weight.fill_(scale if name.endswith("weight") else 0)
        elif ".attn." not in name:
            weight.zero_()
    body = model.transformer
    _one_hot(body.wte.weight, _TOKEN)
    _one_hot(body.wpe.weight, _POSITION)
    for layer in body.h:
        _idle(layer.attn)
    _previous(body.h[0].attn, PREVIOUS[1])
    _induction(body.h[1].attn, INDUCTION[1])
    model.lm_head.weight[range(WORDS), _NEXT] = SHARPNESS
    return model


def tokenizer():
    """Make the tokenizer of texts such as "3 7 3 7", whose words are token ids."""
    names = ["[BEGIN]", *map(str, range(1, WORDS))]
    pieces = Tokenizer(
        models.WordLevel({name: n for n, name in enumerate(names)}, unk_token="[BEGIN]")
    )
    pieces.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    pieces.post_processor = processors.TemplateProcessing(
        single="[BEGIN] [BEGIN] $A", special_tokens=[("[BEGIN]", BEGIN)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=pieces,
        bos_token="[BEGIN]",
        pad_token="[BEGIN]",
        model_max_length=LONGEST,
        model_input_names=["input_ids", "attention_mask"],
    )


def repeated(rng, n_sequences, *, distinct=False):
    """Return token ids of random texts written twice, of several lengths.

    No token follows itself; with `distinct` no token occurs twice in a text.
    """
    found = []
    for _ in range(n_sequences):
        n = int(rng.integers(4, WORDS - 4))
        text = rng.permutation(WORDS - 1)[:n]
        if not distinct:  # steps over half of the words, none of them 0 or back to the start
            steps = rng.integers(1, WORDS // 2, n)
            text = np.cumsum(steps) % (WORDS // 2)
            text = text[: n - int(text[0] == text[-1])]
        found.append([BEGIN, BEGIN, *(1 + np.tile(text, 2)).tolist()])
    return found


def earlier(ids):
    """Return what the head of induction finds: the earlier keys of each row, by plain loops."""
    return [
        [j for j in range(1, i) if ids[j - 1] == token and token != BEGIN]
        for i, token in enumerate(ids)
    ]


def written(ids, found):
    """Return (token, word): the mean of the tokens that each row finds, 0 where it finds none."""
    shares = np.zeros((len(ids), WORDS))
    for i, keys in enumerate(found):
        for j in keys:
            shares[i, ids[j]] += 1 / len(keys)
    return shares


def loss(ids, shares):
    """Return the loss of each next token, log sum_v exp(s c_v) - s c_next, s the sharpness."""
    logits = SHARPNESS * shares[:-1]
    return np.log(np.exp(logits).sum(1)) - logits[range(len(ids) - 1), ids[1:]]


def _one_hot(weight, dimensions):
    weight[range(len(dimensions)), dimensions] = 1
    weight[:, _BALANCE] = -1


def _parts(attention, head):
    """Return weights and biases of a head's queries, keys and values, and its output, as views."""
    size = attention.head_dim
    at = slice(head * size, (head + 1) * size)
    projections = attention.c_attn.weight.chunk(3, dim=1)
    biases = attention.c_attn.bias.chunk(3)
    return [each[:, at] for each in projections], biases[0][at], attention.c_proj.weight[at]


def _idle(attention):
    """Let all heads attend at random and write where nothing is read."""
    attention.c_attn.weight.normal_(std=1)
    output = attention.c_proj.weight
    output.zero_()
    output[:, _UNREAD].normal_(std=0.1)
    output[:, _UNREAD] -= output[:, _UNREAD].mean(1, keepdim=True)


def _cleared(attention, head):
    (query, key, value), bias, output = _parts(attention, head)
    for each in (query, key, value, output):
        each.zero_()
    # Dimension SIZE - 1 of every query finds the tokens `BEGIN`; q . k is divided by sqrt(SIZE).
    bias[-1] = SIZE**0.5
    key[_TOKEN[BEGIN], -1] = _NOTHING
    return query, key, value, output


def _previous(attention, head):
    query, key, value, output = _cleared(attention, head)
    places = range(LONGEST - 1)
    query[_POSITION[1:], places] = SIZE**0.5
    key[_POSITION[:-1], places] = _FOUND
    value[_TOKEN, range(WORDS)] = 1
    _one_hot(output[:WORDS], _BEFORE)


def _induction(attention, head):
    query, key, value, output = _cleared(attention, head)
    words = range(WORDS)
    query[_TOKEN, words] = SIZE**0.5
    key[_BEFORE, words] = _FOUND
    value[_TOKEN[1:], words[1:]] = 1  # nothing of `BEGIN`
    _one_hot(output[:WORDS], _NEXT)
