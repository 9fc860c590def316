"""Makes tests/reference/fixtures: PyTorch's forward, backward and optimizer steps in float64.

    /usr/bin/python3 tests/reference/make_fixtures.py [folder]

Needs Debian's python3-torch and python3-numpy. Development-only: the fixtures are committed.
"""

import json
import pathlib
import sys

import torch

import policy_losses
import preference_losses
import reference_model
import reference_optimizers as optimizers
import safetensors_file


def model(n_layers, d_model, n_heads, d_head, d_mlp, n_ctx, **rest):
    """A kiln "model" object: GPT-2's choices where `rest` does not say otherwise."""
    config = {
        "n_layers": n_layers,
        "d_model": d_model,
        "n_heads": n_heads,
        "n_kv_heads": n_heads,
        "d_head": d_head,
        "d_mlp": d_mlp,
        "n_ctx": n_ctx,
        "activation": "gelu_new",
        "norm": "layernorm",
        "position": "learned",
        "rope_theta": 10000.0,
        "bias": True,
        "qk_norm": False,
        "tie_embeddings": True,
        "dropout": 0.0,
        "norm_epsilon": 1e-5,
    }
    assert set(rest) <= set(config)
    return {**config, **rest}


ROTARY = {"norm": "rmsnorm", "position": "rope", "bias": False, "tie_embeddings": False}

# name: (seed, B, T, config)
MODELS = {
    "gpt2": (1, 3, 9, {"vocab_size": 29, "model": model(2, 16, 2, 8, 64, 12)}),
    "llama": (
        2,
        2,
        11,
        {
            "vocab_size": 31,
            "model": model(2, 24, 4, 6, 32, 16, n_kv_heads=2, activation="swiglu", **ROTARY),
        },
    ),
    "modern": (
        3,
        2,
        10,
        {
            "vocab_size": 23,
            "model": model(2, 20, 2, 8, 48, 10, activation="relu2", qk_norm=True, **ROTARY),
        },
    ),
    "alibi": (
        4,
        2,
        14,
        {
            "vocab_size": 17,
            "model": model(1, 16, 4, 4, 40, 14, activation="gelu", position="alibi"),
        },
    ),
}

# name: (seed, lengths of the sequences, config)
PACKED = {
    "packed_gpt2": (5, (7, 3, 12, 1, 9), MODELS["gpt2"][3]),
    "packed_llama": (6, (11, 1, 16, 4), MODELS["llama"][3]),
}

TRAJECTORY = {
    "steps": 20,
    "batch_size": 3,
    "sequence_length": 9,
    "clip_norm": 1.0,
    "schedule": "cosine",
    "warmup_steps": 5,
    "min_ratio": 0.1,
}
BATCH_SEED = 14  # of 160 tried, the one that keeps Lion's signs furthest from flipping

SGD = {"learning_rate": 0.1, "momentum": 0.9}
ADAM = {"learning_rate": 0.01, "betas": [0.9, 0.99], "epsilon": 1e-8}
MUON = {
    "learning_rate": 0.02,
    "momentum": 0.95,
    "newton_schulz_steps": 5,
    "weight_decay": 0.1,
    "auxiliary": {**ADAM, "weight_decay": 0.1},
}

# name: (model, kind, settings). The last proves Muon's split of gated and grouped-query matrices.
RUNS = {
    "sgd": ("gpt2", "sgd", {**SGD, "nesterov": False, "weight_decay": 0.0}),
    "sgd_nesterov": ("gpt2", "sgd", {**SGD, "nesterov": True, "weight_decay": 0.0}),
    "adam": ("gpt2", "adam", {**ADAM, "weight_decay": 0.0}),
    "adamw": ("gpt2", "adamw", {**ADAM, "weight_decay": 0.1}),
    "lion": (
        "gpt2",
        "lion",
        {"learning_rate": 0.001, "betas": [0.9, 0.99], "weight_decay": 0.1},
    ),
    "muon": ("gpt2", "muon", MUON),
    "muon_llama": ("llama", "muon", MUON),
}


def random_sequences(shape, V):
    """ids (..,T) and the targets (..,T) that follow them, cut from random sequences (..,T+1)."""
    ids = torch.randint(V, (*shape[:-1], shape[-1] + 1))
    return ids[..., :-1], ids[..., 1:]


def make_model(name):
    """Returns (config, weights, ids, targets) of a model fixture."""
    seed, B, T, config = MODELS[name]
    torch.manual_seed(seed)
    weights = reference_model.random_weights(config)
    return (config, weights, *random_sequences((B, T), config["vocab_size"]))


def make_packed(name):
    """Returns (config, lengths, weights, ids (1,N), scored (M), targets (M), row_weights (M))."""
    seed, lengths, config = PACKED[name]
    torch.manual_seed(seed)
    weights = reference_model.random_weights(config)
    N = sum(lengths)
    ids = torch.randint(config["vocab_size"], (1, N))
    scored = (torch.rand(N) < 0.6).nonzero()[:, 0]  # the supervised rows of a conversation
    targets = torch.randint(config["vocab_size"], scored.shape)
    row_weights = 0.25 + torch.rand(scored.shape)
    return config, lengths, weights, ids, scored, targets, row_weights


def make_batches():
    """ids, targets (steps,B,T), valid for gpt2 and for llama, whose vocabulary is larger."""
    torch.manual_seed(BATCH_SEED)
    shape = [TRAJECTORY[key] for key in ("steps", "batch_size", "sequence_length")]
    return random_sequences(shape, MODELS["gpt2"][3]["vocab_size"])


def make_optimizer(kind, config, weights, s):
    def adam(s):
        return {
            "lr": s["learning_rate"],
            "betas": tuple(s["betas"]),
            "eps": s["epsilon"],
            "weight_decay": s["weight_decay"],
        }

    if kind == "sgd":
        return optimizers.Torch(
            torch.optim.SGD,
            weights,
            lr=s["learning_rate"],
            momentum=s["momentum"],
            nesterov=s["nesterov"],
        )
    if kind in ("adam", "adamw"):
        torch_kind = torch.optim.Adam if kind == "adam" else torch.optim.AdamW
        return optimizers.Torch(torch_kind, weights, **adam(s))
    if kind == "lion":
        return optimizers.Lion(weights, s["learning_rate"], s["betas"], s["weight_decay"])
    return optimizers.Muon(
        config,
        weights,
        s["learning_rate"],
        s["momentum"],
        s["newton_schulz_steps"],
        s["weight_decay"],
        adam(s["auxiliary"]),
    )


def train(run, dtype=torch.float64):
    """Returns ({loss, grad_norm, lr_multiplier: lists}, final weights, the optimizer)."""
    model_name, kind, settings = RUNS[run]
    config, weights, _, _ = make_model(model_name)
    weights = {name: w.to(dtype) for name, w in weights.items()}
    gpt = reference_model.Gpt(config)
    optimizer = make_optimizer(kind, config, weights, settings)
    ids, targets = make_batches()
    log = {"loss": [], "grad_norm": [], "lr_multiplier": []}
    for step in range(TRAJECTORY["steps"]):
        loss, gradients = gpt.gradients(weights, ids[step], targets[step])
        multiplier = optimizers.schedule(
            step, TRAJECTORY["steps"], TRAJECTORY["warmup_steps"], TRAJECTORY["min_ratio"]
        )
        log["loss"].append(loss.item())  # before the update
        log["grad_norm"].append(optimizers.clip(gradients, TRAJECTORY["clip_norm"]))
        log["lr_multiplier"].append(multiplier)
        with torch.no_grad():
            optimizer.step(gradients, multiplier)
    return log, weights, optimizer


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1) + "\n")


def write_models(folder):
    for name in MODELS:
        config, weights, ids, targets = make_model(name)
        gpt = reference_model.Gpt(config)
        loss, gradients = gpt.gradients(weights, ids, targets)
        tensors = dict(weights)
        tensors.update({"grad." + key: value for key, value in gradients.items()})
        tensors["logits"] = gpt.logits(weights, ids)
        tensors["loss"] = loss.reshape(1)
        tensors["input_ids"], tensors["targets"] = ids, targets
        safetensors_file.write(folder / (name + ".safetensors"), tensors)
        write_json(folder / (name + ".json"), config)


def write_packed(folder):
    for name in PACKED:
        config, lengths, weights, ids, scored, targets, row_weights = make_packed(name)
        gpt = reference_model.PackedGpt(config, lengths, scored, row_weights)
        loss, gradients = gpt.gradients(weights, ids, targets)
        tensors = dict(weights)
        tensors.update({"grad." + key: value for key, value in gradients.items()})
        tensors["logits"] = gpt.logits(weights, ids)[0]
        tensors["loss"] = loss.reshape(1)
        tensors["input_ids"], tensors["targets"], tensors["scored"] = ids[0], targets, scored
        tensors["row_weights"] = row_weights
        safetensors_file.write(folder / (name + ".safetensors"), tensors)
        write_json(folder / (name + ".json"), {**config, "lengths": lengths})


def write_trajectories(folder):
    ids, targets = make_batches()
    tensors, runs = {"input_ids": ids, "targets": targets}, {}
    for run, (model_name, kind, settings) in RUNS.items():
        log, weights, _ = train(run)
        tensors.update({f"final.{run}.{name}": w for name, w in weights.items()})
        # 12 digits: far beyond float32, short of what another machine's rounding would change.
        log = {key: [float(f"{x:.12g}") for x in values] for key, values in log.items()}
        runs[run] = {"model": model_name, "optimizer": kind, "settings": settings, **log}
    safetensors_file.write(folder / "trajectories.safetensors", tensors)
    write_json(folder / "trajectories.json", {**TRAJECTORY, "runs": runs})


def write_preferences(folder):
    write_json(folder / "preferences.json", preference_losses.fixture())
    write_json(folder / "policy.json", policy_losses.fixture())


def main():
    here = pathlib.Path(__file__).resolve().parent
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here / "fixtures"
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # the order of sums stays the same, and so does every bit
    write_models(folder)
    write_packed(folder)
    write_trajectories(folder)
    write_preferences(folder)


if __name__ == "__main__":
    main()
