"""The training recipe, top to bottom: load, tokenise, train, deliver."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from engine.hub import find_model
from engine.runs.checkpoints import discard_beyond
from engine.runs.effective import effective_spec
from engine.runs.events import Finished, Plan, Stopped
from engine.runs.foretell import foretell
from engine.runs.reader import read_all
from engine.runs.status import fold_all
from engine.spec import Spec
from engine.worker.job import Job, folder_argument, run_job

if TYPE_CHECKING:
    from engine.worker.load import LoadedModel
    from engine.worker.rows import TrainingRows
    from engine.worker.watch import Watch


def main(argv: list[str]) -> int:
    """`engine.worker train RUN_FOLDER [--attempt N] [--from-step N] [--changes JSON]`."""
    parser = argparse.ArgumentParser(prog="engine.worker train")
    parser.add_argument("run")
    parser.add_argument("--attempt", type=int, default=1)
    parser.add_argument("--from-step", type=int, default=0)
    parser.add_argument("--changes", type=json.loads, default={})
    args = parser.parse_args(argv)
    run = folder_argument([args.run])
    past = fold_all(read_all(run.events))
    return run_job(
        run,
        "train",
        lambda job: train(job, from_step=args.from_step),
        attempt=args.attempt,
        from_step=args.from_step,
        changes=dict(past.changes) | args.changes,
    )


def train(job: Job, *, from_step: int = 0) -> Finished | Stopped:
    """Train this run to its end or to a wish to stop; every setting comes from its spec.

    `from_step` above 0 continues from that checkpoint, which the caller found whole.
    """
    status = fold_all(read_all(job.run.events))
    spec = effective_spec(job.run, dict(status.changes))
    resume_from = str(job.run.checkpoints / f"checkpoint-{from_step}") if from_step else None

    job.stage("import")
    import torch
    from peft import LoraConfig
    from transformers import set_seed
    from trl import SFTConfig

    from engine.worker.arguments import lora_arguments, sft_arguments
    from engine.worker.device import device_name
    from engine.worker.rehearse import Rehearsal
    from engine.worker.rows import as_dataset, prepare_rows
    from engine.worker.sums import TokenSums
    from engine.worker.trl_seams import Trainer, total_steps
    from engine.worker.virtual_vram import virtual_vram
    from engine.worker.watch import Watch

    set_seed(spec.train.seed)
    _discard_damaged(job, from_step)
    folder = _fetch(job, spec)
    loaded = _load(job, spec, folder)
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
    sums, eval_sums = TokenSums(), TokenSums()
    watch = Watch(job, spec, sums, status, eval_sums=eval_sums if has_eval else None)
    rehearsal = Rehearsal(job, spec)
    trainer = Trainer(
        job=job,
        sums=sums,
        eval_sums=eval_sums,
        model=model,
        args=arguments,
        train_dataset=as_dataset(rows.train),
        eval_dataset=as_dataset(rows.held_out) if has_eval else None,
        processing_class=tokenizer,
        peft_config=LoraConfig(**lora) if lora else None,
        callbacks=[rehearsal, watch],
    )
    _judge_masks(job, spec, trainer, rows)
    rehearsal.trainer = trainer
    max_steps = total_steps(trainer)
    # An attempt that ended while it delivered has nothing left but to deliver. One that stopped
    # early and did deliver is resumed because a person wants more.
    ended_early = watch.is_out_of_patience and job.run.result is None
    done = resume_from is not None and (from_step >= max_steps or ended_early)
    _warn_of_warmup(job, spec, arguments.get_warmup_steps(max_steps), max_steps)
    job.write(_plan(spec, rows, trainer.model, max_steps, device_name(), loaded.dtype))
    _foretell(job, spec, folder, rows)

    step = from_step
    if not done:
        first = ("train", f"{max_steps} steps")
        job.stage(*(("rehearse", "the longest rows") if spec.train.rehearse else first))
        with virtual_vram(trainer.model) as rehearsal.meter:
            trainer.train(resume_from_checkpoint=resume_from)
        step = int(trainer.state.global_step)
    # From here on the result is written; that is not broken off by a wish to stop.
    job.stops_itself = True
    stopped = job.stop_wanted and step < max_steps and not done
    if stopped and step == 0:
        return Stopped(step=0, reason="It was asked to stop before its first step.")
    return _end(job, spec, watch, step, max_steps, tokenizer, stopped=stopped)


def _end(
    job: Job, spec: Spec, watch: Watch, step: int, max_steps: int, tokenizer: Any, *, stopped: bool
) -> Finished | Stopped:
    """Deliver the step that was chosen, and say so."""
    from engine.worker.deliver import choose_step, deliver

    job.stage("save")
    chosen = choose_step(job, watch, step, keep_best=spec.eval.keep_best)
    is_adapter = spec.train.method in ("lora", "qlora")
    result = deliver(job, step=chosen, is_adapter=is_adapter, tokenizer=tokenizer)
    message = _say(watch, step, chosen, max_steps, stopped)
    if stopped:
        return Stopped(step=step, reason=message, checkpoint=f"checkpoints/checkpoint-{step}")
    return Finished(step=step, result=result.name, message=message)


def _foretell(job: Job, spec: Spec, folder: str, rows: TrainingRows) -> None:
    """Write what was foretold beside what the run will measure, where an estimate is possible."""
    # What packing joins fills the whole length.
    length = rows.max_length if spec.data.packing else rows.longest
    if foretold := foretell(spec, folder, length):
        job.write(foretold)


def _judge_masks(job: Job, spec: Spec, trainer: Any, rows: TrainingRows) -> None:
    from engine.worker.masks import check_masks
    from engine.worker.rows import judge

    found = check_masks(trainer, rows.train, rows.held_out, rows.max_length)
    judge(job, found, spec.data.allowed)


def _discard_damaged(job: Job, from_step: int) -> None:
    for path in discard_beyond(job.run.checkpoints, from_step):
        message = f"{path.name} was cut short or damaged; it is removed."
        job.notice("checkpoint.cut-short", "warn", message)


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


def _warn_of_warmup(job: Job, spec: Spec, warmup_steps: int, max_steps: int) -> None:
    """A run that ends before its learning rate has risen learns next to nothing."""
    if warmup_steps >= max_steps and spec.train.schedule != "constant":
        job.notice(
            "train.warmup-too-long",
            "warn",
            f"The learning rate rises for {warmup_steps} steps and the run has {max_steps}: it "
            "learns next to nothing.",
            "Set train.warmup=0, or train longer.",
        )


def _say(watch: Watch, step: int, chosen: int, max_steps: int, stopped: bool) -> str:
    parts = [f"Trained {step} steps."]
    if stopped:
        parts = [f"Stopped as asked at step {step} of {max_steps}."]
    elif step < max_steps:
        parts = [f"Stopped early at step {step} of {max_steps}: held-out loss no longer fell."]
    loss = watch.losses.get(chosen)
    parts.append(f"Delivered step {chosen}" + (f", held-out loss {loss:.4f}." if loss else "."))
    return " ".join(parts)
