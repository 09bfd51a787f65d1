"""Counting trained tokens against the tokenizer's own batch speed, on the same rows.

python -m tests.benchmarks.bench_token_report [--rows 10000] [--model samples/model] [--rounds 5]

Both sides take turns, and the ratio is taken per round: the machine is shared. The tokenizer is
called as its documentation says, `tokenizer(texts)`, on rendered rows in batches of 1,000, and once
more by `encode_batch` of the tokenizers library, which makes no Python lists. Counting renders
the rows too, finds the answers in them and checks them.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

_BATCH = 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    root = Path(__file__).parents[2]
    parser.add_argument("--model", default=str(root / "samples" / "model"))
    args = parser.parse_args()

    import tokenizers
    import transformers

    from engine.data.rows import Message, Row
    from engine.spec import ModelSpec
    from engine.worker.counts import count_rows
    from engine.worker.data_report import load_tokenizer
    from engine.worker.render import render_rows
    from engine.worker.token_checks import ControlTokens, check_tokens
    from engine.worker.tokens import render_template
    from tests.benchmarks.bench_data_report import rows as made_rows

    tokenizer, _ = load_tokenizer(ModelSpec(path=args.model))
    template = render_template(tokenizer, "auto")
    rows = [
        Row(
            (
                Message("user", f"{row['instruction']}\n{row['input']}".strip()),
                Message("assistant", row["output"]),
            ),
            number,
            number + 1,
        )
        for number, row in enumerate(made_rows(args.rows))
    ]
    rendered = [one.text for one in render_rows(rows, tokenizer, template, "answers")]
    batches = [rendered[start : start + _BATCH] for start in range(0, len(rendered), _BATCH)]

    def by_call() -> None:
        for texts in batches:
            tokenizer(texts, add_special_tokens=False)

    def by_batch() -> None:
        for texts in batches:
            tokenizer.backend_tokenizer.encode_batch(texts, add_special_tokens=False)

    def counting() -> None:
        controls = ControlTokens(tokenizer, template)
        for row in rows:
            controls.look(row)
        check_tokens(list(count_rows(rows, tokenizer, template, "answers")), 512)

    cores = len(os.sched_getaffinity(0))
    print(
        f"{args.rows:,} rows, {template.method}; Python {platform.python_version()}, "
        f"{cores} cores, transformers {transformers.__version__}, "
        f"tokenizers {tokenizers.__version__}"
    )
    print(f"{'counting s':>10} {'call s':>7} {'ratio':>6} {'batch s':>8} {'ratio':>6}")
    ratios = []
    for _ in range(args.rounds):
        ours, call, batch = (_seconds(work) for work in (counting, by_call, by_batch))
        ratios.append(call / ours)
        print(f"{ours:>10.2f} {call:>7.2f} {call / ours:>6.2f} {batch:>8.2f} {batch / ours:>6.2f}")
    middle = statistics.median(ratios)
    verdict = "met" if middle >= 0.9 else "missed"
    print(f"median {middle:.2f} of the tokenizer's speed; aim 0.9: {verdict}")
    return 0


def _seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    raise SystemExit(main())
