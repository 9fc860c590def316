"""Doubts the fixtures: other formulas, central differences, byte-for-byte remaking, float32 runs.

    /usr/bin/python3 tests/reference/check_fixtures.py

Prints what it measured, and raises AssertionError where something is off.
"""

import json
import math
import pathlib
import tempfile

import torch
import torch.nn.functional as F

import make_fixtures
import reference_model
import reference_optimizers
import safetensors_file

FOLDER = pathlib.Path(__file__).resolve().parent / "fixtures"


def largest(tensor):
    return tensor.abs().max().item()


def check_same_bytes():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        make_fixtures.write_models(folder)
        make_fixtures.write_packed(folder)
        make_fixtures.write_trajectories(folder)
        make_fixtures.write_preferences(folder)
        names = sorted(path.name for path in FOLDER.iterdir())
        assert names == sorted(path.name for path in folder.iterdir())
        for name in names:
            assert (FOLDER / name).read_bytes() == (folder / name).read_bytes(), name
    print("remade byte for byte:", *names)


def check_file(name):
    """The file alone, read back, gives its own logits, loss and gradients."""
    config = json.loads((FOLDER / (name + ".json")).read_text())
    stored = {
        key: torch.tensor(value)
        for key, value in safetensors_file.read(FOLDER / (name + ".safetensors")).items()
    }
    shapes = reference_model.parameter_shapes(config)
    rest = ["input_ids", "targets", "logits", "loss"] + ["grad." + key for key in shapes]
    assert sorted(stored) == sorted(list(shapes) + rest)
    weights = {key: stored[key].double() for key in shapes}
    assert all(weights[key].shape == shape for key, shape in shapes.items())
    ids, targets = stored["input_ids"].long(), stored["targets"].long()

    gpt = reference_model.Gpt(config)
    logits = gpt.logits(weights, ids)
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    assert largest(logits - stored["logits"]) < 1e-6
    assert abs(loss.item() - stored["loss"].item()) < 1e-6
    changed = ids.clone()
    changed[:, 5] = (changed[:, 5] + 1) % config["vocab_size"]
    change = (gpt.logits(weights, changed) - logits).abs().amax((0, 2))
    assert change[:5].max() == 0 and (change[5:] > 1e-4).all()  # causal, and it attends

    # Central differences of the loss at the three largest gradients of every tensor.
    h, worst = 1e-5, 0.0
    for key in shapes:
        gradient = stored["grad." + key].double().flatten()
        for at in gradient.abs().topk(3).indices.tolist():
            ends = []
            for sign in (1, -1):
                moved = {**weights, key: weights[key].clone()}
                moved[key].view(-1)[at] += sign * h
                ends.append(gpt.loss(moved, ids, targets).item())
            worst = max(worst, abs((ends[0] - ends[1]) / (2 * h) - gradient[at].item()))
    assert worst < 1e-6

    single = {key: value.float() for key, value in weights.items()}
    _, gradients = gpt.gradients(single, ids, targets)
    print(
        f"{name}: loss {loss.item():.6f}, central differences off by {worst:.1e};",
        f"float32 logits off by {largest(gpt.logits(single, ids) - logits):.1e},",
        f"gradients by {max(largest(gradients[k] - stored['grad.' + k]) for k in shapes):.1e}",
        f"(largest {max(largest(stored['grad.' + k]) for k in shapes):.2f},",
        f"smallest tensor maximum {min(largest(stored['grad.' + k]) for k in shapes):.1e})",
    )


def check_packed(name):
    """The sequences one by one, each from position 0, give the logits and the loss of the pack."""
    config, lengths, weights, ids, scored, targets, row_weights = make_fixtures.make_packed(name)
    stored = {
        key: torch.tensor(value)
        for key, value in safetensors_file.read(FOLDER / (name + ".safetensors")).items()
    }
    leaves = {key: value.clone().requires_grad_() for key, value in weights.items()}
    gpt = reference_model.Gpt(config)
    logits = torch.cat([gpt.logits(leaves, part)[0] for part in ids.split(lengths, 1)])
    assert largest(logits - stored["logits"]) < 1e-5
    losses = F.cross_entropy(logits[scored], targets, reduction="none")
    loss = (losses * row_weights).sum() / row_weights.sum()
    assert abs(loss.item() - stored["loss"].item()) < 1e-6
    gradients = torch.autograd.grad(loss, list(leaves.values()))
    off = max(largest(g - stored["grad." + key]) for key, g in zip(leaves, gradients))
    assert off < 1e-6
    print(f"{name}: loss {loss.item():.6f}, sequences one by one off by {off:.1e} in gradients")


def check_against_torch_layers():
    """The gpt2 fixture's logits by torch.nn.TransformerEncoderLayer."""
    config, w, ids, _ = make_fixtures.make_model("gpt2")
    m = config["model"]
    x = w["wte.weight"][ids] + w["wpe.weight"][: ids.shape[1]]
    mask = torch.full((ids.shape[1],) * 2, -math.inf, dtype=x.dtype).triu(1)
    for i in range(m["n_layers"]):
        layer = torch.nn.TransformerEncoderLayer(
            m["d_model"],
            m["n_heads"],
            m["d_mlp"],
            0.0,
            lambda y: F.gelu(y, approximate="tanh"),
            m["norm_epsilon"],
            batch_first=True,
            norm_first=True,
            dtype=x.dtype,
        )
        theirs = {
            "self_attn.in_proj_": "attn.c_attn.",
            "self_attn.out_proj.": "attn.c_proj.",
            "linear1.": "mlp.c_fc.",
            "linear2.": "mlp.c_proj.",
            "norm1.": "ln_1.",
            "norm2.": "ln_2.",
        }
        layer.load_state_dict(
            {
                their + kind: w[f"h.{i}.{our}{kind}"].t()
                for their, our in theirs.items()
                for kind in ("weight", "bias")
            }
        )
        x = layer(x, mask)
    x = F.layer_norm(x, x.shape[-1:], w["ln_f.weight"], w["ln_f.bias"], m["norm_epsilon"])
    off = largest(x @ w["wte.weight"].T - reference_model.Gpt(config).logits(w, ids))
    assert off < 1e-12
    print(f"gpt2 by torch.nn.TransformerEncoderLayer: off by {off:.1e}")


def attend_by_loops(config, q, k, v):
    """Attention from q (B,T,H,D) and k, v (B,T,K,D), one query at a time; RoPE as complex."""
    m = config["model"]
    (B, T, H, D), K = q.shape, k.shape[2]

    def turn(x):
        if m["position"] != "rope":
            return x
        z = torch.complex(x[..., : D // 2], x[..., D // 2 :])
        for t in range(T):
            for j in range(D // 2):
                angle = torch.tensor(t * m["rope_theta"] ** (-2 * j / D), dtype=torch.float64)
                z[:, t, :, j] *= torch.complex(angle.cos(), angle.sin())
        return torch.cat((z.real, z.imag), -1)

    q, k = turn(q), turn(k)
    y = torch.zeros(B, T, H, D, dtype=torch.float64)
    for b in range(B):
        for h in range(H):
            group = h // (H // K)
            for i in range(T):
                scores = k[b, : i + 1, group] @ q[b, i, h] / D**0.5
                if m["position"] == "alibi":
                    ago = torch.arange(i, -1, -1, dtype=torch.float64)
                    scores = scores - 2 ** (-8 * (h + 1) / H) * ago
                y[b, i, h] = torch.softmax(scores, 0) @ v[b, : i + 1, group]
    return y.reshape(B, T, H * D)


def check_attention(name):
    """One attention layer against loops, on random input."""
    config, w, _, _ = make_fixtures.make_model(name)
    m, h = config["model"], "h.0.attn."
    x = torch.randn(2, m["n_ctx"], m["d_model"], dtype=torch.float64)
    fused = x @ w[h + "c_attn.weight"] + w.get(h + "c_attn.bias", 0)
    H, K, D = m["n_heads"], m["n_kv_heads"], m["d_head"]
    q, k, v = (
        fused[..., begin * D : end * D].unflatten(-1, (-1, D))
        for begin, end in ((0, H), (H, H + K), (H + K, H + 2 * K))
    )
    if m["qk_norm"]:
        q = w[h + "q_norm.weight"] * q * (q.square().mean(-1, True) + m["norm_epsilon"]).rsqrt()
        k = w[h + "k_norm.weight"] * k * (k.square().mean(-1, True) + m["norm_epsilon"]).rsqrt()
    y = attend_by_loops(config, q, k, v) @ w[h + "c_proj.weight"] + w.get(h + "c_proj.bias", 0)
    off = largest(y - reference_model.Gpt(config).attention(w, h, x))
    assert off < 1e-12
    print(f"{name} attention by loops: off by {off:.1e}")


def check_activations():
    x = torch.linspace(-6, 6, 1001, dtype=torch.float64)
    theirs = {
        "relu": F.relu(x),
        "relu2": F.relu(x).square(),
        "silu": F.silu(x),
        "gelu": F.gelu(x),
        "gelu_new": F.gelu(x, approximate="tanh"),
    }
    for name, y in theirs.items():
        assert largest(reference_model.activate(name, x) - y) < 1e-12, name


def check_newton_schulz():
    """The iteration is a polynomial of the singular values, applied five times."""
    a, b, c = reference_optimizers.NEWTON_SCHULZ
    for shape in ((16, 16), (16, 64), (64, 16), (24, 12)):
        matrix = torch.randn(shape, dtype=torch.float64)
        u, s, vt = torch.linalg.svd(matrix, full_matrices=False)
        s = s / (matrix.square().sum().sqrt() + 1e-7)
        for _ in range(5):
            s = a * s + b * s**3 + c * s**5
        ours = reference_optimizers.newton_schulz(matrix, 5)
        assert largest(ours - u @ torch.diag(s) @ vt) < 1e-9


def check_trajectory(run):
    """How far the same code in float32 strays: what a float32 test must tolerate."""
    exact, weights, optimizer = make_fixtures.train(run)
    single, weights32, _ = make_fixtures.train(run, torch.float32)
    loss, norm = (
        max(abs(a - b) for a, b in zip(exact[key], single[key])) for key in ("loss", "grad_norm")
    )
    off = {name: largest(weights[name] - weights32[name]) for name in weights}
    worst = max(off, key=off.get)
    print(
        f"{run}: float32 loss off by {loss:.1e}, norm by {norm:.1e},",
        f"weights by {off[worst]:.1e} ({worst})",
        f"smallest |c| {optimizer.smallest:.1e}" if run == "lion" else "",
    )


def main():
    torch.set_num_threads(1)
    check_activations()
    check_newton_schulz()
    check_same_bytes()
    check_against_torch_layers()
    for name in make_fixtures.MODELS:
        check_attention(name)
        check_file(name)
    for name in make_fixtures.PACKED:
        check_packed(name)
    for run in make_fixtures.RUNS:
        check_trajectory(run)


if __name__ == "__main__":
    main()
