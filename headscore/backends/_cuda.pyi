from headscore.backends.address import Address
from headscore.backends.contract import Visibility
from headscore.backends.cuda import Room
from headscore.backends.device_plan import DevicePlan

TILE_KEYS: int
MOST_ROWS: int
LEAST_ROWS: int
ROLES_AT_ONCE: int
PIECE_RUNS: int

def why_not(device: int) -> str: ...
def sieve_scores_qk(
    query: Address,
    key: Address,
    bias: Address | None,
    plan: DevicePlan,
    visibility: Visibility,
    room: Room,
    kv_heads: int,
    head_size: int,
    scale: float,
    softcap: float,
    device: int,
    stream: int,
) -> None: ...
def sieve_scores_attention(
    attention: Address,
    plan: DevicePlan,
    visibility: Visibility,
    room: Room,
    tolerance: float,
    device: int,
    stream: int,
) -> None: ...
