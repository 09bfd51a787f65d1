"""The only code that imports torch, transformers, peft, trl, datasets and bitsandbytes."""
