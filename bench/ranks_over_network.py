#!/usr/bin/env python3
"""Runs kiln bench --distributed over a network of this machine's own: a namespace for each rank, joined by veth pairs.

    bench/ranks_over_network.py --kiln build/kiln --config configs/x.json [--ranks 2] [--rate 1gbit --delay 0.25ms]
                                [--steps 8] [--set KEY=VALUE ...]

Needs root, iproute2 and Open MPI; `--delay` also a kernel with netem. Makes the namespaces kiln-rank-0, kiln-rank-1, ... and kiln-switch, with addresses
in 10.77.0.0/24, and removes them at the end. `--delay` is that of each way: the round trip takes twice as long.
Prints one JSON object: the settings, and what kiln measured and planned.
"""

import argparse
import json
import os
import pathlib
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
        add = ["tc", "-n", inside, "qdisc", "add", "dev", "net", "root"]
        if delay:  # needs a kernel with netem
            run(*add, "netem", "limit", "100000", *(["rate", rate] if rate else []), "delay", delay)
        elif rate:
            run(*add, "tbf", "rate", rate, "burst", "256kb", "latency", "100ms")


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


def launch(arguments, folder):
    """Runs kiln bench --distributed on all ranks, and returns what it reports."""
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
    command = [arguments.kiln, "bench", arguments.config, "--distributed", "--json", "--steps", str(arguments.steps)]
    for setting in ["train.threads=1", *arguments.set]:
        command += ["--set", setting]
    environment = os.environ | {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    inside = ["ip", "netns", "exec", namespace(0), "unshare", "--uts", "sh", "-c",
              f'hostname {address(0)} && exec "$@"', "sh"]
    return json.loads(run(*inside, *launcher, *command, env=environment, stdout=subprocess.PIPE).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kiln", required=True)
    parser.add_argument("--config", required=True)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rate", default="", help="of each rank's link, as tc writes it: 1gbit")
    parser.add_argument("--delay", default="", help="one way, as tc writes it: 0.25ms")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("network namespaces need root")
    arguments.kiln = str(pathlib.Path(arguments.kiln).resolve())
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        try:
            make_network(arguments.ranks, arguments.rate, arguments.delay)
            result = launch(arguments, folder)
        finally:
            remove_network(arguments.ranks)
    print(json.dumps({"config": arguments.config, "rate": arguments.rate, "delay": arguments.delay, **result}))


if __name__ == "__main__":
    main()
