#!/usr/bin/env python3
"""Plants the bugs of tests/mutations.py one by one in a copy of the tree and looks whether the test suite notices.

    tests/mutation_check.py --work /tmp/kiln-mutations          # all; the copy and its build are kept for next time
    tests/mutation_check.py --work /tmp/kiln-mutations --only 'optim/|rope'
    tests/mutation_check.py --check-table                       # only that each fragment is still there, once

For each mutation the test programs that it names are built and run until their first failure. Exits 1 where a mutation
survives, does not compile, or is of a fragment that does not stand exactly once in its file.
"""

import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from mutations import MUTATIONS, Mutation

ROOT = pathlib.Path(__file__).resolve().parent.parent
MARK = ".kiln-mutations"  # in a folder that this script made and may change
TIMEOUT_S = 900           # for a test program, on a machine that may be busy


def table_problems() -> list:
    problems = []
    for mutation in MUTATIONS:
        text = (ROOT / mutation.file).read_text() if (ROOT / mutation.file).exists() else ""
        if text.count(mutation.old) != 1:
            problems.append(f"{mutation.file}: found {text.count(mutation.old)} times, expected once: {mutation.old}")
    return problems


class Copy:
    """A copy of the tree with a build folder of its own."""

    def __init__(self, folder: pathlib.Path, jobs: int):
        self.folder, self.build, self.jobs = folder, folder / "build", jobs
        if folder.resolve() == ROOT:
            raise SystemExit(f"--work {folder}: is the tree itself; name another folder")
        if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
            raise SystemExit(f"--work {folder}: is not empty and not a copy made here; name a new folder")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MARK).touch()
        self.synchronise()
        if not (self.build / "CMakeCache.txt").exists():
            launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
            subprocess.run(["cmake", "-S", folder, "-B", self.build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                            "-DCMAKE_UNITY_BUILD=ON", *launcher], check=True, stdout=subprocess.DEVNULL)

    def synchronise(self) -> None:
        """Files that are the same keep their times, so that nothing is rebuilt for them."""
        listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                                check=True, capture_output=True, text=True).stdout.split("\0")
        names = {name for name in listed if name and (ROOT / name).is_file()}
        for name in names:
            target, contents = self.folder / name, (ROOT / name).read_bytes()
            if not target.exists() or target.read_bytes() != contents:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, target)
        for top in ("src", "include", "tests"):  # whose files CMake finds by pattern
            for path in (self.folder / top).rglob("*"):
                if path.is_file() and str(path.relative_to(self.folder)) not in names:
                    path.unlink()

    def make(self, programs: list) -> str:
        """Builds; what the compiler said where it failed."""
        command = ["cmake", "--build", self.build, "--parallel", str(self.jobs), "--target", *programs]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return "" if done.returncode == 0 else done.stdout

    def first_failure(self, test: str) -> str:
        """The test of a program ("nn_test", or "cli_test:Suite.*") that fails first; nothing where all pass."""
        program, _, pattern = test.partition(":")
        command = [self.build / "tests" / program, "--gtest_brief=1", "--gtest_fail_fast",
                   f"--gtest_filter={pattern or '*'}"]
        try:
            done = subprocess.run(command, cwd=self.folder, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, errors="replace", timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return f"{program}: no end after {TIMEOUT_S} s"
        if done.returncode == 0:
            if "[  PASSED  ] 0 tests" in done.stdout:
                raise SystemExit(f"{test}: there is no such test")
            return ""
        failed = re.search(r"^\[  FAILED  \] ([^\s,]+)", done.stdout, re.MULTILINE)
        return failed.group(1) if failed else f"{program}: ends with {done.returncode}"

    def verdict(self, mutation: Mutation) -> str:
        """The first test that fails under the mutation, or nothing; the file is as it was afterwards."""
        path = self.folder / mutation.file
        original = path.read_text()
        path.write_text(original.replace(mutation.old, mutation.new))
        try:
            errors = self.make([test.partition(":")[0] for test in mutation.tests])
            if errors:
                raise ValueError(errors)
            return next(filter(None, map(self.first_failure, mutation.tests)), "")
        finally:
            path.write_text(original)


def check(copy: Copy, mutations: list) -> int:
    """Prints a line for each mutation and a summary; how many were not caught."""
    programs = sorted({test.partition(":")[0] for mutation in mutations for test in mutation.tests})
    began = time.monotonic()
    if errors := copy.make(programs):
        raise SystemExit(errors)
    for test in sorted({test for mutation in mutations for test in mutation.tests}):
        if failure := copy.first_failure(test):
            raise SystemExit(f"{failure} fails without a mutation")
    print(f"the tests pass without a mutation ({time.monotonic() - began:.0f} s)", flush=True)
    survivors, broken = [], []
    began = time.monotonic()
    for number, mutation in enumerate(mutations, 1):
        start = time.monotonic()
        try:
            caught = copy.verdict(mutation)
            if not caught:
                survivors.append(mutation)
        except ValueError as error:
            broken.append(mutation)
            caught = f"DOES NOT COMPILE: {str(error)[-1500:]}"
        print(f"{number:3} {time.monotonic() - start:5.0f} s  {mutation.file}: {mutation.what}: {caught or 'SURVIVES'}",
              flush=True)
    caught_count = len(mutations) - len(survivors) - len(broken)
    print(f"{len(mutations)} mutations, {caught_count} caught, {len(survivors)} survive, {len(broken)} do not compile; "
          f"{time.monotonic() - began:.0f} s")
    for mutation in survivors:
        print(f"survives: {mutation.file}: {mutation.what}\n  - {mutation.old}\n  + {mutation.new}")
    return len(survivors) + len(broken)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check-table", action="store_true", help="look for the fragments alone; builds nothing")
    parser.add_argument("--work", type=pathlib.Path, help="where to copy and build; a temporary folder where not given")
    parser.add_argument("--only", default="", help="a regular expression for the files and descriptions to take")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="compilers at a time")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # which restores the file
    if problems := table_problems():
        print("\n".join(problems))
        return 1
    if options.check_table:
        print(f"{len(MUTATIONS)} mutations, each fragment stands once")
        return 0
    chosen = [m for m in MUTATIONS if re.search(options.only, f"{m.file}: {m.what}")]
    if options.work:
        return 1 if check(Copy(options.work, options.jobs), chosen) else 0
    with tempfile.TemporaryDirectory(prefix="kiln-mutations-") as folder:
        return 1 if check(Copy(pathlib.Path(folder), options.jobs), chosen) else 0


if __name__ == "__main__":
    sys.exit(main())
