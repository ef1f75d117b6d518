"""A tiny decoder in the wrappers of other libraries, and with weights that are no plain tensors."""

import warnings

import torch
import transformers

import headscore as hs
from helpers import tiny

ROLES = "local,offset:-1,sink"
TEXTS = [
    "bal dan gor mel.",
    "ketsing bar gonly mer del bons. bal",
    "der ban",
    "moted gal kels bor bonly del mat.",
]


def model():
    torch.manual_seed(0)
    config = transformers.LlamaConfig(**tiny.CONFIGS["llama"], pad_token_id=3)
    return transformers.LlamaForCausalLM(config).eval()


def tokenizer():
    return tiny.tokenizer("llama")


def batch():
    padded = tokenizer()
    padded.pad_token = padded.eos_token
    return padded(TEXTS, padding=True, return_tensors="pt")


class Own(torch.nn.Module):
    """A module of a user that holds a model."""

    def __init__(self, inner):
        super().__init__()
        self.decoder = inner

    def forward(self, **inputs):
        return self.decoder(**inputs)


def compiled(inner):
    return torch.compile(inner, backend="eager")


def compiled_in_place(inner):
    inner.compile(backend="eager")
    return inner


def pipeline(inner):
    return transformers.pipeline("text-generation", model=inner, tokenizer=tokenizer())


def distributed(inner):
    import torch.distributed as dist

    if not dist.is_initialized():
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    return torch.nn.parallel.DistributedDataParallel(inner)


def lora(inner):
    import peft

    return peft.get_peft_model(inner, peft.LoraConfig()).eval()


def prompt_tuning(inner):
    import peft

    config = peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
    return peft.get_peft_model(inner, config).eval()


def prefix_tuning(inner):
    import peft

    config = peft.PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
    return peft.get_peft_model(inner, config).eval()


def nnsight(inner):
    from nnsight.modeling.transformers import TransformersModel

    return TransformersModel(inner, tokenizer=tokenizer(), task="text-generation")


def prepared(inner):
    from accelerate import Accelerator

    return Accelerator(cpu=True).prepare(inner)


def offloaded(inner):
    from accelerate import cpu_offload

    return cpu_offload(inner, execution_device="cpu")


def on_disk(inner, folder):
    inner.save_pretrained(folder / "model")
    places = {name: "cpu" for name, _ in inner.model.named_children()} | {"layers.1": "disk"}
    places = {f"model.{name}": place for name, place in places.items() if name != "layers"}
    places |= {"model.layers.0": "cpu", "model.layers.2": "cpu", "lm_head": "cpu"}
    return type(inner).from_pretrained(
        folder / "model", device_map=places, offload_folder=folder / "off"
    )


def dynamic(inner):
    return torch.ao.quantization.quantize_dynamic(inner, {torch.nn.Linear}, dtype=torch.qint8)


def _is_layer(module, name):
    return isinstance(module, torch.nn.Linear) and "lm_head" not in name


def torchao(inner):
    from torchao.quantization import Int8WeightOnlyConfig, quantize_

    quantize_(inner, Int8WeightOnlyConfig(), filter_fn=_is_layer)
    return inner


def quanto(inner):
    from optimum.quanto import freeze, qint8, quantize

    quantize(inner, weights=qint8)
    freeze(inner)
    return inner


def bitsandbytes(inner):
    import bitsandbytes

    for layer in inner.model.layers:
        for name in ("q_proj", "k_proj"):
            old = getattr(layer.self_attn, name)
            new = bitsandbytes.nn.Linear4bit(
                old.in_features, old.out_features, bias=False, compute_dtype=torch.float32
            )
            new.weight = bitsandbytes.nn.Params4bit(old.weight.data.clone(), requires_grad=False)
            setattr(layer.self_attn, name, new.to("cpu"))
    return inner


# Objects that wrap a model of the same function: what makes them, and the package it needs.
WRAPPERS = {
    "torch.compile": (compiled, "torch"),
    "model.compile": (compiled_in_place, "torch"),
    "DataParallel": (torch.nn.DataParallel, "torch"),
    "DistributedDataParallel": (distributed, "torch"),
    "pipeline": (pipeline, "transformers"),
    "accelerate prepare": (prepared, "accelerate"),
    "accelerate cpu_offload": (offloaded, "accelerate"),
    "PEFT LoRA": (lora, "peft"),
    "nnsight": (nnsight, "nnsight"),
}
# Objects that are refused, and a part of the sentence.
REFUSED = {
    "PEFT prompt tuning": (prompt_tuning, "peft", "adds 3 virtual tokens to every text"),
    "PEFT prefix tuning": (prefix_tuning, "peft", "adds 3 virtual tokens to every text"),
    "own module": (Own, "torch", "which holds one: pass its .decoder"),
}
# Models whose weights are quantised: another function than the plain model.
QUANTISED = {
    "dynamic int8": (dynamic, "torch"),
    "torchao int8": (torchao, "torchao"),
    "quanto int8": (quanto, "optimum"),
    "bitsandbytes 4 bit": (bitsandbytes, "bitsandbytes"),
}


def made(make):
    """The model, wrapped."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the libraries, on their own past and future
        return make(model())


def scores(given):
    """Scores of the corpus."""
    return hs.score(given, TEXTS, roles=ROLES, tokenizer=tokenizer())


def captured(given, call=None):
    """Scores of a call of the model, captured."""
    with torch.no_grad(), hs.capture(given, ROLES, tokenizer=tokenizer()) as run:
        (given if call is None else call)(**batch())
    return run.scores()
