"""The training recipe, top to bottom: load, tokenise, train, deliver."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from engine.errors import TailfinError
from engine.hub import find_model
from engine.runs.checkpoints import last_checkpoint
from engine.runs.effective import effective_spec
from engine.runs.events import Finished, Plan, Stopped
from engine.runs.reader import read_all
from engine.runs.status import fold_all
from engine.spec import Spec
from engine.worker.job import Job, folder_argument, run_job

if TYPE_CHECKING:
    from engine.worker.load import LoadedModel


def main(argv: list[str]) -> int:
    """`engine.worker train RUN_FOLDER [--attempt N] [--changes JSON]`."""
    parser = argparse.ArgumentParser(prog="engine.worker train")
    parser.add_argument("run")
    parser.add_argument("--attempt", type=int, default=1)
    parser.add_argument("--changes", type=json.loads, default={})
    args = parser.parse_args(argv)
    run = folder_argument([args.run])
    past = fold_all(read_all(run.events))
    checkpoint = last_checkpoint(run.checkpoints) if args.attempt > 1 else None
    return run_job(
        run,
        "train",
        lambda job: train(job, resume_from=str(checkpoint.path) if checkpoint else None),
        attempt=args.attempt,
        from_step=checkpoint.step if checkpoint else 0,
        changes=dict(past.changes) | args.changes,
    )


def train(job: Job, *, resume_from: str | None) -> Finished | Stopped:
    """Train this run to its end or to a wish to stop; every setting comes from its spec."""
    status = fold_all(read_all(job.run.events))
    spec = effective_spec(job.run, dict(status.changes))

    job.stage("import")
    import torch
    from peft import LoraConfig
    from transformers import set_seed
    from trl import SFTConfig

    from engine.worker.arguments import lora_arguments, sft_arguments
    from engine.worker.deliver import deliver
    from engine.worker.device import device_name
    from engine.worker.rows import as_dataset, prepare_rows
    from engine.worker.sums import TokenSums
    from engine.worker.trl_seams import Trainer, total_steps
    from engine.worker.virtual_vram import virtual_vram
    from engine.worker.watch import Watch, discard_cut_short

    set_seed(spec.train.seed)
    for path in discard_cut_short(job.run.checkpoints):
        message = f"{path.name} was cut short while it was saved; it is skipped."
        job.notice("checkpoint.cut-short", "warn", message)

    loaded = _load(job, spec, _fetch(job, spec))
    model, tokenizer = loaded.model, loaded.tokenizer

    job.stage("tokenise", spec.data.path)
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    rows = prepare_rows(job, spec, tokenizer, limit)
    has_eval = bool(rows.held_out)

    arguments = SFTConfig(
        **sft_arguments(
            spec,
            output_dir=job.run.checkpoints,
            max_length=rows.max_length,
            has_eval=has_eval,
            resuming=resume_from is not None,
            dtype=loaded.dtype,
            on_gpu=torch.cuda.is_available(),
            has_bf16=torch.cuda.is_available() and torch.cuda.is_bf16_supported(False),
        )
    )
    lora = lora_arguments(spec)
    sums = TokenSums()
    watch = Watch(job, spec, sums, status, has_eval=has_eval)
    trainer = Trainer(
        job=job,
        sums=sums,
        model=model,
        args=arguments,
        train_dataset=as_dataset(rows.train),
        eval_dataset=as_dataset(rows.held_out) if has_eval else None,
        processing_class=tokenizer,
        peft_config=LoraConfig(**lora) if lora else None,
        callbacks=[watch],
    )
    max_steps = total_steps(trainer)
    if resume_from and job.step >= max_steps:
        raise TailfinError(
            f"The run is at step {job.step} of {max_steps}: there is nothing left to train.",
            f"Ask for more: tailfin resume {job.run.id} --set train.epochs="
            f"{spec.train.epochs + 1:g}",
        )
    job.write(_plan(spec, rows, trainer.model, max_steps, device_name(), loaded.dtype))

    job.stage("train", f"{max_steps} steps")
    with virtual_vram(trainer.model):
        trainer.train(resume_from_checkpoint=resume_from)
    job.stops_itself = False
    step = int(trainer.state.global_step)
    saved = f"checkpoints/checkpoint-{step}"
    if job.stop_wanted and step < max_steps:
        return Stopped(step=step, reason="It was asked to stop.", checkpoint=saved)

    job.stage("save")
    delivered = watch.best_step if spec.eval.keep_best and watch.best_step > 0 else step
    result = deliver(job, step=delivered, is_adapter=lora is not None, tokenizer=tokenizer)
    return Finished(
        step=step, result=result.name, message=_say(watch, step, delivered, max_steps, has_eval)
    )


def _fetch(job: Job, spec: Spec) -> str:
    """The model's local folder; a hub name is downloaded as a stage of its own."""
    place = find_model(spec.model.path, spec.model.revision)
    if place.note:
        job.notice("model.from-cache", "info", place.note)
    if place.is_local:
        return place.path
    from engine.worker.download import download_model

    job.stage("download", spec.model.path)
    return download_model(
        place,
        lambda done, total: job.progress(done, total, "bytes"),
        on_stall=lambda seconds, advice: job.notice(
            "download.stalled", "warn", f"No bytes came for {seconds:.0f} s.", advice
        ),
    )


def _load(job: Job, spec: Spec, folder: str) -> LoadedModel:
    from engine.worker.bnb_seams import keep_trainable
    from engine.worker.load import load_model

    job.stage("load", spec.model.path)
    loaded = load_model(
        folder,
        spec,
        report=lambda done, total: job.progress(done, total, "bytes"),
        on_stall=lambda seconds, advice: job.notice(
            "load.stalled", "warn", f"No bytes were read for {seconds:.0f} s.", advice
        ),
    )
    for finding in loaded.findings:
        job.notice(finding.id, finding.severity, finding.message, finding.fix)
    if loaded.quantized == 4:
        keep_trainable(loaded.model)
    return loaded


def _plan(spec: Spec, rows: Any, model: Any, max_steps: int, device: str, dtype: str) -> Plan:
    total = sum(p.numel() for p in model.parameters())
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return Plan(
        max_steps=max_steps,
        num_rows=len(rows.train),
        num_eval_rows=len(rows.held_out),
        max_length=rows.max_length,
        cut_share=round(rows.cut_share, 6),
        epochs=spec.train.epochs,
        micro_batch=spec.train.micro_batch,
        accumulation=spec.train.accumulation,
        total_params=total,
        trained_params=trained,
        tokens_per_epoch=rows.tokens_per_epoch,
        trained_tokens_per_epoch=rows.trained_tokens_per_epoch,
        device=device,
        dtype=dtype,
    )


def _say(watch: Any, step: int, delivered: int, max_steps: int, has_eval: bool) -> str:
    parts = [f"Trained {step} steps."]
    if watch.stopped_early:
        parts = [f"Stopped early at step {step} of {max_steps}: held-out loss no longer fell."]
    if has_eval:
        parts.append(f"Lowest held-out loss {watch.best_loss:.4f}; delivered step {delivered}.")
    return " ".join(parts)
