#!/usr/bin/env python3
"""Kills a training at random instants, resumes it each time, and compares what it ends with to an undisturbed run's.

    tests/crash_test.py build/kiln build/tests/libfaulty_disk.so --kills 200
    tests/crash_test.py build/kiln build/tests/libfaulty_disk.so --kills 200 --policy

The preloaded library makes every call on the run's files slow, so that most kills land within a save. After each kill
all checkpoints that are there have to be whole and all complete lines of the metrics rows; in the end weights, moments,
counts, metrics, pointers and the kept checkpoints have to be those of the undisturbed run, to the byte where time plays
no part. Exits 0 where all of that holds. With --policy, the training tunes a model by rollouts, whose answers a program
scores: kills also land while it draws, scores, or is in the middle of a rollout's passes.
"""

import argparse
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

STEPS = 60
TIMED_KEYS = {"seconds", "reserve_seconds", "tokens_per_second"}  # differ from one run to the next
SAVED_FILES = ["model.safetensors", "optimizer.safetensors", "tokenizer.json", "config.json"]
ROLLOUT_FILE = "rollout.json"  # of a policy gradient
CALL_DELAY_MS = 1.5   # of each call on a file of the run, some 60 a save
LONGEST_WAIT_S = 0.3  # from the beginning of a save to a kill


def config_of(folder: pathlib.Path) -> pathlib.Path:
    (folder / "text.txt").write_text("one two three four five six seven eight nine ten;\n" * 60)
    config = {
        "name": "crash", "seed": 7,
        "tokenizer": {"type": "byte"},
        "data": {"train": [str(folder / "text.txt")]},
        "model": {"n_layers": 1, "d_model": 32, "n_heads": 2, "n_ctx": 16, "dropout": 0.1},
        "optimizer": {"learning_rate": 0.01},
        "schedule": {"warmup_steps": 5},
        "train": {"steps": STEPS, "batch_size": 4, "eval_every": 5, "checkpoint_every": 2, "keep_checkpoints": 2,
                  "log_every": 1, "threads": 1},
    }
    path = folder / "crash.json"
    path.write_text(json.dumps(config))
    return path


def policy_config_of(kiln: str, folder: pathlib.Path) -> pathlib.Path:
    """Of a run that tunes a model of bytes, which is trained first, with two passes over each rollout."""
    chats = [{"prompt": f"say {c}", "completion": d} for c in "abcd" for d in "wxyz"]
    (folder / "chats.jsonl").write_text("".join(json.dumps(chat) + "\n" for chat in chats * 4))
    (folder / "prompts.txt").write_text("".join(f"say {c}\n" for c in "abcdefgh") * 4)
    model = {"n_layers": 1, "d_model": 32, "n_heads": 2, "n_ctx": 48, "dropout": 0}
    start = {
        "name": "start", "tokenizer": {"type": "byte", "special_tokens": []}, "chat": {"template": "chatml"},
        "data": {"train": [str(folder / "chats.jsonl")]}, "objective": {"type": "sft"}, "model": model,
        "optimizer": {"learning_rate": 0.01}, "schedule": {"warmup_steps": 2},
        "train": {"steps": 40, "batch_size": 4, "eval_every": 0, "threads": 1},
    }
    config = {
        "name": "crash", "seed": 7, "init_from": str(folder / "start"),
        "data": {"train": [str(folder / "prompts.txt")]},
        "objective": {"type": "ppo", "beta": 0.05},
        "policy": {"rewards": [{"type": "command", "command": ["sh", "-c", "while read -r line; do echo $((${#line} % 7)); done"]}],
                   "prompts": 4, "answers": 4, "max_tokens": 6, "passes": 2, "minibatches": 2, "kl_target": 1},
        "optimizer": {"learning_rate": 0.003}, "schedule": {"warmup_steps": 5},
        "train": {"steps": STEPS, "batch_size": 4, "eval_every": 5, "checkpoint_every": 2, "keep_checkpoints": 2,
                  "log_every": 1, "threads": 1},
    }
    (folder / "start.json").write_text(json.dumps(start))
    done = subprocess.run([kiln, "train", str(folder / "start.json"), "--run", str(folder / "start"), "--quiet"])
    if done.returncode != 0:
        raise SystemExit("the start could not be trained")
    path = folder / "policy.json"
    path.write_text(json.dumps(config))
    return path


class Tester:
    def __init__(self, kiln: str, library: str, folder: pathlib.Path, seed: int, policy: bool):
        self.kiln, self.library, self.folder = kiln, library, folder
        self.config = policy_config_of(kiln, folder) if policy else config_of(folder)
        self.more = ["--allow-command"] if policy else []
        self.random = random.Random(seed)
        self.counts = {"kills": 0, "within a save": 0, "before latest moved": 0, "before pruning": 0, "runs": 0}

    def command(self, run: pathlib.Path, *more: str) -> list:
        return [self.kiln, "train", str(self.config), "--run", str(run), "--quiet", *self.more, *more]

    def train(self, run: pathlib.Path, *more: str) -> None:
        done = subprocess.run(self.command(run, *more), capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"training ended with {done.returncode}: {done.stderr}")

    def start_slow(self, run: pathlib.Path) -> subprocess.Popen:
        mode = self.random.choice(["true", "false"])
        command = self.command(run, "--resume=auto", "--set", f"train.async_checkpoint={mode}")
        slow = {"LD_PRELOAD": self.library, "FAULTY_DISK_PATHS": str(run), "FAULTY_DISK_DELAY_MS": str(CALL_DELAY_MS),
                "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
        return subprocess.Popen(command, env={**os.environ, **slow}, stderr=subprocess.PIPE, text=True)

    def train_until_killed(self, run: pathlib.Path) -> bool:
        """Whether the training was killed; else it had come to its end."""
        process = self.start_slow(run)
        if self.random.random() < 0.8:
            while process.poll() is None and not temporaries(run):
                time.sleep(0.001)
        time.sleep(self.random.uniform(0, LONGEST_WAIT_S))
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
        if process.returncode == 0:
            return False
        if process.returncode != -signal.SIGKILL:
            raise SystemExit(f"the training ended by itself with {process.returncode}: {errors}")
        self.count_place(run)
        return True

    def count_place(self, run: pathlib.Path) -> None:
        folders, latest = checkpoints(run), pointer(run, "latest")
        self.counts["kills"] += 1
        self.counts["within a save"] += bool(temporaries(run))
        self.counts["before latest moved"] += bool(folders) and folders[-1] != latest
        self.counts["before pruning"] += len(set(folders) - {"step-00000000", latest, pointer(run, "best")}) > 2

    def check_after_kill(self, run: pathlib.Path) -> None:
        done = subprocess.run([self.kiln, "verify", str(run), "--json"], capture_output=True, text=True)
        if done.returncode == 3 and not checkpoints(run):
            return  # not even the run directory was there
        report = json.loads(done.stdout)
        bad = [c for c in report["checkpoints"] if not c["good"]]
        if bad or report["metrics"]["problems"]:
            raise SystemExit(f"after a kill: {done.stdout}")
        latest_missing = report["latest"]["target"] is None and len(report["checkpoints"]) == 1
        if done.returncode != 0 and report["checkpoints"] and not latest_missing:
            raise SystemExit(f"after a kill: {done.stdout}")

    def torment(self, reference: pathlib.Path, kills: int) -> None:
        while self.counts["kills"] < kills:
            self.counts["runs"] += 1
            run = self.folder / f"run-{self.counts['runs']}"
            while self.counts["kills"] < kills and self.train_until_killed(run):
                self.check_after_kill(run)
            self.train(run, "--resume=auto")
            compare(reference, run)


def checkpoints(run: pathlib.Path) -> list:
    return sorted(path.name for path in (run / "checkpoints").glob("step-*"))


def temporaries(run: pathlib.Path) -> list:
    return list((run / "checkpoints").glob(".tmp-*"))


def pointer(run: pathlib.Path, name: str) -> str:
    path = run / "checkpoints" / name
    return path.read_text().strip() if path.exists() else ""


def without_times(text: str) -> dict:
    return {key: value for key, value in json.loads(text).items() if key not in TIMED_KEYS}


def metrics(run: pathlib.Path) -> list:
    return [without_times(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def compare(reference: pathlib.Path, run: pathlib.Path) -> None:
    def same(what, a, b):
        if a == b:
            return
        if isinstance(a, list) and len(a) == len(b):
            a, b = next(pair for pair in zip(a, b) if pair[0] != pair[1])
        raise SystemExit(f"{run}: {what}: {b} is there, the undisturbed run has {a}")

    same("the list of checkpoints", checkpoints(reference), checkpoints(run))
    for name in ("latest", "best"):
        same(name, pointer(reference, name), pointer(run, name))
    same("what is left over", [], temporaries(run))
    rows = metrics(reference)
    same("the steps in the metrics", [row["step"] for row in rows], list(range(1, STEPS + 1)))
    same("the metrics", rows, metrics(run))
    for name in checkpoints(reference):
        a, b = reference / "checkpoints" / name, run / "checkpoints" / name
        for file in SAVED_FILES + [ROLLOUT_FILE] * (a / ROLLOUT_FILE).exists():
            if (a / file).read_bytes() != (b / file).read_bytes():
                raise SystemExit(f"{b / file}: differs from the undisturbed run's")
        same("trainer.json", without_times((a / "trainer.json").read_text()),
             without_times((b / "trainer.json").read_text()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kiln", help="the program")
    parser.add_argument("library", help="libfaulty_disk.so, which the tests' build makes")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1, help="of the instants")
    parser.add_argument("--policy", action="store_true", help="tune by rollouts")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kiln-crash-") as folder:
        programs = os.path.abspath(options.kiln), os.path.abspath(options.library)
        tester = Tester(*programs, pathlib.Path(folder), options.seed, options.policy)
        reference = tester.folder / "undisturbed"
        tester.train(reference)
        tester.torment(reference, options.kills)
    summary = ", ".join(f"{name} {count}" for name, count in tester.counts.items())
    print(f"{summary}; all ended in the undisturbed run's bytes; {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
