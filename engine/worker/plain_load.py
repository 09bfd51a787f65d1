"""Loads an export the way a stranger would, with transformers and peft alone, and prints logits.

A script of its own, run in a fresh process: it imports nothing of ours on purpose, so that what it
loads is proved to load without us. Its one argument is a JSON file:
  folder, base (null for a whole model), quantization (null or transformers' own table), dtype,
  device, trust_remote_code, conversations, sequences (token ids), keep (positions from the end),
  out (folder for logits.safetensors and tokens.json)
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def main(request_path: str) -> None:
    import torch
    from safetensors.torch import save_file
    from transformers import AutoTokenizer

    request = json.loads(Path(request_path).read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(
        request["folder"], trust_remote_code=request["trust_remote_code"]
    )
    tokens = [
        list(tokenizer.apply_chat_template(turns, add_generation_prompt=True)["input_ids"])
        for turns in request["conversations"]
    ]
    model = _model(request)
    model.eval()
    logits = {}
    with torch.inference_mode():
        for index, ids in enumerate(request["sequences"]):
            inputs = torch.tensor([ids], device=request["device"])
            whole = model(input_ids=inputs).logits[0]
            logits[f"{index}"] = whole[-request["keep"] :].float().cpu().contiguous()
    out = Path(request["out"])
    save_file(logits, out / "logits.safetensors")
    (out / "tokens.json").write_text(json.dumps(tokens), encoding="utf-8")


def _model(request: dict[str, Any]) -> Any:
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    options: dict[str, Any] = {
        "trust_remote_code": request["trust_remote_code"],
        "dtype": getattr(torch, request["dtype"]),
        "device_map": {"": request["device"]},
    }
    if request["base"] is None:
        return AutoModelForCausalLM.from_pretrained(request["folder"], **options)
    from peft import PeftModel

    if request["quantization"] is not None:
        options["quantization_config"] = BitsAndBytesConfig.from_dict(request["quantization"])
    base = AutoModelForCausalLM.from_pretrained(request["base"], **options)
    return PeftModel.from_pretrained(base, request["folder"])


if __name__ == "__main__":
    main(sys.argv[1])
