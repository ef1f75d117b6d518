"""Results of experiments on heads, made by a generator."""

import numpy as np

from headscore.causal.values import HEADS, KEEP, KNOCKOUT, MATCHED, PLACEBO, ArmValues, EffectValues

EFFECTS = {KNOCKOUT: 0.3, PLACEBO: 0.02, KEEP: 0.1, HEADS: 0.4, MATCHED: 0.05}


def arm_of(
    role, arm, delta, *, number=0, heads=((0, 1), (1, 0)), divergence=None, share=0.4, **parts
):
    """An arm whose deltas are those; half of the tokens are rows of the role."""
    n = len(delta)
    whole = arm in (HEADS, MATCHED)
    made = {
        "role": role,
        "arm": arm,
        "number": number,
        "heads": heads,
        "delta": np.asarray(delta, float),
        "at_rows": np.asarray(delta, float) / share,
        "elsewhere": np.zeros(n) * np.asarray(delta, float),
        "divergence": np.abs(delta) if divergence is None else np.asarray(divergence, float),
        "edges": np.zeros(n, np.int64) if whole else np.full(n, 5),
        "same_offset": 0.9 if arm == PLACEBO else np.nan,
        "norm_ratio": 1.0 + number / 100 if arm == MATCHED else np.nan,
    }
    return ArmValues(**{**made, **parts})


def values_of(arms, roles, *, documents=None, clean=None, unit="nats a token", **parts):
    """The results of an experiment with these arms."""
    n = len(arms[0].delta)
    made = {
        "arms": tuple(arms),
        "roles": tuple(roles),
        "clean": np.full(n, 3.0) if clean is None else clean,
        "unit": unit,
        "sequence_ids": tuple(f"s{number}" for number in range(n)),
        "documents": documents,
        "facts": {"headscore": "1", "model": "some/model", "metric": "nll"},
        "counts": {"passes": 7},
    }
    return EffectValues(**{**made, **parts})


def noise(rng, n, documents, *, icc=0.0, skewed=True):
    """Deltas of mean 0 and standard deviation 1, alike within a document, skewed to the right."""

    def draw(size):
        return rng.gamma(1, 1, size) - 1 if skewed else rng.normal(0, 1, size)

    of_document = draw(documents)[np.arange(n) * documents // n]
    return np.sqrt(icc) * of_document + np.sqrt(1 - icc) * draw(n)


def made(
    effects=None,
    *,
    n=200,
    documents=40,
    icc=0.1,
    sd=0.2,
    sets=5,
    seed=0,
    skewed=True,
    **parts,
):
    """An experiment with planted mean effects: role -> arm -> mean; arms left out have none.

    An arm is noisy around its mean; what a sequence loses in one arm it also tends to lose in the
    others.
    """
    rng = np.random.default_rng(seed)
    effects = {"induction": EFFECTS, "previous": {}} if effects is None else effects
    arms = []
    for role, means in effects.items():
        common = noise(rng, n, documents, icc=icc, skewed=skewed)
        for arm in (KNOCKOUT, PLACEBO, KEEP, HEADS, *[MATCHED] * sets):
            own = noise(rng, n, documents, icc=icc, skewed=skewed)
            number = sum(each.role == role and each.arm == MATCHED for each in arms)
            delta = means.get(arm, 0.0) + sd * (0.6 * common + 0.8 * own)
            arms.append(arm_of(role, arm, delta, number=number if arm == MATCHED else 0))
    names = tuple(f"d{number * documents // n}" for number in range(n))
    return values_of(arms, effects, documents=names, **parts)
