"""Choices as the command line that makes the same run."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence

from engine.errors import TailfinError
from engine.fields import written
from engine.flags import FLAGS
from engine.settings import parse_set
from engine.spec import field_paths


def train_words(choices: Mapping[str, object], *, spec_file: str = "") -> list[str]:
    """The words of `tailfin train` for choices by dotted path, without the leading `tailfin`.

    Read by the command's own parser they give these choices again, whatever they hold.
    """
    words = ["train"]
    if spec_file:
        # a file named -x is no option
        words.append(f"./{spec_file}" if spec_file.startswith("-") else spec_file)
    flags = {path: f"--{flag.replace('_', '-')}" for flag, path in FLAGS.items()}
    order = [*flags, *(path for path in field_paths() if path not in flags)]
    known = [path for path in order if path in choices]
    for path in [*known, *(path for path in choices if path not in order)]:
        value = choices[path]
        flag = flags.get(path)
        text = written(value)
        # argparse takes a leading dash for an option, and swallows a lone --
        if flag is None or text.startswith("-") or isinstance(value, Mapping):
            words += set_words({path: value})
        else:
            words += [flag, text]
    return words


def set_words(choices: Mapping[str, object]) -> list[str]:
    """`--set path=value` for each choice, the values as `--set` reads them."""
    words = []
    for path, value in choices.items():
        words += ["--set", f"{path}={_toml(value)}"]
    return words


def shell_line(words: Sequence[str]) -> str:
    """The words as one line for a POSIX shell, beginning with `tailfin`."""
    return shlex.join(["tailfin", *words])


def _toml(value: object) -> str:
    if isinstance(value, str):
        return value if _reads_bare(value) else _quoted(value)
    if isinstance(value, Mapping):
        pairs = (f"{_quoted(str(key))} = {_toml_inside(item)}" for key, item in value.items())
        return f"{{{', '.join(pairs)}}}"
    return written(value)


def _toml_inside(value: object) -> str:
    return _quoted(value) if isinstance(value, str) else _toml(value)


def _reads_bare(text: str) -> bool:
    """Whether `--set` takes the text for itself, and not for a number, a date or a table."""
    try:
        return text != "" and parse_set([f"name={text}"]) == {"name": text}
    except TailfinError:
        return False


def _quoted(text: str) -> str:
    """A TOML string, which is a JSON string but for one character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
