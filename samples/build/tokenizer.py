"""The demo model's tokenizer: byte-level BPE learned from the corpus, with a chat template."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

VOCAB_SIZE = 1536
MAX_LENGTH = 512
# AutoTokenizer reads a qwen2 model with Qwen2Tokenizer, whose unknown token is <|endoftext|>: were
# it not in the vocabulary it would be added, one token beyond the embeddings.
PAD, DOCUMENT, TURN, END = SPECIAL_TOKENS = ("<|pad|>", "<|endoftext|>", "<|turn|>", "<|end|>")
TEMPLATE = Path(__file__).with_name("chat_template.jinja")

# The split that the Qwen2 family uses, letter for letter: converters to other formats know it.
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def learn_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """A tokenizer of VOCAB_SIZE tokens learned from the texts; any byte can be encoded."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[DOCUMENT, TURN],
        model_max_length=MAX_LENGTH,
        clean_up_tokenization_spaces=False,
        chat_template=TEMPLATE.read_text(encoding="utf-8").strip(),
    )
