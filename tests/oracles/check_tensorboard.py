"""Starts TensorBoard on a run of kiln's and holds what its pages are given to the run's metrics.jsonl.

    check_tensorboard.py RUN

Needs TensorBoard, which the test suite does without (read_events.py stands in). The server listens on loopback alone and
is ended at the end. Prints what was compared; exits 1 where something differs.
"""

import json
import math
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from model_files import need

SCALARS = {
    "loss/training": "loss",
    "loss/validation": "validation_loss",
    "validation/bits_per_byte": "bits_per_byte",
    "validation/perplexity": "perplexity",
    "validation/accuracy": "accuracy",
    "training/learning_rate": "learning_rate",
    "training/gradient_norm": "grad_norm",
    "training/tokens_per_second": "tokens_per_second",
}
PATIENCE = 60  # seconds until the server has read the run


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def points_of(run, key):
    """{step: value} of metrics.jsonl."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {row["step"]: row[key] for row in rows if row.get(key) is not None}


class Server:
    def __init__(self, folder):
        port = free_port()
        program = shutil.which("tensorboard")
        command = [program] if program else [sys.executable, "-m", "tensorboard.main"]
        command += ["--logdir", str(folder), "--host", "127.0.0.1", "--port", str(port)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.address = f"http://127.0.0.1:{port}/"

    def get(self, path, **query):
        with urllib.request.urlopen(self.address + path + "?" + urllib.parse.urlencode(query), timeout=20) as answer:
            return answer.read()

    def json(self, path, **query):
        return json.loads(self.get(path, **query))

    def end(self):
        self.process.terminate()
        self.process.wait()


def wait_for(server):
    """The tags of every plug-in, once the server has them."""
    kinds = {}
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        need(server.process.poll() is None, "the server has ended")
        try:
            kinds = {kind: server.json(f"data/plugin/{kind}/tags") for kind in ("scalars", "histograms", "text")}
            if all(kinds.values()):
                return kinds
        except (urllib.error.URLError, ConnectionError):
            pass
        time.sleep(0.5)
    raise ValueError(f"after {PATIENCE} s the server knows only {kinds}")


def check_scalars(server, name, run, tags):
    compared = 0
    for tag, key in SCALARS.items():
        expected = points_of(run, key)
        need(expected, f"metrics.jsonl has no {key}")
        need(tag in tags, f"no tag {tag} among {sorted(tags)}")
        found = {int(step): value for _, step, value in server.json("data/plugin/scalars/scalars", run=name, tag=tag)}
        if len(expected) <= 1000:  # of more TensorBoard keeps a sample
            need(set(found) == set(expected), f"{tag}: steps {sorted(found)[:9]}..., {sorted(expected)[:9]}... expected")
        for step, value in found.items():
            need(math.isclose(value, expected[step], rel_tol=1e-6), f"{tag} at step {step}: {value}, {expected[step]}")
        compared += len(found)
    return compared


def check_histograms(server, name, tags):
    for tag in tags:
        for _, step, bins in server.json("data/plugin/histograms/histograms", run=name, tag=tag):
            need(bins and all(left <= right and count >= 0 for left, right, count in bins), f"{tag} at {step}: {bins}")
    return len(tags)


def main():
    run = Path(sys.argv[1]).resolve()
    server = Server(run)
    try:
        kinds = wait_for(server)
        page = server.get("").decode()
        need("<title>TensorBoard</title>" in page, "its first page is another")
        (name,) = kinds["scalars"]
        scalars = check_scalars(server, name, run, kinds["scalars"][name])
        histograms = check_histograms(server, name, kinds["histograms"][name])
        texts = [len(server.json("data/plugin/text/text", run=name, tag=tag)) for tag in kinds["text"][name]]
        need(sum(texts) > 0, "no text samples")
    finally:
        server.end()
    print(f"{len(kinds['scalars'][name])} scalar tags ({scalars} values as in metrics.jsonl), {histograms} histograms, "
          f"{sum(texts)} samples")


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:
        sys.exit(f"{sys.argv[1]}: {error}")
