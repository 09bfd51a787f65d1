"""The export job: write each form aside, load it plainly, compare, only then put it in place."""

from __future__ import annotations

import argparse
import json
import shutil
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from engine.errors import EXIT_NO, TailfinError
from engine.evaluate.delivered import Delivered, find_delivered
from engine.export.card import LoadFacts, base_name, is_hub_name, model_card
from engine.export.folder import ExportFolder, list_files, refuse_without_room
from engine.export.report import ExportReport, Parity, write_report
from engine.export.targets import Form, parse_forms, refuse_impossible
from engine.runs.events import Finished
from engine.runs.store import RunFolder
from engine.worker.job import Job, folder_argument, run_job
from engine.worker.trained import Pair


def main(argv: list[str]) -> int:
    """`engine.worker export JOB RUN --to FORMS --out DIR --dtype D`."""
    parser = argparse.ArgumentParser(prog="engine.worker export")
    parser.add_argument("job")
    parser.add_argument("run")
    parser.add_argument("--to", type=parse_forms, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--dtype", default="auto")
    args = parser.parse_args(argv)
    run = folder_argument([args.run])
    return run_job(
        folder_argument([args.job]),
        "export",
        lambda job: export(job, run, forms=args.to, out=args.out, dtype=args.dtype),
    )


@dataclass(frozen=True, slots=True)
class _Built:
    """A form that lies in its partial folder, not yet compared."""

    form: Form
    place: ExportFolder
    dtype: str
    merged_into: str
    notes: list[str]


def export(job: Job, run: RunFolder, *, forms: list[Form], out: Path, dtype: str) -> Finished:
    """Write and prove every form; raises TailfinError where one is not what was trained."""
    began = time.monotonic()
    delivered = find_delivered(run)
    refuse_impossible(delivered, forms)
    job.stage("import")
    from engine.worker.parity import check, reference

    pair = Pair(delivered, job)
    _check_room(delivered, Path(pair.base_folder), forms, out, dtype)
    built = [_build(job, pair, form, out, dtype) for form in forms]

    job.stage("verify", "asking the trained model")
    known = reference(pair)
    pair.release()
    load = LoadFacts(known.dtype, known.bits)
    for one in built:
        job.stage("verify", f"{one.form}, loaded by plain transformers")
        parity = check(
            one.place.partial,
            known,
            job.run.path / "parity",
            is_adapter=one.form == "adapter",
            dtype=one.dtype,
        )
        job.stage("save", one.form)
        _finish(job, delivered, one, parity, load)
    names = " and ".join(one.form for one in built)
    return Finished(
        step=0,
        result=str(out),
        message=f"Exported {names}; each was loaded plainly and matches what was trained.",
        elapsed_s=time.monotonic() - began,
    )


def _check_room(delivered: Delivered, base: Path, forms: list[Form], out: Path, dtype: str) -> None:
    from engine.worker.merge import size_as, weight_bytes

    needed = weight_bytes(delivered.result) if "adapter" in forms else 0
    if "merged" in forms:
        needed += size_as(base if delivered.is_adapter else delivered.result, dtype)
    refuse_without_room(out, needed, " and ".join(forms))


def _build(job: Job, pair: Pair, form: Form, out: Path, dtype: str) -> _Built:
    from engine.worker.companions import stored_dtype, write_config, write_tokenizer
    from engine.worker.merge import write_merged, write_whole

    delivered, base = pair.delivered, Path(pair.base_folder)
    place = ExportFolder(out, form)
    target = place.begin()
    job.stage("export", form)
    trust = delivered.spec.model.trust_remote_code
    notes = write_tokenizer(base, delivered.result, target, pair.template.source, trust=trust)
    merged_into = ""
    if form == "adapter":
        dtype = _copy_adapter(delivered, target)
        if not is_hub_name(delivered.spec.model.path):
            notes.append(
                "adapter_config.json names the base by a path of the box it was trained on; "
                "elsewhere, load the base yourself and put the adapter on it."
            )
        return _Built(form, place, dtype, merged_into, notes)
    if delivered.is_adapter:
        dtype = stored_dtype(base) if dtype == "auto" else dtype
        merged_into = write_merged(delivered, base, target, dtype, job)
        if delivered.spec.train.method == "qlora":
            notes.append(f"Merged into {merged_into}: that is what was trained and measured.")
    else:
        dtype = stored_dtype(delivered.result) if dtype == "auto" else dtype
        write_whole(delivered, target, dtype, job)
    end_id = next(iter(pair.template.stop_ids), None)
    end_token = pair.tokenizer.convert_ids_to_tokens(end_id) if end_id is not None else ""
    notes += write_config(base, target, dtype=dtype, end_id=end_id, end_token=end_token)
    return _Built(form, place, dtype, merged_into, notes)


def _copy_adapter(delivered: Delivered, target: Path) -> str:
    """Copy weights and config, naming the base as the user did; returns the weights' dtype."""
    from safetensors import safe_open

    from engine.worker.companions import edit_json

    for path in sorted(delivered.result.glob("adapter_model*.safetensors")):
        shutil.copyfile(path, target / path.name)
    shutil.copyfile(delivered.result / "adapter_config.json", target / "adapter_config.json")
    spec = delivered.spec.model
    edit_json(
        target / "adapter_config.json",
        {"base_model_name_or_path": spec.path, "revision": spec.revision or None},
    )
    with safe_open(target / "adapter_model.safetensors", framework="pt") as weights:
        names = list(weights.keys())
        return str(weights.get_tensor(names[0]).dtype).removeprefix("torch.")


def _finish(job: Job, delivered: Delivered, one: _Built, parity: Parity, load: LoadFacts) -> None:
    """Card, checksums and report; the place is taken only by what passed."""
    folder = one.place.partial
    card = model_card(delivered, one.form, load, one.notes)
    (folder / "README.md").write_text(card, encoding="utf-8")
    files = list_files(folder, lambda done, total: job.progress(done, total, "bytes"))
    report = ExportReport(
        form=one.form,
        run=delivered.run.id,
        created=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        method=delivered.spec.train.method,
        base_model=base_name(delivered.spec.model.path),
        merged_into=one.merged_into,
        dtype=one.dtype,
        parity=parity,
        notes=one.notes,
        versions={name: version(name) for name in ("torch", "transformers", "peft")},
        files=files,
    )
    write_report(folder, report)
    print(json.dumps(parity.model_dump()), flush=True)
    if not parity.passed:
        raise TailfinError(
            f"The {one.form} export is not what was trained: {'; '.join(parity.reasons)}.",
            f"Do not use {folder}. A rounded dtype may be the cause: try --dtype float32.",
            where=folder,
            exit_code=EXIT_NO,
        )
    one.place.publish()
