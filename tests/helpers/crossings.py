"""A second device without a GPU, whose tensors hold real numbers, and a count of what crosses.

Tensors of the second device say that they are on "meta", a device that every torch has; their
numbers lie in a CPU tensor inside. Every operation on them passes through `Second`, which counts
copies to and from the host and whatever makes the host wait for a number: ``.item()``, ``bool()``,
``nonzero``, masks as indices. A CPU tensor and one of the second device do not mix, as on a GPU.
"""

from collections import Counter

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

DEVICE = torch.device("meta")
aten = torch.ops.aten
# Their results have a size that depends on the numbers, or are numbers.
WAITING = {
    "_local_scalar_dense",
    "equal",
    "is_nonzero",
    "item",
    "masked_select",
    "nonzero",
    "nonzero_numpy",
    "unique_consecutive",
    "_unique2",
    "unique_dim",
    "is_pinned",
}
_COPIES = {"_to_copy", "copy_", "_pin_memory"}


class Tensor(torch.Tensor):
    """A tensor of the second device."""

    is_meta = False  # it has data

    @staticmethod
    def __new__(cls, inside):
        return torch.Tensor._make_wrapper_subclass(
            cls,
            inside.shape,
            strides=inside.stride(),
            storage_offset=inside.storage_offset(),
            dtype=inside.dtype,
            device=DEVICE,
        )

    def __init__(self, inside):
        self.inside = inside

    def __repr__(self):
        return f"Second({self.inside!r})"

    def data_ptr(self):
        """For kernels, which read numbers without torch."""
        return self.inside.data_ptr()

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        raise AssertionError(f"{function} outside of Second")


class Second(TorchDispatchMode):
    """Runs the operations of the second device, and counts crossings.

    Attributes
    ----------
    counts
        "to device", "to host" and "waits", by what was called.
    """

    def __init__(self):
        super().__init__()
        self.counts = Counter()
        self.places = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        given = [each for each in tree_flatten((args, kwargs))[0] if isinstance(each, torch.Tensor)]
        there = [isinstance(each, Tensor) for each in given]
        name = function.overloadpacket.__name__
        device = kwargs.get("device")
        asked = device is not None and torch.device(device) == DEVICE
        if not any(there) and not asked:
            return function(*args, **kwargs)
        self._count(name, function, args, kwargs, given, there)
        plain = tree_map(lambda each: each.inside if isinstance(each, Tensor) else each, args)
        options = tree_map(lambda each: each.inside if isinstance(each, Tensor) else each, kwargs)
        if asked:
            options["device"] = "cpu"
        result = function(*plain, **options)
        if name == "_local_scalar_dense":
            return result
        stays = asked or (any(there) and device is None)
        if name in ("copy_",) or (function._schema.name.endswith("_") and given):
            return args[0]
        if not stays:
            return result
        return tree_map(lambda each: Tensor(each) if type(each) is torch.Tensor else each, result)

    def _count(self, name, function, args, kwargs, given, there):
        device = kwargs.get("device")
        if name in ("_to_copy", "to") and device is not None:
            here = isinstance(args[0], Tensor)
            goes = torch.device(device) == DEVICE
            if here != goes:
                self._note("to device" if goes else "to host", name)
            return
        if name == "copy_" and there[0] != there[1]:
            self._note("to device" if there[0] else "to host", name)
            return
        indexed = name in ("index", "index_put", "index_put_", "_index_put_impl_") and any(
            each is not None and each.dtype in (torch.bool, torch.uint8) for each in args[1]
        )
        sized = name == "repeat_interleave" and kwargs.get("output_size") is None
        if name in WAITING or indexed or sized:
            self._note("waits", name)
        # Numbers of the host enter without waiting; any other tensor of it is an error on a GPU.
        mixed = [each for each, its in zip(given, there, strict=True) if not its and each.ndim]
        if mixed and any(there) and not indexed:
            raise RuntimeError(f"{function}: tensors of both devices")

    def _note(self, kind, name):
        import traceback

        self.counts[kind] += 1
        self.places.append((kind, name, traceback.extract_stack(limit=12)))


def move(network):
    """Move a model to the second device, where only `Second` can run it."""
    for module in network.modules():
        for kind in (module._parameters, module._buffers):
            for name, tensor in kind.items():
                if tensor is not None:
                    moved = Tensor(tensor.detach())
                    kind[name] = (
                        torch.nn.Parameter(moved, requires_grad=False)
                        if kind is module._parameters
                        else moved
                    )
    return network
