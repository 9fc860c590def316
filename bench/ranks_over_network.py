#!/usr/bin/env python3
"""Runs kiln bench --distributed over a network of this machine's own: a namespace for each rank.

    bench/ranks_over_network.py --kiln build/kiln --config configs/x.json [--ranks 2] [--rate 1gbit [--delay 0.5ms]]
                                [--steps 8] [--set KEY=VALUE ...]

Needs root, iproute2 and Open MPI. Makes the namespaces kiln-rank-0, kiln-rank-1, ... and kiln-switch, with addresses in
10.77.0.0/24, and removes them at the end. Without --delay, veth pairs join the namespaces, and tc limits the rate. With
it, each namespace has a TUN device, and this process carries the packets: it needs no netem, but a share of a core
("carrying" in the result). --delay is that of each way: the round trip takes twice as long. Prints one JSON object: the
settings, and what kiln measured and planned.
"""

import argparse
import fcntl
import heapq
import json
import os
import pathlib
import re
import select
import struct
import subprocess
import sys
import tempfile
import threading
import time

NETWORK = "10.77.0"
SWITCH = "kiln-switch"


def run(*command, **options):
    return subprocess.run(command, check=True, **options)


def namespace(rank):
    return f"kiln-rank-{rank}"


def address(rank):
    return f"{NETWORK}.{rank + 1}"


def parsed(text, units):
    """Returns the number of a text like "1gbit" or "0.5ms" times its unit."""
    match = re.fullmatch(r"([\d.]+)([a-z]+)", text)
    if not match or match[2] not in units:
        sys.exit(f"{text}: a number and one of {', '.join(units)} is expected")
    return float(match[1]) * units[match[2]]


class Carrier(threading.Thread):
    """Carries packets between the TUN devices of the ranks, at a rate in bytes a second for each sender, and late by
    `delay` seconds. A sender that is far ahead of the rate is not read, so that its own queue holds it back."""

    AHEAD_S = 0.1

    def __init__(self, ranks, rate, delay):
        super().__init__(daemon=True)
        self.rate, self.delay = rate, delay
        self.devices = [self.make_device(rank) for rank in range(ranks)]
        self.stopping = False

    @staticmethod
    def make_device(rank):
        tun, set_interface, kind = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK), 0x400454CA, 0x0001 | 0x1000
        name, inside = f"kiln-tun{rank}", namespace(rank)
        fcntl.ioctl(tun, set_interface, struct.pack("16sH22x", name.encode(), kind))
        run("ip", "netns", "add", inside)
        run("ip", "link", "set", name, "netns", inside, "name", "net", "mtu", "65000")
        return tun

    def run(self):
        free = [0.0] * len(self.devices)  # when each sender's link is free
        waiting, count = [], 0            # (when it arrives, number, receiver, packet)
        while not self.stopping:
            now = time.monotonic()
            while waiting and waiting[0][0] <= now:
                _, _, receiver, packet = heapq.heappop(waiting)
                os.write(self.devices[receiver], packet)
            ready = [tun for tun, at in zip(self.devices, free) if at < now + self.AHEAD_S]
            timeout = waiting[0][0] - now if waiting else 0.1
            for tun in select.select(ready, [], [], max(0.0, min(timeout, 0.1)))[0]:
                packet = os.read(tun, 65536)
                if packet[0] >> 4 != 4 or not 0 < packet[19] <= len(self.devices):
                    continue  # not to a rank's address: the kernel's own messages over IPv6
                sender = self.devices.index(tun)
                free[sender] = max(time.monotonic(), free[sender]) + len(packet) / self.rate
                count += 1
                heapq.heappush(waiting, (free[sender] + self.delay, count, packet[19] - 1, packet))

    def stop(self):
        self.stopping = True
        self.join()
        for tun in self.devices:
            os.close(tun)


def configure(rank):
    """Gives a rank's device its address."""
    inside = namespace(rank)
    run("ip", "-n", inside, "address", "add", f"{address(rank)}/24", "dev", "net")
    run("ip", "-n", inside, "link", "set", "net", "up")
    run("ip", "-n", inside, "link", "set", "lo", "up")


def make_switch(ranks, rate):
    """Joins a namespace for each rank to a switch, and limits what each sends."""
    run("ip", "netns", "add", SWITCH)
    run("ip", "-n", SWITCH, "link", "add", "bridge", "type", "bridge")
    run("ip", "-n", SWITCH, "link", "set", "bridge", "up")
    for rank in range(ranks):
        inside = namespace(rank)
        run("ip", "netns", "add", inside)
        run("ip", "-n", inside, "link", "add", "net", "type", "veth", "peer", "name", f"port{rank}", "netns", SWITCH)
        run("ip", "-n", SWITCH, "link", "set", f"port{rank}", "master", "bridge", "up")
        configure(rank)
        if rate:
            run("tc", "-n", inside, "qdisc", "add", "dev", "net", "root", "tbf", "rate", rate, "burst", "256kb",
                "latency", "100ms")


def make_network(ranks, rate, delay):
    """Returns the Carrier of a network with a delay; else None."""
    if not delay:
        make_switch(ranks, rate)
        return None
    bits = parsed(rate, {"mbit": 1e6, "gbit": 1e9})
    carrier = Carrier(ranks, bits / 8, parsed(delay, {"us": 1e-6, "ms": 1e-3, "s": 1.0}))
    for rank in range(ranks):
        configure(rank)
    carrier.start()
    return carrier


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
    parser.add_argument("--delay", default="", help="one way, with --rate: 0.5ms")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("network namespaces need root")
    if arguments.delay and not arguments.rate:
        sys.exit("--delay needs --rate")
    arguments.kiln = str(pathlib.Path(arguments.kiln).resolve())
    with tempfile.TemporaryDirectory() as name:
        folder, carrier = pathlib.Path(name), None
        try:
            carrier = make_network(arguments.ranks, arguments.rate, arguments.delay)
            began = time.monotonic()
            result = launch(arguments, folder)
            result["carrying"] = round(time.process_time() / (time.monotonic() - began), 3)
        finally:
            if carrier:
                carrier.stop()
            remove_network(arguments.ranks)
    print(json.dumps({"config": arguments.config, "rate": arguments.rate, "delay": arguments.delay, **result}))


if __name__ == "__main__":
    main()
