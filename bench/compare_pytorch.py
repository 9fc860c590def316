#!/usr/bin/env python3
"""How long a training step takes in kiln and in PyTorch, on the same shapes, in turn.

    /usr/bin/python3 bench/compare_pytorch.py                                        # everything: ten minutes and more
    /usr/bin/python3 bench/compare_pytorch.py --models char,baby --precision fp32    # some of it

A round is a process of kiln (`kiln bench`), then one of PyTorch (pytorch_gpt.py), each with its own warm-up: what slows
the machine down for a while slows both. A step is forward, backward, gradient clipping and AdamW. Prints a Markdown
table; progress goes to stderr. Standard library and PyTorch only.
"""
import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent

# B sequences of T positions, C d_model, H heads, L layers, V vocabulary.
MODELS = {
    "char": {"B": 12, "T": 64, "C": 128, "H": 4, "L": 4, "V": 65},
    "baby": {"B": 16, "T": 256, "C": 384, "H": 6, "L": 6, "V": 65},
    "gpt2-124M": {"B": 4, "T": 64, "C": 768, "H": 12, "L": 12, "V": 50257},
    "gpt2-124M-long": {"B": 1, "T": 1024, "C": 768, "H": 12, "L": 12, "V": 50257},
}
PRECISIONS = ("fp32", "bf16")
LEAST_SECONDS = 3  # that the timed steps of a process take together, in kiln too
RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes


class CompareError(Exception):
    """Something that the user can put right; main prints it."""


def config_of(model, precision, steps):
    """kiln's config of a model: a GPT-2 of that shape. `kiln bench` reads no data, but a config has to name some."""
    shape = MODELS[model]
    return {
        "name": model,
        "tokenizer": {"type": "none", "vocab_size": shape["V"]},
        "data": {"train": ["unread.bin"]},
        "model": {
            "n_layers": shape["L"], "d_model": shape["C"], "n_heads": shape["H"], "n_ctx": shape["T"],
            "activation": "gelu_new", "norm": "layernorm", "position": "learned", "bias": True, "tie_embeddings": True,
        },
        "optimizer": {"type": "adamw", "weight_decay": 0.1, "clip_norm": 1.0},
        "train": {"steps": steps, "batch_size": shape["B"], "precision": precision},
    }


def note(text):
    print(text, file=sys.stderr, flush=True)


def shown(command):
    """A command's beginning, for messages."""
    return " ".join(str(part) for part in command[:3])


def run(command, folder):
    """Runs a command in a folder; returns its stdout and its peak memory in bytes, both as the system counts them.

    Its output goes to files, so that wait4, which knows one child's memory, can do the waiting.
    """
    with tempfile.TemporaryFile(dir=folder) as out, tempfile.TemporaryFile(dir=folder) as err:
        process = subprocess.Popen([str(part) for part in command], cwd=folder, stdout=out, stderr=err)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:  # Ctrl-C: leave nothing running
            process.kill()
            process.wait()
            raise
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    if process.returncode != 0:
        said = (texts[1] or texts[0]).strip() or "nothing"
        raise CompareError(f"`{shown(command)}` ended with code {process.returncode} and said:\n{said}")
    return texts[0], usage.ru_maxrss * RSS_UNIT


def run_json(command, folder, *keys):
    """Runs a command whose stdout is one JSON object with these keys; returns it, and the peak memory in bytes."""
    text, peak_bytes = run(command, folder)
    try:
        result = json.loads(text)
    except json.JSONDecodeError as error:
        raise CompareError(f"`{shown(command)}` printed something other than JSON ({error}): {text[:200]!r}") from error
    for key in keys:
        if key not in result:
            raise CompareError(f'`{shown(command)}` printed JSON without "{key}"; it has: {", ".join(result)}')
    return result, peak_bytes


class Kiln:
    """The program at a path; configs are written into a folder, where it also runs."""

    def __init__(self, path, folder, options):
        self.path, self.folder, self.options = Path(path).resolve(), folder, options
        if not os.access(self.path, os.X_OK) or self.path.is_dir():
            raise CompareError(
                f"{path}: no such program; build kiln (cmake -S . -B build && cmake --build build), or say where it is "
                "with --kiln. On Debian, scripts/install_dependencies.sh installs what the build needs"
            )
        try:
            known, _ = run([self.path, "bench", "--help"], folder)
        except CompareError as error:
            raise CompareError(f"{path}: this kiln has no command `bench`; build it anew\n{error}") from error
        wanted = {"--warmup": options.warmup, "--steps": options.steps}
        self.step_options = [str(part) for pair in wanted.items() if pair[0] in known for part in pair]
        if "--steps" not in self.step_options:
            note(f"{path}: `kiln bench` has no --steps, so it times as many as it sees fit")

    def config(self, model, precision):
        path = self.folder / f"{model}-{precision}.json"
        path.write_text(json.dumps(config_of(model, precision, self.options.steps), indent=2), encoding="utf-8")
        return path

    def parameters(self, model, precision):
        command = [self.path, "plan", self.config(model, precision), "--json"]
        plan, _ = run_json(command, self.folder, "parameters")
        return plan["parameters"]["total"]

    def time(self, model, precision):
        command = [self.path, "bench", self.config(model, precision), "--json", *self.step_options]
        result, _ = run_json(command, self.folder, "ms_per_step", "peak_memory_bytes")
        return result  # its peak is the process's own after the steps, before it measures the machine


class PyTorch:
    """The same models in this Python's PyTorch, each measurement in a process of its own."""

    def __init__(self, folder, options):
        self.folder, self.options = folder, options
        if importlib.util.find_spec("torch") is None:
            raise CompareError(
                f"{sys.executable}: this Python has no PyTorch. Debian: apt-get install python3-torch "
                "libopenblas0-openmp, then run this with /usr/bin/python3"
            )
        shapes = [MODELS[model] for model in options.models]
        self.about, _ = run_json(self.command("describe", shapes), folder, "torch", "blas", "threads", "parameters")
        blas = self.about["blas"]
        if blas not in ("MKL", "unknown") and "openmp" not in blas:
            note(
                f"PyTorch multiplies matrices with {blas}, which is not its fastest: the ratios will flatter kiln. "
                "Debian: apt-get install libopenblas0-openmp"
            )

    @staticmethod
    def command(what, request):
        return [sys.executable, HERE / "pytorch_gpt.py", what, json.dumps(request)]

    def parameters(self, model, _precision):
        return self.about["parameters"][self.options.models.index(model)]

    def time(self, model, precision):
        request = {"warmup": self.options.warmup, "steps": self.options.steps, "seconds": LEAST_SECONDS}
        request.update(shape=MODELS[model], precision=precision)
        result, peak_bytes = run_json(self.command("time", request), self.folder, "ms_per_step")
        return {**result, "peak_memory_bytes": peak_bytes}


def check_same_model(kiln, pytorch, model, precision):
    ours, theirs = kiln.parameters(model, precision), pytorch.parameters(model, precision)
    if ours != theirs:
        raise CompareError(
            f"{model}: {ours:,} parameters in kiln, {theirs:,} in PyTorch: these are different models, and their times "
            "say nothing about each other. Compare config_of here with Gpt in pytorch_gpt.py"
        )
    return ours


def compare(kiln, pytorch, model, precision, rounds):
    """The rounds of one model in one precision, kiln and PyTorch in turn."""
    pairs = []
    for i in range(rounds):
        pair = {"kiln": kiln.time(model, precision), "pytorch": pytorch.time(model, precision)}
        pair["ratio"] = pair["pytorch"]["ms_per_step"] / pair["kiln"]["ms_per_step"]
        note(
            f"{model} {precision}, round {i + 1} of {rounds}: kiln {pair['kiln']['ms_per_step']:.1f} ms, "
            f"PyTorch {pair['pytorch']['ms_per_step']:.1f} ms, {pair['ratio']:.2f} times"
        )
        pairs.append(pair)
    return pairs


def column(result, side, key):
    return [pair[side][key] for pair in result["rounds"]]


def table(results):
    """Markdown: medians over the rounds, the ratio taken within each round; memory is the most of any."""
    lines = [
        "| model | precision | kiln | PyTorch | PyTorch / kiln | memory of kiln | of PyTorch | PyTorch / kiln |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for result in results:
        ratios = [pair["ratio"] for pair in result["rounds"]]
        ms = [statistics.median(column(result, side, "ms_per_step")) for side in ("kiln", "pytorch")]
        peak = [max(column(result, side, "peak_memory_bytes")) for side in ("kiln", "pytorch")]
        lines.append(
            f"| {result['model']} | {result['precision']} | {ms[0]:,.1f} ms | {ms[1]:,.1f} ms "
            f"| **{statistics.median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f}) "
            f"| {peak[0] / 1e6:,.0f} MB | {peak[1] / 1e6:,.0f} MB | {peak[1] / peak[0]:.2f} |"
        )
    return "\n".join(lines)


def processor():
    """Its name, and those of its instructions that matter most here; (name, []) where the system does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine(), []
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    known = fields.get("flags", "").split()
    wanted = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
    return fields.get("model name", platform.machine()), [flag for flag in wanted if flag in known]


def system():
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.platform()


def machine(about):
    """What the figures hold for; `about` is what pytorch_gpt.py says of PyTorch."""
    name, instructions = processor()
    found = {"processor": name, "instructions": instructions, "cores": os.cpu_count(), "system": system()}
    found["load_before"] = round(os.getloadavg()[0], 2)
    return {**found, **{key: about[key] for key in ("threads", "python", "torch", "blas")}}


def describe(found, options):
    """The lines above the table."""
    instructions = " ".join(found["instructions"]) or "instructions unknown"
    return (
        f"{found['processor']} ({instructions}), {found['threads']} threads on {found['cores']} cores, "
        f"{found['system']}; PyTorch {found['torch']} with {found['blas']}.\n"
        f"Rounds, kiln and PyTorch in turn: {options.rounds}. Steps timed in each: {options.steps}, more where "
        f"they take less than {LEAST_SECONDS} s, after "
        f"{options.warmup} of warm-up.\n"
        "Times and ratios are medians (least to most), memory is the highest peak. "
        f"Load before: {found['load_before']}."
    )


def names(known):
    """A parser of comma-separated names out of those known."""

    def parse(text):
        chosen = list(dict.fromkeys(filter(None, text.split(","))))
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f'"{name}" is none of {", ".join(known)}')
        if not chosen:
            raise argparse.ArgumentTypeError(f"choose some of {', '.join(known)}")
        return chosen

    return parse


def at_least(least):
    def parse(text):
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f'"{text}" is no whole number of at least {least}')
        return int(text)

    return parse


def read_options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--kiln", default=HERE.parent / "build" / "kiln", metavar="PATH", help="default: build/kiln")
    parser.add_argument(
        "--models", type=names(MODELS), default=list(MODELS), metavar="NAMES", help=f"default: {','.join(MODELS)}"
    )
    parser.add_argument(
        "--precision", type=names(PRECISIONS), default=list(PRECISIONS), metavar="NAMES", help="default: fp32,bf16"
    )
    parser.add_argument("--rounds", type=at_least(1), default=3, metavar="N", help="of both programs; default: 3")
    parser.add_argument("--steps", type=at_least(5), default=5, metavar="N", help="timed in each process, at least; default: 5")
    parser.add_argument("--warmup", type=at_least(1), default=2, metavar="N", help="steps before those; default: 2")
    parser.add_argument("--json", action="store_true", help="print every round as JSON in place of the table")
    return parser.parse_args()


def compare_all(options):
    with tempfile.TemporaryDirectory(prefix="kiln-compare-") as name:
        folder = Path(name).resolve()
        kiln, pytorch = Kiln(options.kiln, folder, options), PyTorch(folder, options)
        found = machine(pytorch.about)
        if found["load_before"] > 0.5:
            note(f"the load of this machine is {found['load_before']}: something else runs, and will be in the figures")
        cases = [(model, precision) for model in options.models for precision in options.precision]
        results = [  # every check before the first timing
            {"model": case[0], "precision": case[1], "parameters": check_same_model(kiln, pytorch, *case)}
            for case in cases
        ]
        for case, result in zip(cases, results):
            result["rounds"] = compare(kiln, pytorch, *case, options.rounds)
    if options.json:
        print(json.dumps({"machine": found, "results": results}, indent=2))
    else:
        print(f"{describe(found, options)}\n\n{table(results)}")


def main():
    options = read_options()
    try:
        compare_all(options)
    except CompareError as error:
        sys.exit(f"compare_pytorch.py: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
