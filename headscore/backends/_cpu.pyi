from headscore.backends.address import Address
from headscore.backends.contract import PlanArrays, Visibility

class Plan:
    def __init__(self, plan: PlanArrays) -> None: ...

def instruction_set() -> str | None: ...
def instruction_sets() -> str: ...
def sieve_scores_qk(
    query: Address,
    key: Address,
    bias: Address | None,
    value: Address | None,
    plan: Plan,
    visibility: Visibility,
    scale: float,
    softcap: float,
    scores: int,
    token_values: int,
    faults: int,
    attended: int,
    heads: int,
    kv_heads: int,
    head_size: int,
    value_size: int,
    threads: int,
) -> None: ...
def sieve_scores_attention(
    attention: Address,
    plan: Plan,
    visibility: Visibility,
    tolerance: float,
    scores: int,
    token_values: int,
    faults: int,
    heads: int,
    threads: int,
) -> None: ...
