"""Where config.json comes from, and what is said when it cannot be had."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.errors import TailfinError
from engine.memory.model_config import read_config


def test_a_folder_needs_no_weights(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    for path in (tmp_path, tmp_path / "config.json"):
        found = read_config(str(path))
        assert found.config == {"model_type": "llama"}
        assert found.download == 0


@pytest.mark.parametrize(
    ("text", "said"), [("{", "not valid JSON"), ("[]", "a list"), ("\xff", "could not be read")]
)
def test_a_bad_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(TailfinError, match=said) as caught:
        read_config(str(tmp_path))
    assert "config.json" in (caught.value.where or caught.value.message)


def test_offline_and_missing_have_their_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(TailfinError) as offline:
        read_config("owner/name")
    assert offline.value.error_id == "hub.offline"
    with pytest.raises(TailfinError) as bad:
        read_config("a/b/c")
    assert bad.value.error_id == "model.bad-name"
    assert bad.value.hint != offline.value.hint
