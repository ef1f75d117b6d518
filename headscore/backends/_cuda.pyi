from types import SimpleNamespace

from headscore.backends import device_room
from headscore.backends.address import Address
from headscore.backends.contract import Visibility
from headscore.backends.device_plan import DevicePlan

TILE_KEYS: int
MOST_ROWS: int
LEAST_ROWS: int
ROLES_AT_ONCE: int
PIECE_RUNS: int

POSITION_ROWS: int

class Plan:
    def __init__(self, plan: DevicePlan) -> None: ...

class Workspace:
    def __init__(self, workspace: device_room.Workspace) -> None: ...

def why_not(device: int) -> str: ...
def sieve_scores_qk(
    query: Address,
    key: Address,
    bias: Address | None,
    plan: Plan,
    visibility: Visibility,
    workspace: Workspace,
    scores: int,
    token_values: int,
    faults: int,
    kv_heads: int,
    head_size: int,
    scale: float,
    softcap: float,
    stream: int,
) -> None: ...
def sieve_scores_attention(
    attention: Address,
    plan: Plan,
    visibility: Visibility,
    workspace: Workspace,
    scores: int,
    token_values: int,
    faults: int,
    tolerance: float,
    stream: int,
) -> None: ...
def control_position(
    comparison: SimpleNamespace,
    scores: int,
    counted: int,
    excess: int,
    sums: int,
    roles: int,
    heads: int,
    stream: int,
) -> None: ...
