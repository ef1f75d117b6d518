"""Runner: run prepared batches through a model, with one copy to its device and one back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from headscore import backends
from headscore.backends import transfer
from headscore.backends.contract import Visibility
from headscore.model import forward
from headscore.model.load import Model, pad_id
from headscore.model.masks import Expected
from headscore.model.norms import OutputNorms
from headscore.options import RunOptions
from headscore.scores.pass_results import PassResults, collect
from headscore.scores.prepare import Facts, Prepared, named
from headscore.stopwatch import Stopwatch


@dataclass
class Runner:
    """A model, attached for scoring; what batches show of it is kept in `Model.visibilities`.

    Attributes
    ----------
    model, options, stopwatch
        As in `headscore.scores.batches.run_batches`.
    norms
        The norms that attention is multiplied by; None: attention alone is scored.
    """

    model: Model
    options: RunOptions
    stopwatch: Stopwatch
    norms: OutputNorms | None

    def run(self, prepared: Prepared) -> PassResults:
        """Run the model over a batch and bring the results to the host.

        Raises
        ------
        InputError
            As `forward.run_pass`.
        """
        with self.stopwatch.stage("forward"):
            tensors = self._load(prepared)
            current = self._pass(prepared, tensors, expecting=True)
        found = collect(current, self._compared(prepared, tensors))
        if found is not None:
            return found
        # Some mask was not as expected: read them all, which finds the right ones or raises.
        with self.stopwatch.stage("forward"):
            current = self._pass(prepared, tensors, expecting=False)
        for number, visibility in enumerate(current.visibilities):
            self.model.visibilities[number] = visibility
        found = collect(current, self._compared(prepared, tensors))
        assert found is not None
        return found

    def _load(self, prepared: Prepared) -> dict[str, torch.Tensor]:
        """Bring a batch to the device."""
        device = self.model.device
        if isinstance(prepared.arrays, transfer.Packed):
            tensors = transfer.load(prepared.arrays, device)
        else:
            tensors = {name: torch.from_numpy(array) for name, array in prepared.arrays.items()}
        backend = backends.choose(self.options.backend, device)
        for number, visibility in enumerate(prepared.visibilities):
            columns = named(tensors, f"{number} plan")
            backends.adopt(backend, prepared.plan, visibility, device, columns)
        return tensors

    def _pass(
        self, prepared: Prepared, tensors: dict[str, torch.Tensor], *, expecting: bool
    ) -> forward.Pass:
        """Run a pass, by what is known of the masks or by reading them."""
        current = forward.Pass(
            prepared.plan,
            self.model.route,
            self.options.backend,
            stopwatch=self.stopwatch,
            norms=self.norms,
        )
        if prepared.chosen is not None:
            current.real = torch.from_numpy(prepared.real)
            current.chosen = torch.from_numpy(prepared.chosen)
            current.order = tensors["order"]
        if self.model.route.cross:
            current.real = torch.from_numpy(prepared.real)
        elif expecting:
            padded = not prepared.real.all()
            current.expected = Expected(tensors["real"], padded, self.model.visibilities)
        forward.run_pass(self.model.network, named_inputs(tensors), current)
        return current

    @staticmethod
    def _compared(
        prepared: Prepared, tensors: dict[str, torch.Tensor]
    ) -> dict[Visibility, dict[str, torch.Tensor]]:
        """Return for each visibility the arrays of its comparison that are on the device."""
        found = {
            visibility: named(tensors, f"{number} compared")
            for number, visibility in enumerate(prepared.visibilities)
        }
        return {visibility: arrays for visibility, arrays in found.items() if arrays}


@contextmanager
def running(model: Model, options: RunOptions, stopwatch: Stopwatch) -> Iterator[Runner]:
    """Prepare a model for scoring; restore its mode and attention afterwards.

    Raises
    ------
    UsageError, BackendError
        As `headscore.backends.choose`.
    InputError
        The norms of the values cannot be used.
    """
    backends.choose(options.backend, model.device)
    norms = None
    if options.weights == "norm":
        norms = OutputNorms(model.network, model.route, paired=model.part.paired)
    with forward.attached(model.network, model.route, model.part):
        if norms is not None:
            norms.check_reached()
        if model.route.returned:
            model.visibilities.update(enumerate(model.route.visibilities))
        yield Runner(model, options, stopwatch, norms)


def model_facts(model: Model, options: RunOptions) -> Facts:
    """Return what `prepare` needs to know of a model, with the visibilities known by now."""
    pad = pad_id(model.tokenizer)
    assert pad is not None  # load() has checked it
    return Facts(
        pad=pad,
        token_types=reads_token_types(model),
        device=model.device.type,
        backend=backends.name_of(backends.choose(options.backend, model.device)),
        cross=model.route.cross,
        visibilities=tuple(dict.fromkeys(model.visibilities.values())),
    )


def named_inputs(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the inputs of the model."""
    read = ("input_ids", "attention_mask")
    names = (*read, "token_type_ids", *(f"decoder_{name}" for name in read))
    return {name: tensors[name] for name in names if name in tensors}


def reads_token_types(model: Model) -> bool:
    """Return whether the tokenizer lists token types among the model's inputs."""
    return "token_type_ids" in getattr(model.tokenizer, "model_input_names", ())
