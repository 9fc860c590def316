#!/usr/bin/env python3
"""Trains the quickstart's model for a long while with everything a run does, and watches memory, files and checkpoints.

    tests/soak.py build/kiln --minutes 30 --checkpoints 1000
    tests/soak.py build/kiln --steps 200 --small              # seconds: the same on a smaller model

The training evaluates, samples, saves and prunes. Meanwhile this script reads its resident memory and its open files
from /proc, and hard-links each new checkpoint before it is pruned, to run `kiln verify` on it at leisure; in the end on
the run as a whole. Exits 1 where memory or open files grow, a checkpoint is damaged or was never seen, or there are too
few.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
INTERVAL_S = 0.2          # between looks, where no checkpoint waits to be verified
WARM_UP = 0.2             # the share of a run before which memory may grow: buffers, allocator, page cache
FILES_OF_A_SAVE = 2        # which all looks at the end of a short run may come upon
ALLOWED_GROWTH_KIB = 4096  # along the fitted line, over the time that counts


def config_of(options: argparse.Namespace, folder: pathlib.Path) -> pathlib.Path:
    config = json.loads((ROOT / "configs/quickstart.json").read_text())
    config["data"]["train"] = [str(ROOT / path) for path in config["data"]["train"]]
    train = config["train"]
    if options.minutes:
        train["time_budget"] = f"{60 * options.minutes:.0f}s"
    else:
        del train["time_budget"]
        train["steps"] = options.steps
    if options.small:
        config["model"].update(n_layers=2, d_model=32, n_heads=2, n_ctx=32)
        config["tokenizer"]["vocab_size"] = 300
        config["data"]["validation_fraction"] = 0.002
    train.update(eval_every=20 * options.every, sample_every=20 * options.every, checkpoint_every=options.every,
                 keep_checkpoints=50, log_every=10, threads=1, sample_prompt="Once")
    path = folder / "soak.json"
    path.write_text(json.dumps(config, indent=2))
    return path


class Watch:
    """What there was to see of a training."""

    def __init__(self, kiln: str, run: pathlib.Path, links: pathlib.Path):
        self.kiln, self.run, self.links = kiln, run, links
        self.memory = []   # (seconds, KiB resident)
        self.files = []    # open descriptors
        self.seen = set()  # checkpoints' names
        self.verified = 0
        self.problems = []

    def look(self, pid: int, seconds: float) -> None:
        try:
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            return  # it has ended
        resident = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")]
        if resident and self.seen:  # from the first checkpoint on: before it the tokenizer learns
            self.memory.append((seconds, resident[0]))
            self.files.append(descriptors)

    def link_new(self) -> None:
        """Links the files of checkpoints that are new: what is pruned meanwhile stays to be verified."""
        for folder in sorted((self.run / "checkpoints").glob("step-*")):
            if folder.name in self.seen:
                continue
            self.seen.add(folder.name)
            copy = self.links / folder.name
            copy.mkdir()
            try:
                for file in folder.iterdir():
                    os.link(file, copy / file.name)
            except FileNotFoundError:
                self.problems.append(f"{folder.name}: was pruned before it could be verified")
                shutil.rmtree(copy)

    def verify_one(self) -> bool:
        """Whether there was one to verify."""
        folder = min(self.links.iterdir(), default=None)
        if folder is None:
            return False
        done = subprocess.run([self.kiln, "verify", folder], capture_output=True, text=True)
        if done.returncode == 0:
            self.verified += 1
        else:
            self.problems.append(f"{folder.name}: {done.stdout}{done.stderr}")
        shutil.rmtree(folder)
        return True

    def finish(self, every: int) -> dict:
        """Verifies what is left and the run as a whole, and looks for checkpoints that were never seen."""
        self.link_new()
        while self.verify_one():
            pass
        done = subprocess.run([self.kiln, "verify", self.run, "--json"], capture_output=True, text=True)
        if done.returncode != 0:
            self.problems.append(f"the run: {done.stdout}{done.stderr}")
        report = json.loads(done.stdout)
        steps = sorted(int(name.removeprefix("step-")) for name in self.seen)
        missed = set(range(every, steps[-2], every)) - set(steps)  # a time budget leaves some out before its end
        if missed:
            self.problems.append(f"never seen: steps {', '.join(map(str, sorted(missed)))}")
        return report

    def counted_memory(self) -> list:
        """(seconds, KiB) after the warm-up."""
        began, ended = self.memory[0][0], self.memory[-1][0]
        return [(t, kib) for t, kib in self.memory if t >= began + WARM_UP * (ended - began)]

    def lingering_files(self) -> tuple:
        """The fewest open files in the first third of the looks, and in the last: a save opens some for a while."""
        third = max(1, len(self.files) // 3)
        return min(self.files[:third]), min(self.files[-third:])


def slope_of(points: list) -> float:
    """Least squares, KiB a second."""
    times, values = zip(*points)
    middle, mean = statistics.fmean(times), statistics.fmean(values)
    return (sum((t - middle) * (v - mean) for t, v in points) /
            sum((t - middle) ** 2 for t in times))


def soak(options: argparse.Namespace, folder: pathlib.Path) -> int:
    run, links = folder / "run", folder / "links"
    links.mkdir()
    command = [options.kiln, "train", str(config_of(options, folder)), "--run", str(run)]
    with open(folder / "log.txt", "w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    watch = Watch(options.kiln, run, links)
    began = time.monotonic()
    try:
        while process.poll() is None:
            watch.look(process.pid, time.monotonic() - began)
            watch.link_new()
            if not watch.verify_one():
                time.sleep(INTERVAL_S)
    finally:
        process.kill()
    elapsed = time.monotonic() - began
    log = (folder / "log.txt").read_text()
    if process.returncode != 0:
        print(f"training ended with {process.returncode}:\n{log[-3000:]}")
        return 1
    return summarise(options, watch, watch.finish(options.every), log, elapsed)


def summarise(options: argparse.Namespace, watch: Watch, report: dict, log: str, elapsed: float) -> int:
    left = len(report["checkpoints"])
    print(f"{elapsed:.0f} s, {report['metrics']['last_step']} steps, {log.count(': validation loss ')} evaluations, "
          f"{log.count(': sample')} samples")
    print(f"checkpoints: {len(watch.seen)} written, {watch.verified} verified, {len(watch.seen) - left} pruned, "
          f"{left} left")
    problems = list(watch.problems)
    if len(watch.seen) < options.checkpoints:
        problems.append(f"{len(watch.seen)} checkpoints, {options.checkpoints} were expected")
    points = watch.counted_memory() if len(watch.memory) >= 5 else []
    if points:
        slope, span = slope_of(points), points[-1][0] - points[0][0]
        values = [kib for _, kib in points]
        print(f"resident memory over {span:.0f} s after the warm-up: {min(values)} to {max(values)} KiB, "
              f"slope {60 * slope:+.1f} KiB a minute ({len(points)} looks)")
        if slope * span > ALLOWED_GROWTH_KIB:
            problems.append(f"memory grew by {slope * span:.0f} KiB, {ALLOWED_GROWTH_KIB} are allowed")
        first, last = watch.lingering_files()
        print(f"open files: {first} at first, {last} in the end, {max(watch.files)} at most")
        if last > first + FILES_OF_A_SAVE:
            problems.append(f"open files grew from {first} to {last}")
    else:
        problems.append("the training was too short to tell anything of its memory")
    print("\n".join(f"problem: {problem}" for problem in problems) or "no problem")
    return 1 if problems else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kiln", help="the program")
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--minutes", type=float, help="train.time_budget")
    length.add_argument("--steps", type=int, help="train.steps")
    parser.add_argument("--every", type=int, default=5, help="steps between checkpoints")
    parser.add_argument("--checkpoints", type=int, default=2, help="how many there have to be at least")
    parser.add_argument("--small", action="store_true", help="a model that takes a millisecond a step")
    parser.add_argument("--work", type=pathlib.Path, help="an empty folder for the run, which is kept")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # which ends the training as well
    options.kiln = os.path.abspath(options.kiln)
    if options.work:
        options.work.mkdir(parents=True, exist_ok=True)
        return soak(options, options.work.resolve())
    with tempfile.TemporaryDirectory(prefix="kiln-soak-") as folder:
        return soak(options, pathlib.Path(folder))


if __name__ == "__main__":
    sys.exit(main())
