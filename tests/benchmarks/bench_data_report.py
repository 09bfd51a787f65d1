"""Seconds and memory of `tailfin data report` without a tokenizer, on generated rows.

python -m tests.benchmarks.bench_data_report [--rows 52000 --rows 1000000]

The rows are Alpaca-sized and made of varied words, one in a hundred a changed copy of another.
Memory is the highest sum of proportional set sizes (shared pages counted once) of the command and
its children, asked for ten times a second; processor seconds are those of all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

AIMS = {52_000: (6.0, 0.0), 1_000_000: (120.0, 3.0)}
_SYLLABLES = [
    "ka",
    "lo",
    "mi",
    "ten",
    "sar",
    "du",
    "vel",
    "or",
    "pha",
    "ni",
    "gre",
    "to",
    "bas",
    "ul",
    "em",
    "cro",
    "wy",
    "han",
    "ze",
    "fi",
]
_SMALL = [
    "the",
    "a",
    "of",
    "to",
    "and",
    "in",
    "is",
    "that",
    "it",
    "for",
    "on",
    "with",
    "as",
    "by",
    "from",
    "this",
    "are",
    "was",
    "be",
    "or",
]
_ASKS = ("Explain", "Describe", "Compare", "Summarise", "List", "Write about", "What is", "How")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, action="append", help="may be repeated")
    wanted = parser.parse_args().rows or list(AIMS)
    cores = len(os.sched_getaffinity(0))
    print(f"tailfin data report, no tokenizer; Python {platform.python_version()}, {cores} cores")
    print(f"{'rows':>9} {'MB':>6} {'s':>7} {'rows/s':>8} {'CPU s':>7} {'GiB':>6}  aim")
    with tempfile.TemporaryDirectory() as folder:
        for num_rows in wanted:
            path = Path(folder) / f"{num_rows}.jsonl"
            with path.open("w", encoding="utf-8") as file:
                file.writelines(json.dumps(row) + "\n" for row in rows(num_rows))
            size = path.stat().st_size / 1e6
            seconds, cpu, peak = measure(path)
            aim = AIMS.get(num_rows)
            said = "none"
            if aim:
                is_met = seconds <= aim[0] and (not aim[1] or peak <= aim[1])
                limit = f" and {aim[1]:.0f} GiB" if aim[1] else ""
                said = f"{aim[0]:.0f} s{limit}: {'met' if is_met else 'missed'}"
            print(
                f"{num_rows:>9,} {size:>6.0f} {seconds:>7.1f} {num_rows / seconds:>8,.0f} "
                f"{cpu:>7.1f} {peak:>6.2f}  {said}",
                flush=True,
            )
            path.unlink()
    return 0


def rows(num_rows: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """Instruction, input and output, about 370 characters in all, the same for a seed."""
    chance = random.Random(seed)
    words = ["".join(chance.choices(_SYLLABLES, k=chance.randint(2, 4))) for _ in range(20_000)]
    # Few words are common and most are rare, as in any language.
    ranks = [1 / (place + 20) for place in range(len(words))]
    pool = chance.choices(words, ranks, k=400_000)
    kept: list[dict[str, str]] = []
    for number in range(num_rows):
        if kept and number % 100 == 99:
            copy = dict(chance.choice(kept))
            said = copy["output"].split()
            said[chance.randrange(len(said))] = chance.choice(words)
            yield {**copy, "output": " ".join(said)}
            continue
        row = {
            "instruction": f"{chance.choice(_ASKS)} {_text(chance, pool, 8)}.",
            "input": f"{_text(chance, pool, 10)}." if number % 3 == 0 else "",
            "output": ". ".join(
                _text(chance, pool, chance.randint(6, 14)).capitalize() for _ in range(4)
            )
            + ".",
        }
        if number % 50 == 0 and len(kept) < 1000:
            kept.append(row)
        yield row


def _text(chance: random.Random, pool: list[str], num_words: int) -> str:
    start = chance.randrange(len(pool) - num_words)
    said = pool[start : start + num_words]
    said[1::3] = [chance.choice(_SMALL) for _ in said[1::3]]
    return " ".join(said)


def measure(path: Path) -> tuple[float, float, float]:
    """Seconds, processor seconds and GiB of one report."""
    command = [sys.executable, "-P", "-m", "engine", "data", "report", str(path), "--json"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with tempfile.TemporaryFile() as out:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.monotonic()
        child = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
        peak = 0
        while child.poll() is None:
            peak = max(peak, _memory(child.pid))
            time.sleep(0.1)
        seconds = time.monotonic() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if child.returncode not in (0, 1):
            out.seek(0)
            raise SystemExit(out.read()[-2000:].decode("utf-8", "replace"))
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu, peak / 2**30


def _memory(pid: int) -> int:
    total = 0
    with suppress(psutil.Error):
        parent = psutil.Process(pid)
        for process in [parent, *parent.children(recursive=True)]:
            with suppress(psutil.Error):
                total += process.memory_full_info().pss
    return total


if __name__ == "__main__":
    sys.exit(main())
