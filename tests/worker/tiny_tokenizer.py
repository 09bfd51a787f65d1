"""Tokenizers small enough to learn in a test, with the control tokens of several families."""

from __future__ import annotations

from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

CONTROL_TOKENS = (
    *("<s>", "</s>", "<|pad|>", "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<think>"),
    *("</think>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<start_of_turn>"),
    *("<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>", "<|USER_TOKEN|>", "<|CHATBOT_TOKEN|>"),
    *("<end_of_turn>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "[INST]", "[/INST]"),
)
_WORDS = "What is the capital of France? It is Paris, of course. Say hello: Hello there! 123\n"


def byte_tokenizer(template: str | None = None, *, adds_bos: bool = False) -> Any:
    """A byte-level BPE, like those of GPT-2, Qwen and Llama 3."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=list(CONTROL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([_WORDS] * 5, trainer)
    if adds_bos:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
        )
    return _wrap(tokenizer, template)


def metaspace_tokenizer(template: str | None = None) -> Any:
    """A BPE with spaces as signs, like those of Llama 2 and Phi-3, whose end tokens eat spaces."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))],
        show_progress=False,
    )
    tokenizer.train_from_iterator([_WORDS] * 5, trainer)
    tokenizer.add_special_tokens(
        [AddedToken(token, rstrip=token.startswith("<|"), special=True) for token in CONTROL_TOKENS]
    )
    return _wrap(tokenizer, template)


def _wrap(tokenizer: Tokenizer, template: str | None) -> Any:
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<|pad|>",
        clean_up_tokenization_spaces=False,
    )
    wrapped.chat_template = template
    return wrapped
