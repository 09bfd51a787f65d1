"""Whether an export is what was trained: its logits, loaded plainly, against the trained pair."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

from engine.errors import EXIT_NO, TailfinError
from engine.evaluate.delivered import held_out_rows
from engine.evaluate.questions import as_questions
from engine.export.report import Parity
from engine.worker.answers import prompt_ids
from engine.worker.trained import Pair

_NUM_PROMPTS = 4
_MAX_PROMPT = 256
_NEW_TOKENS = 16
# Positions compared per prompt, from its end: at 150,000 tokens each one is 0.6 MB.
_KEEP = 32
_SCRIPT = Path(__file__).with_name("plain_load.py")

# Largest difference against the logits' spread. float32 measured 1e-6; half precision differs by
# about 1 % through its rounding alone, int8 rounds the activations as well.
_TOLERANCES = {"float32": 1e-3, "float16": 2e-2, "bfloat16": 5e-2, "4-bit": 5e-2, "8-bit": 1e-1}
# Below this, training changed nothing that could be kept.
_NO_EFFECT = 1e-6


@dataclass(frozen=True, slots=True)
class Reference:
    """The trained model's word: logits of tuned and base, (positions, vocabulary) per prompt."""

    conversations: list[list[dict[str, object]]]
    prompts: list[list[int]]
    sequences: list[list[int]]
    tuned: list[torch.Tensor]
    base: list[torch.Tensor]
    dtype: str
    device: str
    quantization: dict[str, object] | None
    bits: int
    base_folder: str
    trust_remote_code: bool


def reference(pair: Pair) -> Reference:
    """Ask the trained pair: greedy answers to a few held-out prompts, and the logits over them."""
    questions = as_questions(held_out_rows(pair.delivered.run))[:_NUM_PROMPTS]
    conversations = [question.as_dicts() for question in questions]
    conversations = conversations or [[{"role": "user", "content": "Tell me something."}]]
    prompts = [prompt_ids(pair.tokenizer, pair.template, turns) for turns in conversations]
    sequences, tuned, base = [], [], []
    with pair.model("tuned") as model:
        for prompt in prompts:
            ids = torch.tensor([prompt[-_MAX_PROMPT:]], device=pair.device)
            said = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                max_new_tokens=_NEW_TOKENS,
            )
            sequences.append(said[0].tolist())
            tuned.append(_logits(model, said))
    with pair.model("base") as model:
        base += [_logits(model, torch.tensor([ids], device=pair.device)) for ids in sequences]
    return Reference(
        conversations,
        prompts,
        sequences,
        tuned,
        base,
        dtype=pair.dtype,
        device=pair.device,
        quantization=pair.quantization,
        bits=pair.bits,
        base_folder=pair.base_folder,
        trust_remote_code=pair.delivered.spec.model.trust_remote_code,
    )


def check(folder: Path, known: Reference, scratch: Path, *, is_adapter: bool, dtype: str) -> Parity:
    """Load the export in a fresh process and compare; `dtype` is the export's own."""
    logits, tokens = _ask_plainly(folder, known, scratch, is_adapter=is_adapter)
    kinds = [known.dtype, dtype] + ([f"{known.bits}-bit"] if known.bits else [])
    tolerance = max(_TOLERANCES[kind] for kind in kinds)
    return compare(known, logits, tokens, tolerance)


def compare(
    known: Reference, logits: list[torch.Tensor], tokens: list[list[int]], tolerance: float
) -> Parity:
    """The figures and the verdict.

    Besides the plain difference, its part along what training changed is judged: an export without
    the adapter has lost all of it, however small it is against the rounding.
    """
    tuned, base, said = (torch.cat(parts).double() for parts in (known.tuned, known.base, logits))
    difference, effect = said - tuned, tuned - base
    centred = tuned - tuned.mean(-1, keepdim=True)
    spread = float(centred.norm())
    relative, effect_size = float(difference.norm()) / spread, float(effect.norm()) / spread
    kept = 1.0
    if effect_size > _NO_EFFECT:
        kept += float((difference * effect).sum() / (effect * effect).sum())
    top = tuned.topk(2, dim=-1)
    margins = top.values[:, 0] - top.values[:, 1]
    differs = said.argmax(-1) != top.indices[:, 0]
    # So close that rounding within the tolerance may turn them round.
    close = margins <= 2 * tolerance * float(centred.square().mean().sqrt())
    tokens_equal = tokens == known.prompts
    reasons = []
    if not tokens_equal:
        reasons.append("the exported tokenizer or template gives other tokens")
    if not relative <= tolerance:
        reasons.append(f"the logits differ by {relative:.2g} of their spread, over {tolerance:g}")
    if not abs(kept - 1) <= max(0.02, 2 * tolerance):
        reasons.append(f"{kept:.0%} of what training changed is left")
    if bool((differs & ~close).any()):
        reasons.append("a greedy token differs where the trained model was sure")
    return Parity(
        passed=not reasons,
        num_prompts=len(logits),
        num_positions=len(tuned),
        max_abs_diff=float(difference.abs().max()),
        relative_l2=relative,
        tolerance=tolerance,
        effect_l2=effect_size,
        kept=kept,
        greedy_equal=int((~differs).sum()),
        ties=int((differs & close).sum()),
        tokens_equal=tokens_equal,
        reasons=reasons,
    )


def _logits(model: object, ids: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = model(input_ids=ids).logits[0, -_KEEP:]  # type: ignore[operator]
    return found.float().cpu()


def _ask_plainly(
    folder: Path, known: Reference, scratch: Path, *, is_adapter: bool
) -> tuple[list[torch.Tensor], list[list[int]]]:
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    request = {
        "folder": str(folder),
        "base": known.base_folder if is_adapter else None,
        "quantization": known.quantization,
        "dtype": known.dtype,
        "device": known.device,
        "trust_remote_code": known.trust_remote_code,
        "conversations": known.conversations,
        "sequences": known.sequences,
        "keep": _KEEP,
        "out": str(scratch),
    }
    path = scratch / "request.json"
    path.write_text(json.dumps(request), encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-P", str(_SCRIPT), str(path)],
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if ran.returncode != 0:
        print(ran.stderr, flush=True)
        last = (ran.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise TailfinError(
            f"The export {folder.name} could not be loaded by plain transformers: {last[:300]}",
            f"It is left in {folder}; it is not usable as it is.",
            where=folder,
            exit_code=EXIT_NO,
        )
    found = load_file(scratch / "logits.safetensors")
    tokens = json.loads((scratch / "tokens.json").read_text(encoding="utf-8"))
    shutil.rmtree(scratch, ignore_errors=True)
    return [found[str(index)] for index in range(len(known.sequences))], tokens
