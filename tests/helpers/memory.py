"""The largest tensors that a call allocates."""

import tracemalloc

import torch


def largest_allocation(call):
    """Bytes of the largest tensor that torch allocates meanwhile, and numpy's peak."""
    tracemalloc.start()
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profile:
        call()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    events = profile.profiler.kineto_results.events()
    return max(event.nbytes() for event in events if event.name() == "[memory]"), peak
