"""What people paste where a model is asked for: pages of the hub, and tokens by mistake."""

from __future__ import annotations

import pytest

from tui.model_lookup import from_page, holds_token


@pytest.mark.parametrize(
    ("pasted", "name"),
    [
        ("https://huggingface.co/Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B"),
        ("https://huggingface.co/Qwen/Qwen3-0.6B/", "Qwen/Qwen3-0.6B"),
        ("huggingface.co/Qwen/Qwen3-0.6B/tree/main?library=x", "Qwen/Qwen3-0.6B"),
        ("http://hf.co/gpt2", "gpt2"),
        ("Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B"),
        ("./huggingface.co/own", "./huggingface.co/own"),
        ("/data/huggingface.co/own", "/data/huggingface.co/own"),
    ],
)
def test_the_page_of_a_model_is_its_name(pasted: str, name: str) -> None:
    assert from_page(pasted) == name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hf_abcdefghijklmnopqrstuvwxyz", True),
        ("export HF_TOKEN=hf_abcdefghijklmnopqrstuvwxyz", True),
        ("hf_internal/tiny", False),
        ("hf-internal-testing/tiny-random-LlamaForCausalLM", False),
        ("./hf_models/llama", False),
    ],
)
def test_a_token_is_told_from_a_name(text: str, expected: bool) -> None:
    assert holds_token(text) is expected
