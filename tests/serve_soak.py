#!/usr/bin/env python3
"""Sends many short requests to kiln serve, lets clients vanish, and watches its memory, its open files and its work.

    tests/serve_soak.py build/kiln --requests 100000 --vanishing 500
    tests/serve_soak.py build/kiln --requests 500 --vanishing 20        # seconds: the same, shorter

Serves a small model that it trains for a few steps. Some connections stay open, others are made for one request. Exits
1 if memory or open files grow, if a request fails, or if the answers of clients that have gone are still computed.
"""

import argparse
import http.client
import json
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from soak import ROOT, slope_of

THREADS = 4
LOOK_EVERY = 50              # requests of a thread between looks at the server
WARM_UP = 0.2                # the share of the looks before which memory may grow: buffers, allocator, cache
ALLOWED_GROWTH_KIB = 4096    # along the fitted line, over the looks that count
ALLOWED_FILES = 2            # that the last looks may have more than the first ones
CACHE_MIB = 8                # of keys and values: so little that it is full from the warm-up on
CONTEXT = 4096               # an answer of this length takes long enough for its client to vanish


def train(kiln: str, folder: pathlib.Path) -> pathlib.Path:
    config = {
        "tokenizer": {"type": "byte", "special_tokens": ["<|endoftext|>"]},
        "data": {"train": [str(ROOT / "README.md")], "validation_fraction": 0.1},
        "model": {"n_layers": 1, "d_model": 32, "n_heads": 2, "n_ctx": CONTEXT, "position": "rope"},
        "train": {"steps": 2, "batch_size": 1},
    }
    (folder / "soak.json").write_text(json.dumps(config))
    run = folder / "run"
    subprocess.run([kiln, "train", folder / "soak.json", "--run", run, "--quiet"], check=True)
    return run


class Server:
    """kiln serve on a free port."""

    def __init__(self, kiln: str, run: pathlib.Path, folder: pathlib.Path):
        self.log = open(folder / "serve.log", "w+")
        self.process = subprocess.Popen([kiln, "serve", run, "--port", "0", "--data", folder / "data",
                                         "--cache-memory", str(CACHE_MIB)],
                                        stdout=self.log, stderr=subprocess.STDOUT)
        self.port = self._port()

    def _port(self) -> int:
        for _ in range(300):
            text = pathlib.Path(self.log.name).read_text()
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", text):
                return int(found.group(1))
            if self.process.poll() is not None:
                raise SystemExit(f"the server ended:\n{text}")
            time.sleep(0.1)
        raise SystemExit(f"the server does not say its port:\n{text}")

    def resident_kib(self) -> int:
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"^VmRSS:\s*(\d+)", status, re.MULTILINE).group(1))

    def open_files(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def metrics(self) -> dict:
        connection = self.connect()
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
        connection.close()
        return {name: float(value) for name, value in (line.split() for line in lines if not line.startswith("#"))}

    def end(self) -> int:
        self.process.terminate()
        return self.process.wait(60)


def ask(connection: http.client.HTTPConnection, number: int) -> str:
    """What went wrong; nothing if the answer is as it should be."""
    body = json.dumps({"prompt": f"Request {number}: ", "max_tokens": 1 + number % 4, "ignore_eos": True})
    connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    text = response.read()
    if response.status != 200:
        return f"request {number}: {response.status} {text[:200]}"
    drawn = json.loads(text)["usage"]["completion_tokens"]
    return "" if drawn == 1 + number % 4 else f"request {number}: {drawn} tokens"


class Requests:
    """Short requests by several threads, with looks at the server in between."""

    def __init__(self, server: Server, count: int):
        self.server, self.count = server, count
        self.lock = threading.Lock()
        self.next = 0
        self.looks = []  # (request, KiB resident, open files)
        self.problems = []

    def run(self) -> None:
        threads = [threading.Thread(target=self._send, args=(index,)) for index in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _take(self) -> int:
        with self.lock:
            self.next += 1
            return self.next

    def _send(self, index: int) -> None:
        keeps_alive = index % 2 == 0
        connection = self.server.connect()
        while (number := self._take()) <= self.count:
            if problem := ask(connection, number):
                self.problems.append(problem)
            if not keeps_alive:
                connection.close()
            if number % LOOK_EVERY == 0:
                self.looks.append((number, self.server.resident_kib(), self.server.open_files()))
        connection.close()

    def growth(self) -> list:
        """What grew, from the looks after the warm-up."""
        looks = sorted(self.looks)
        looks = looks[int(WARM_UP * len(looks)):]
        span = looks[-1][0] - looks[0][0]
        slope = slope_of([(number, kib) for number, kib, _ in looks])
        third = max(1, len(looks) // 3)
        first, last = (statistics.median(look[2] for look in part) for part in (looks[:third], looks[-third:]))
        print(f"resident memory: {min(look[1] for look in looks)} to {max(look[1] for look in looks)} KiB, "
              f"{1000 * slope:+.2f} KiB for 1,000 requests; open files: {first:.0f} at first, {last:.0f} in the end")
        problems = []
        if slope * span > ALLOWED_GROWTH_KIB:
            problems.append(f"memory grew by {slope * span:.0f} KiB, {ALLOWED_GROWTH_KIB} are allowed")
        if last > first + ALLOWED_FILES:
            problems.append(f"open files grew from {first} to {last}")
        return problems


def vanish(server: Server, count: int, most_forwards: int) -> list:
    """Clients ask for long answers, as streams and whole, and close their connections at once."""
    files = server.open_files()
    sockets = []
    for number in range(count):
        body = json.dumps({"prompt": "x", "max_tokens": CONTEXT - 1, "ignore_eos": True, "stream": number % 2 == 0})
        connection = socket.create_connection(("127.0.0.1", server.port))
        connection.sendall((f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                            f"Content-Length: {len(body)}\r\n\r\n{body}").encode())
        sockets.append(connection)
    while server.metrics()["llamacpp:requests_processing"] == 0:
        time.sleep(0.01)
    for connection in sockets:
        connection.close()
    before = server.metrics()["llamacpp:n_decode_total"]
    deadline = time.monotonic() + 30
    while True:
        metrics = server.metrics()
        left = metrics["llamacpp:requests_processing"] + metrics["llamacpp:requests_deferred"]
        if left == 0 or time.monotonic() > deadline:
            break
        time.sleep(0.01)
    steps = metrics["llamacpp:n_decode_total"] - before
    print(f"{count} clients vanished: {steps:.0f} forwards until none was computed for them")
    problems = []
    if left > 0:
        problems.append(f"{left:.0f} answers of clients that have gone are still computed or wait")
    if steps > most_forwards:
        problems.append(f"{steps:.0f} forwards for clients that had gone, {most_forwards} are allowed")
    time.sleep(0.2)
    if server.open_files() > files + ALLOWED_FILES:
        problems.append(f"open files grew from {files} to {server.open_files()}")
    return problems


def soak(options: argparse.Namespace, folder: pathlib.Path) -> int:
    server = Server(options.kiln, train(options.kiln, folder), folder)
    try:
        began = time.monotonic()
        requests = Requests(server, options.requests)
        requests.run()
        seconds = time.monotonic() - began
        print(f"{options.requests} requests in {seconds:.0f} s, {len(requests.problems)} failed")
        problems = requests.problems[:10] + requests.growth() + vanish(server, options.vanishing, options.forwards)
        if failed := ask(server.connect(), 1):
            problems.append(failed)
    finally:
        status = server.end()
    if status != 0:
        problems.append(f"the server ended with {status}")
    print("\n".join(f"problem: {problem}" for problem in problems) or "no problem")
    return 1 if problems else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kiln", help="the program")
    parser.add_argument("--requests", type=int, default=100_000, help="short ones, at least 500")
    parser.add_argument("--vanishing", type=int, default=500, help="clients that close their connections")
    parser.add_argument("--forwards", type=int, default=50,
                        help="most forwards for clients that have gone; an answer takes 4,095; more on a busy machine")
    options = parser.parse_args()
    options.kiln = os.path.abspath(options.kiln)
    with tempfile.TemporaryDirectory(prefix="kiln-serve-soak-") as folder:
        return soak(options, pathlib.Path(folder))


if __name__ == "__main__":
    sys.exit(main())
