"""What a proposal prints to confirm it means the same columns when it is typed in."""

from __future__ import annotations

import shlex
import tomllib

from hypothesis import example, given
from hypothesis import strategies as st

from engine.data.proposal import make_proposal
from engine.settings import parse_set

# Half a surrogate pair can stand in no TOML, hence in no spec.
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@given(prompt=NAMES, completion=NAMES)
@example(prompt="\U0001f4ac", completion="\x7f")
@example(prompt="a=b'c", completion='say "x"\\')
@example(prompt="2024-11-23", completion="true")
def test_flags_and_spec_section_name_the_very_columns(prompt: str, completion: str) -> None:
    columns = {"prompt": prompt, "completion": completion}
    proposal = make_proposal(columns, "of a test", {})

    words = shlex.split(proposal.flags)
    assert words[::2] == ["--set", "--set"]
    assert parse_set(words[1::2]) == {"data": {"columns": columns}}
    assert tomllib.loads(proposal.toml) == {"data": {"columns": columns}}
