from headscore.arrays import Array
from headscore.backends.address import Address
from headscore.backends.contract import PlanArrays, Visibility

def instruction_set() -> str | None: ...
def instruction_sets() -> str: ...
def sieve_scores_qk(
    query: Address,
    key: Address,
    bias: Address | None,
    value: Address | None,
    plan: PlanArrays,
    visibility: Visibility,
    head_size: int,
    scale: float,
    softcap: float,
    scores: Array,
    token_values: Array | None,
    faults: Array,
    attended: Array | None,
    kv_heads: int,
    threads: int,
) -> None: ...
def sieve_scores_attention(
    attention: Address,
    plan: PlanArrays,
    visibility: Visibility,
    tolerance: float,
    scores: Array,
    token_values: Array | None,
    faults: Array,
    threads: int,
) -> None: ...
