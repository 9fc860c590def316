#!/usr/bin/env python3
"""Times kiln's ranks over a network of this machine's own: each rank in a network namespace, joined by veth pairs.

    bench/ranks_over_network.py --kiln build/kiln --config configs/x.json [--ranks 2] [--rate 1gbit --delay 0.25ms]
                                [--steps 12] [--set KEY=VALUE ...]

Needs root, iproute2 and Open MPI. Makes the namespaces kiln-rank-0, kiln-rank-1, ... and kiln-switch, with addresses
in 10.77.0.0/24, and removes them at the end. `--delay` is that of each way: the round trip takes twice as long.
Prints one JSON object: the step's median time, what ranks waited, and the settings.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

NETWORK = "10.77.0"
SWITCH = "kiln-switch"


def run(*command, **options):
    return subprocess.run(command, check=True, **options)


def namespace(rank):
    return f"kiln-rank-{rank}"


def address(rank):
    return f"{NETWORK}.{rank + 1}"


def make_network(ranks, rate, delay):
    """Joins a namespace for each rank to a switch, and shapes what each sends."""
    run("ip", "netns", "add", SWITCH)
    run("ip", "-n", SWITCH, "link", "add", "bridge", "type", "bridge")
    run("ip", "-n", SWITCH, "link", "set", "bridge", "up")
    for rank in range(ranks):
        inside = namespace(rank)
        run("ip", "netns", "add", inside)
        run("ip", "-n", inside, "link", "add", "net", "type", "veth", "peer", "name", f"port{rank}", "netns", SWITCH)
        run("ip", "-n", SWITCH, "link", "set", f"port{rank}", "master", "bridge", "up")
        run("ip", "-n", inside, "address", "add", f"{address(rank)}/24", "dev", "net")
        run("ip", "-n", inside, "link", "set", "net", "up")
        run("ip", "-n", inside, "link", "set", "lo", "up")
        if rate or delay:
            shaping = ["tc", "-n", inside, "qdisc", "add", "dev", "net", "root", "netem", "limit", "100000"]
            shaping += ["rate", rate] if rate else []
            shaping += ["delay", delay] if delay else []
            run(*shaping)


def remove_network(ranks):
    for name in [SWITCH, *(namespace(rank) for rank in range(ranks))]:
        subprocess.run(["ip", "netns", "delete", name], check=False, stderr=subprocess.DEVNULL)


def agent(folder):
    """Writes what mpirun starts its daemons with in place of ssh: HOST COMMAND... in that host's namespace."""
    path = folder / "agent.sh"
    path.write_text(
        "#!/bin/sh\n"
        'host="$1"; shift\n'
        f'rank=$((${{host##*.}} - 1))\n'
        'exec ip netns exec "kiln-rank-$rank" unshare --uts sh -c "hostname $host && $*"\n'
    )
    path.chmod(0o755)
    return path


def launch(arguments, folder, run_folder):
    hosts = ",".join(address(rank) for rank in range(arguments.ranks))
    launcher = ["mpirun", "--host", hosts, "-n", str(arguments.ranks), "--map-by", "node", "--bind-to", "none"]
    for key, value in {
        "plm_rsh_agent": str(agent(folder)),
        "btl": "tcp,self",
        "btl_tcp_if_include": f"{NETWORK}.0/24",
        "oob_tcp_if_include": f"{NETWORK}.0/24",
        "orte_keep_fqdn_hostnames": "1",
    }.items():
        launcher += ["--mca", key, value]
    training = [arguments.kiln, "train", arguments.config, "--run", str(run_folder), "--quiet"]
    settings = [f"train.steps={arguments.steps}", "train.threads=1", "train.log_every=1", "train.eval_every=0",
                "train.checkpoint_every=0", "train.tensorboard=false", *arguments.set]
    for setting in settings:
        training += ["--set", setting]
    environment = os.environ | {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    inside = ["ip", "netns", "exec", namespace(0), "unshare", "--uts", "sh", "-c",
              f'hostname {address(0)} && exec "$@"', "sh"]
    run(*inside, *launcher, *training, env=environment)


def measure(run_folder):
    rows = [json.loads(line) for line in (run_folder / "metrics.jsonl").read_text().splitlines()]
    seconds = [after["seconds"] - before["seconds"] for before, after in zip(rows[1:], rows[2:])]
    return {
        "step_seconds": statistics.median(seconds),
        "least": min(seconds),
        "most": max(seconds),
        "waiting": statistics.median(row.get("ranks/waiting") or 0 for row in rows[2:]),
        "tokens_per_second": (rows[-1]["tokens"] - rows[1]["tokens"]) / (rows[-1]["seconds"] - rows[1]["seconds"]),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kiln", required=True)
    parser.add_argument("--config", required=True)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rate", default="", help="of each rank's link, as tc writes it: 1gbit")
    parser.add_argument("--delay", default="", help="one way, as tc writes it: 0.25ms")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("network namespaces need root")
    arguments.kiln = str(pathlib.Path(arguments.kiln).resolve())
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        try:
            make_network(arguments.ranks, arguments.rate, arguments.delay)
            launch(arguments, folder, folder / "run")
            result = measure(folder / "run")
        finally:
            remove_network(arguments.ranks)
    print(json.dumps({"config": arguments.config, "ranks": arguments.ranks, "rate": arguments.rate,
                      "delay": arguments.delay, **{key: round(value, 6) for key, value in result.items()}}))


if __name__ == "__main__":
    main()
