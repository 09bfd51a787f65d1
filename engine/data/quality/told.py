"""What a report says of a set: each finding with its count, share and examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.data.faults import place
from engine.data.lengths import percentile
from engine.data.quality.census import Census, Example, packed_ratio
from engine.data.quality.duplicates import Repeats
from engine.data.text import counted, shown
from engine.findings import Finding, Severity

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NUM_EXAMPLES = 5
# Shares and ratios from which a set is worth a word.
_SAME_OPENING = 0.1
_FEW_NEAR = 0.01
_CHOSEN_LONGER = 0.65
_PACKED = 6.0
_FEW_ANSWERS = 5
_MANY_ROWS = 200


@dataclass(frozen=True, slots=True)
class Tally:
    """One finding with its figures; `count` is in rows, `share` of the usable rows.

    `text` continues "12 rows ..." or stands alone where `count` is 0; `acts` can mend it.
    """

    id: str
    severity: Severity
    text: str
    count: int
    share: float
    examples: tuple[Example, ...]
    why: str
    fix: str
    acts: tuple[str, ...] = ()

    def finding(self, path: str) -> Finding:
        """The same for a screen and for the command line."""
        message, where = f"{self.text}.", path
        if self.count:
            message = f"{counted(self.count, 'row')} ({_percent(self.share)}) {self.text}"
            if self.examples:
                first = self.examples[0]
                where = place(first.file or path, first.record, first.line)
                message += f", at {_places(self.examples, self.count)}"
                message += f": {first.seen}" if first.seen else ""
            message += "."
        return Finding(self.id, self.severity, message, self.fix, where, self.why)


def check_findings(parts: Sequence[Census], num_rows: int) -> Iterator[Tally]:
    """What the checks of single rows found."""
    from engine.data.quality.checks import ROW_CHECKS

    for check in ROW_CHECKS:
        count = sum(len(part.hits.get(check.id, ())) for part in parts)
        if not count:
            continue
        examples = [one for part in parts for one in part.examples.get(check.id, ())]
        yield Tally(
            check.id,
            check.severity,
            check.text,
            count,
            count / max(num_rows, 1),
            tuple(examples[:_NUM_EXAMPLES]),
            check.why,
            check.fix,
            check.acts,
        )


def set_findings(parts: Sequence[Census], repeats: Repeats, num_rows: int) -> Iterator[Tally]:
    """What only the set as a whole can show."""
    if not num_rows:
        return
    places = _Places(parts)
    yield from _repeated(repeats, places, num_rows)
    yield from _pairs(parts)
    yield from _variety(parts, num_rows)
    yield from _lengths(parts, places, num_rows)
    yield _size(num_rows)


def leak_findings(
    held_out: Sequence[Census], same: NDArray[np.int64], near: NDArray[np.int64]
) -> Iterator[Tally]:
    """Held-out rows that training would have seen; indices among the usable held-out rows."""
    num_rows = sum(len(part.records) for part in held_out)
    places = _Places(held_out)
    told = (
        ("data.eval-leak", "of the held-out file asked a question of the training rows", same),
        ("data.eval-near-leak", "of the held-out file nearly repeated a training row", near),
    )
    for identity, text, rows in told:
        if len(rows):
            examples = tuple(places.example(int(index)) for index in rows[:_NUM_EXAMPLES])
            why = "Held-out loss will look better than it is: part of it is training loss."
            fix = "Remove these rows from one of the two files."
            share = len(rows) / num_rows
            yield Tally(identity, "warn", text, len(rows), share, examples, why, fix, ("drop",))


def _repeated(repeats: Repeats, places: _Places, num_rows: int) -> Iterator[Tally]:
    told: tuple[tuple[str, str, NDArray[np.int64], str, str, tuple[str, ...]], ...] = (
        (
            "data.duplicates",
            "repeated an earlier row (case, spaces and punctuation aside)",
            repeats.exact,
            "Each copy weighs its row double, and copies on both sides of a split make the "
            "held-out loss a training loss.",
            "Remove the copies.",
            ("keep-first",),
        ),
        (
            "data.near-duplicates",
            "nearly repeated an earlier row (most words and all numbers are the same)",
            repeats.near,
            "They weigh a row several times, and leak from training into evaluation.",
            "Keep one of each, and keep both on one side of a split.",
            ("keep-first",),
        ),
        (
            "data.contradictions",
            "asked a question that another row answers differently",
            repeats.contradicting,
            "The model learns the mean of both answers.",
            "Keep one answer per question, unless variety is the aim.",
            ("drop",),
        ),
    )
    for identity, text, rows, why, fix, acts in told:
        if len(rows):
            examples = tuple(places.example(int(index)) for index in rows[:_NUM_EXAMPLES])
            share = len(rows) / num_rows
            is_few = identity == "data.near-duplicates" and share < _FEW_NEAR
            severity: Severity = "info" if is_few else "warn"
            yield Tally(identity, severity, text, len(rows), share, examples, why, fix, acts)


def _pairs(parts: Sequence[Census]) -> Iterator[Tally]:
    num_pairs = sum(part.num_pairs for part in parts)
    if not num_pairs:
        return
    equal = sum(part.num_pairs_equal for part in parts)
    longer = sum(part.num_chosen_longer for part in parts)
    if equal:
        said = "had a better answer equal to the worse one"
        why = "Such a pair says nothing."
        yield Tally(
            "data.equal-pairs", "warn", said, equal, equal / num_pairs, (), why, "Remove them."
        )
    if longer > _CHOSEN_LONGER * num_pairs and num_pairs >= _MANY_ROWS:
        said = f"The better answer is the longer one in {_percent(longer / num_pairs)} of the pairs"
        why = "Preference training would learn length before anything else."
        fix = "Balance the lengths, or compare at equal length."
        yield Tally("data.longer-chosen", "info", said, 0, longer / num_pairs, (), why, fix)


def _variety(parts: Sequence[Census], num_rows: int) -> Iterator[Tally]:
    openings: Counter[str] = sum((part.openings for part in parts), Counter())
    if num_rows >= _MANY_ROWS:
        common, count = openings.most_common(1)[0]
        answers = len(set().union(*(set(part.said.tolist()) for part in parts)))
        if answers <= _FEW_ANSWERS:
            said = f"There are only {answers} different answers to {num_rows:,} questions"
            why = "That is a classification: accuracy per class says more than the loss."
            yield Tally("data.few-answers", "info", said, 0, 1.0, (), why, "")
        elif count > _SAME_OPENING * num_rows and len(common.strip()) >= 8:
            said = f"{_percent(count / num_rows)} of the answers begin with {shown(common)}"
            why = "The model will begin nearly every answer so."
            fix = "Vary the answers, or cut the opening."
            yield Tally("data.same-opening", "info", said, 0, count / num_rows, (), why, fix)
        texts = [text for part in parts for text in part.texts]
        ratio = packed_ratio(texts[:: max(len(texts) // 1000, 1)])
        if ratio > _PACKED:
            said = (
                f"The answers are made of few patterns: packed they are {ratio:.1f} times smaller"
            )
            why = "Varied sets pack 2.4 to 2.9 times; templates teach the template."
            yield Tally("data.low-diversity", "info", said, 0, 1.0, (), why, "Add varied rows.")
    scripts: Counter[str] = sum((part.scripts for part in parts), Counter())
    named = {name: count for name, count in scripts.items() if name and count >= 0.02 * num_rows}
    if len(named) > 1:
        listed = ", ".join(
            f"{name} {_percent(count / num_rows)}"
            for name, count in sorted(named.items(), key=lambda one: -one[1])
        )
        said = f"Answers are in several scripts: {listed}"
        why = "Fine where it is meant; look at each part by itself."
        yield Tally("data.language-mix", "info", said, 0, 1.0, (), why, "")
    systems: Counter[str] = sum((part.systems for part in parts), Counter())
    with_system = sum(systems.values())
    if 0 < with_system < num_rows:
        said = f"{_percent(with_system / num_rows)} of the rows have a system prompt"
        why = "The model learns both; serve it the way most rows are."
        fix = "Give all rows one, or none: --set data.system=TEXT"
        yield Tally("data.some-systems", "info", said, 0, with_system / num_rows, (), why, fix)


def _lengths(parts: Sequence[Census], places: _Places, num_rows: int) -> Iterator[Tally]:
    import numpy as np

    lengths = np.concatenate([part.answer_chars + part.prompt_chars for part in parts])
    ordered = np.sort(lengths).tolist()
    limit = max(20 * percentile(ordered, 50), 4 * percentile(ordered, 99), 2000)
    long = np.flatnonzero(lengths > limit)
    if len(long) and num_rows >= 20:
        examples = tuple(places.example(int(index)) for index in long[:_NUM_EXAMPLES])
        said = f"were far longer than the rest (over {limit:,} characters)"
        why = "One such row sets the memory of the whole run, or is cut."
        fix = "Split or remove them, or set data.max_length."
        share = len(long) / num_rows
        yield Tally("data.length-outliers", "info", said, len(long), share, examples, why, fix)


def _size(num_rows: int) -> Tally:
    """Advice on size and epochs, as practitioners give it."""
    if num_rows < 100:
        said = f"{counted(num_rows, 'row')}: too few to teach much"
        fix = "Try a good prompt with some of them as examples first; a run shows that it works."
    elif num_rows < 500:
        said = f"{num_rows} rows prove the path, and can teach a form or a tone"
        fix = "3 to 5 epochs; a few thousand varied rows for quality."
    elif num_rows < 5000:
        said = f"{num_rows:,} rows are a usual size for one task"
        fix = "2 to 3 epochs; watch the held-out loss."
    else:
        said = f"{num_rows:,} rows are many"
        fix = "1 to 2 epochs; quality counts more than further rows."
    return Tally("data.size", "info", said, 0, 1.0, (), "", fix)


class _Places:
    """Where a row of the whole set stands, by its index among the usable ones."""

    def __init__(self, parts: Sequence[Census]) -> None:
        import numpy as np

        self._records = np.concatenate([part.records for part in parts])
        self._lines = np.concatenate([part.lines for part in parts])

    def example(self, index: int) -> Example:
        return Example(int(self._records[index]), int(self._lines[index]), "", -1, 0, 0, "")


def _places(examples: Sequence[Example], count: int) -> str:
    has_lines = all(one.line > 0 and not one.file for one in examples)
    numbers = [one.line if has_lines else one.record for one in examples[:3]]
    word = "line" if has_lines else "record"
    more = f" and {count - len(numbers):,} more" if count > len(numbers) else ""
    return f"{word}{'s' if count > 1 else ''} {', '.join(map(str, numbers))}{more}"


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}" if share >= 0.001 else "under 0.1%"
