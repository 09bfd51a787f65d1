"""How endings are explained: from scripted logs, and from texts that people pasted."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.cli import resume as resume_cli
from engine.runs.ending import Ending, explain_ending, prediction
from engine.runs.events import Body, Exited, Failed, Finished, Stage, Stopped
from engine.runs.resume import prepare_resume
from engine.runs.state import observe
from engine.runs.store import RunFolder
from engine.settings import flatten, parse_set
from tests.memory.shapes import LLAMA_8B_CONFIG
from tests.runs.ended_run import (
    a_plan,
    add_checkpoint,
    end_with,
    make_folder,
    write_spec,
    write_trace,
)
from tests.runs.script import Script, started, step

# https://github.com/zai-org/GLM-4/issues/730: the title's figures, the rest as torch writes it
_SHARED_CARD = (
    "CUDA out of memory. Tried to allocate 108.00 MiB. GPU 0 has a total capacity of 23.68 GiB of "
    "which 34.88 MiB is free. Process 1170126 has 2.25 GiB memory in use. Including non-PyTorch "
    "memory, this process has 21.39 GiB memory in use. Of the allocated memory 20.91 GiB is "
    "allocated by PyTorch, and 32.08 MiB is reserved by PyTorch but unallocated."
)
_VIRTUAL = (
    "CUDA out of memory. Tried to allocate 2.94 MiB. GPU 0 has a total capacity of 64.00 MiB of "
    "which 2.80 MiB is free (virtual VRAM)."
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.setenv("TAILFIN_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    folder = make_folder(tmp_path / "runs")
    write_spec(folder)
    return folder


def _oom(text: str, phase: str = "backward", after: int = 11) -> Failed:
    message = f"Memory ran out during {phase}, after step {after}: {text}"
    return Failed("oom", phase, message, "hint", after, exit_code=3)


def _ended(run: RunFolder, *bodies: Body) -> Ending:
    return explain_ending(run, end_with(run, a_plan(), *bodies))


def test_out_of_memory_says_where_how_it_stood_and_what_fits(run: RunFolder) -> None:
    add_checkpoint(run, 10)
    measured = replace(step(11), vram_gib=20.5)
    observed = end_with(run, a_plan(device="NVIDIA L4"), measured, _oom(_SHARED_CARD))
    ending = explain_ending(run, observed)
    assert ending.kind == "oom"
    assert ending.title == "Out of GPU memory in the backward pass at step 12"
    facts = ending.memory
    assert facts is not None and (facts.phase, facts.step) == ("backward", 11)
    assert (facts.limit_gib, facts.others_gib, facts.measured_peak_gib) == (23.68, 2.25, 20.5)
    assert ending.last_checkpoint_step == 10 and "Step 10 is kept whole" in ending.kept
    first = ending.actions[0]
    assert first.command == f"tailfin resume {run.id}" and first.resumes
    assert dict(first.changes) == {"train.micro_batch": "4", "train.accumulation": "8"}
    assert "4 x 8 accumulated instead of 8 x 4; the effective batch stays 32" in first.says
    assert first.predicted_gib is not None and 0 < first.predicted_gib < 20
    assert "2.25 GiB" in ending.actions[1].says and "nvidia-smi" in ending.actions[1].says
    assert len({action.changes for action in ending.actions[:-1]}) == len(ending.actions) - 1


def test_virtual_memory_is_compared_with_its_own_limit(run: RunFolder) -> None:
    observed = end_with(run, a_plan(), _oom(_VIRTUAL, "forward", 0))
    ending, budget = explain_ending(run, observed), prediction(run, observed)
    assert ending.title == "Out of virtual GPU memory in the forward pass at step 1"
    assert budget is not None and budget.card.usable_gib == pytest.approx(0.0625)
    assert budget.peak.size("context") == 0 and not budget.fits and budget.length == 128
    as_it_was = ending.actions[-1]
    assert as_it_was.predicted_gib == pytest.approx(budget.peak_gib)
    assert dict(as_it_was.changes) == {"train.micro_batch": "8"}
    assert ending.actions[0].predicted_gib is not None
    assert ending.actions[0].predicted_gib < budget.peak_gib
    fitting = [a for a in ending.actions if (a.predicted_gib or 1) <= 0.0625]
    assert fitting and all("not enough" not in action.says for action in fitting)


def test_each_way_to_resume_is_one_that_a_resume_takes(run: RunFolder) -> None:
    """What a screen would prepare and what the command line says are the same changes."""
    import argparse

    end_with(run, a_plan(), _oom(_VIRTUAL))
    parser = argparse.ArgumentParser()
    resume_cli.configure(parser)
    resuming = [a for a in explain_ending(run, observe(run)).actions if a.resumes]
    assert len(resuming) >= 3
    for action in resuming:
        by_screen = prepare_resume(run, {p: json.loads(v) for p, v in action.changes})
        words = shlex.split(action.command)
        assert words[:2] == ["tailfin", "resume"]
        args = parser.parse_args(words[2:])
        by_command = prepare_resume(run, dict(flatten(parse_set(args.sets))))
        assert by_screen == by_command
        rows = by_screen.spec.train.micro_batch * by_screen.spec.train.accumulation
        assert rows == 32 or "unchanged" in action.says or "as it is" in action.says


def test_another_method_is_a_new_run_with_the_settings_of_now(run: RunFolder) -> None:
    write_spec(run, train={"micro_batch": 1, "accumulation": 1, "gradient_checkpointing": True})
    tight = _VIRTUAL.replace("64.00 MiB", "10.00 MiB")
    observed = end_with(run, a_plan(), _oom(tight), changes={"train.learning_rate": "0.001"})
    new = [a for a in explain_ending(run, observed).actions if not a.resumes]
    assert new and new[0].cost == "quality"
    words = shlex.split(new[0].command)
    assert words[:3] == ["tailfin", "train", str(run.spec)]
    assert {"train.method=qlora", "train.quantize_bits=4", "train.learning_rate=0.001"} <= {*words}


def test_a_model_that_does_not_load_is_not_helped_by_fewer_rows(run: RunFolder) -> None:
    ending = explain_ending(run, end_with(run, _oom(_SHARED_CARD, "load", 0)))
    assert ending.title == "Out of GPU memory while the model was loaded"
    assert all("train.accumulation" not in dict(action.changes) for action in ending.actions)
    assert any("qlora" in action.command for action in ending.actions)


def test_without_the_models_config_it_is_explained_all_the_same(run: RunFolder) -> None:
    write_spec(run, model={"path": "/gone/model"})
    observed = end_with(run, a_plan(max_length=2048), _oom(_SHARED_CARD))
    assert prediction(run, observed) is None
    ending = explain_ending(run, observed)
    assert dict(ending.actions[0].changes)["train.micro_batch"] == "4"
    commands = [action.command for action in ending.actions]
    assert any("data.max_length=1024" in command for command in commands)
    assert all(action.predicted_gib is None for action in ending.actions)


def test_a_card_that_is_not_here_is_the_one_of_the_log(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.memory import device

    monkeypatch.setattr(device, "this_device", device.this_ram)
    plan = a_plan(device="NVIDIA A100-SXM4-80GB")
    text = _SHARED_CARD.replace("23.68 GiB", "79.25 GiB")
    budget = prediction(run, end_with(run, plan, _oom(text)))
    assert budget is not None and budget.card.is_gpu and budget.card.has_bf16
    assert (budget.card.usable_gib, budget.card.name) == (79.25, "NVIDIA A100-SXM4-80GB")


def test_a_new_run_comes_first_only_while_there_is_nothing_to_lose(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """8 billion weights on 20 GiB: 4-bit weights are enough alone, and so are shorter rows."""
    from engine.memory import device
    from engine.memory.cards import card_of_size

    monkeypatch.setattr(device, "this_device", lambda: card_of_size(20))
    config = run.path / "config.json"
    config.write_text(json.dumps(LLAMA_8B_CONFIG), encoding="utf-8")
    write_spec(run, model={"path": str(config)}, train={"micro_batch": 1})
    text = "CUDA out of memory. Tried to allocate 1.00 GiB."
    observed = end_with(run, a_plan(max_length=8192, device="NVIDIA A10"), _oom(text))
    fresh = explain_ending(run, observed).actions
    assert ["qlora" in fresh[0].command, "max_length=2048" in fresh[1].command] == [True, True]
    add_checkpoint(run, 10)
    later = explain_ending(run, observed).actions
    assert (later[0], later[1]) == (fresh[1], fresh[0]) and later[0].resumes
    assert later[0].predicted_gib is not None and later[0].predicted_gib < 20
    assert len(later) == 3 and later[0].cost == later[1].cost == "quality"


def test_a_live_run_is_not_counted_as_another_process(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.memory import device
    from engine.memory.cards import card_of_size

    monkeypatch.setattr(device, "this_device", lambda: replace(card_of_size(24), taken_gib=9.0))
    observed = end_with(run, a_plan(device="NVIDIA A10"), Stopped(1, "r"))
    ended, live = prediction(run, observed), prediction(run, replace(observed, state="running"))
    assert ended is not None and live is not None
    assert (ended.card.taken_gib, live.card.taken_gib) == (9.0, 0.0)


def test_full_ram_is_not_called_gpu_memory(run: RunFolder) -> None:
    """https://github.com/facebookresearch/Mask2Former/issues/185"""
    text = (
        "[enforce fail at alloc_cpu.cpp:75] err == 0. DefaultCPUAllocator: can't allocate memory: "
        "you tried to allocate 3077222400 bytes. Error code 12 (Cannot allocate memory)"
    )
    measured = replace(step(11), ram_gib=7.5)
    ending = explain_ending(run, end_with(run, a_plan(), measured, _oom(text, "eval")))
    assert ending.title == "Out of RAM in the evaluation after step 11"
    assert ending.memory is not None and ending.memory.measured_peak_gib == 7.5
    assert dict(ending.actions[0].changes) == {"eval.micro_batch": "4"}


def test_the_kernels_kill_is_about_ram(run: RunFolder) -> None:
    """https://github.com/2U1/Qwen-VL-Series-Finetune/issues/79: it looked like the cards."""
    exited = Exited(-9, "SIGKILL", 1, "The kernel killed the worker: the memory limit was reached.")
    ending = _ended(run, Stage("train"), replace(step(11), ram_gib=7.5), exited)
    assert ending.kind == "killed" and ending.title.startswith("Out of RAM")
    assert "not GPU memory" in ending.message
    assert "oom_kill count: 1" in ending.evidence and "signal: SIGKILL" in ending.evidence
    assert any("7.50 GiB" in line for line in ending.evidence)
    # trained on the CPU: fewer rows at once is what takes less RAM
    assert dict(ending.actions[0].changes)["train.micro_batch"] == "4"


def test_beside_a_card_fewer_rows_free_no_ram(run: RunFolder) -> None:
    exited = Exited(-9, "SIGKILL", 1, "The kernel killed the worker.")
    observed = end_with(run, a_plan(device="NVIDIA L4"), Stage("train"), step(11), exited)
    for action in explain_ending(run, observed).actions:
        assert "train.micro_batch" not in dict(action.changes)
    text = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 3077222400 bytes."
    observed = end_with(run, a_plan(device="NVIDIA L4"), _oom(text, "load", 0))
    assert prediction(run, observed) is None
    assert all("qlora" not in action.command for action in explain_ending(run, observed).actions)


def test_a_kill_without_a_count_is_left_open(run: RunFolder) -> None:
    write_spec(run, data={"num_proc": 4})
    exited = Exited(-9, "SIGKILL", 0, "The worker was killed (SIGKILL).")
    ending = _ended(run, Stage("tokenise"), exited)
    assert ending.kind == "killed" and "a person" in ending.message
    assert ending.title == "Killed while the data was tokenised"
    assert dict(ending.actions[0].changes) == {"data.num_proc": "0"}


def test_a_full_disk_names_its_volume_and_what_lies_there(run: RunFolder) -> None:
    add_checkpoint(run, 10)
    other = make_folder(run.path.parent, "20250101-000000-old")
    other.events.write_bytes(b"x" * 5000)
    hint = "Free space."
    failed = Failed("disk", "save", "The disk is full; save could not write.", hint, 20)
    ending = _ended(run, failed)
    assert ending.title == "The disk was full while a checkpoint was saved after step 20"
    assert any("GiB free now" in line for line in ending.evidence)
    assert any("in checkpoints (1)" in line for line in ending.evidence)
    assert dict(ending.actions[0].changes) == {"save.keep": "1"}
    commands = [action.command for action in ending.actions]
    assert f"tailfin runs rm {other.id}" in commands
    assert any(command.startswith("du ") for command in commands)
    assert ending.last_checkpoint_step == 10


def test_the_disk_of_the_named_file_counts(run: RunFolder, tmp_path: Path) -> None:
    named = write_trace(run, "OSError: [Errno 28] No space left on device: '/proc/x/y'\n")
    failed = Failed("disk", "save", "The disk is full.", "Free space.", 0, trace=named)
    assert any(line.startswith("/proc: ") for line in _ended(run, failed).evidence)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        # https://github.com/sgl-project/sglang/issues/9151
        (
            "terminate called after throwing an instance of 'c10::AcceleratorError'\n"
            "  what():  CUDA error: uncorrectable ECC error encountered\n"
            "CUDA kernel errors might be asynchronously reported at some other API call\n",
            "The GPU's memory failed in training at step 12",
        ),
        # https://github.com/unslothai/unsloth/issues/2886
        (
            "terminate called after throwing an instance of 'c10::Error'\n"
            "  what():  CUDA error: an illegal memory access was encountered\n"
            "frame #0: c10::Error::Error(c10::SourceLocation)\n",
            "The work on the GPU broke off in training at step 12",
        ),
    ],
)
def test_a_card_lost_inside_a_library(run: RunFolder, text: str, title: str) -> None:
    run.worker_log.write_text(text, encoding="utf-8")
    ending = _ended(run, Stage("train"), step(11), Exited(-6, "SIGABRT", 0, "It died of SIGABRT."))
    assert (ending.kind, ending.title) == ("gpu_lost", title)
    assert ending.actions[0].resumes and not ending.actions[0].changes
    assert any("what():" in line for line in ending.evidence)
    assert any("xid" in action.command for action in ending.actions)


def test_a_lost_card_that_the_worker_told_of(run: RunFolder) -> None:
    add_checkpoint(run, 10)
    message = "The GPU was lost during backward, after step 11: GPU is lost"
    ending = _ended(run, Failed("gpu", "backward", message, "h", 11))
    assert ending.kind == "gpu_lost" and "Xid 79" in ending.message
    assert "It goes on from step 10." in ending.actions[0].says
    older = "AcceleratorError during backward: CUDA error: unspecified launch failure"
    assert _ended(run, Failed("crash", "backward", older, "h", 11)).kind == "gpu_lost"


def test_a_warning_of_a_healthy_run_is_no_lost_card(run: RunFolder) -> None:
    """https://github.com/zhanghang1989/PyTorch-Encoding/issues/368, the part before the error."""
    run.worker_log.write_text(
        "torch/cuda/__init__.py:52: UserWarning: CUDA initialization: CUDA unknown error - this "
        "may be due to an incorrectly set up environment.\nstep 1 loss 2.0\n",
        encoding="utf-8",
    )
    ending = _ended(run, Stage("train"), step(1), Exited(-11, "SIGSEGV", 0, "It died of SIGSEGV."))
    assert ending.kind == "crash" and "log: step 1 loss 2.0" in ending.evidence


def test_a_crash_has_last_words_its_trace_and_a_way_on(run: RunFolder) -> None:
    add_checkpoint(run, 10)
    run.worker_log.write_text("step 11 loss 2.0\nKeyError: 'labels'\n", encoding="utf-8")
    named = write_trace(run, "Traceback (most recent call last):\nKeyError: 'labels'\n")
    failed = Failed("crash", "forward", "KeyError during forward: 'labels'", "Read it.", 11, named)
    ending = _ended(run, failed)
    assert (ending.kind, ending.title) == ("crash", "It crashed in the forward pass at step 12")
    assert "log: KeyError: 'labels'" in ending.evidence
    assert f"trace: {run.path / named}" in ending.evidence
    assert ending.actions[0].command == f"tailfin resume {run.id}"
    assert "from step 10" in ending.actions[0].says


def test_a_failed_check_inside_a_kernel_is_explained_as_such(run: RunFolder) -> None:
    """https://github.com/huggingface/transformers/issues/1848"""
    message = "AcceleratorError during forward: CUDA error: device-side assert triggered"
    ending = _ended(run, Failed("crash", "forward", message, "h", 0))
    assert ending.kind == "crash" and "The card is well" in ending.message
    assert ending.actions[0].command == f"CUDA_LAUNCH_BLOCKING=1 tailfin resume {run.id}"
    assert any("data report" in action.command for action in ending.actions)


def test_a_trace_outside_the_folder_is_not_read(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("Tried to allocate 5.00 GiB.", encoding="utf-8")
    failed = replace(_oom("CUDA out of memory."), trace="../../secret")
    ending = _ended(run, failed)
    assert ending.memory is not None and ending.memory.requested_gib is None
    assert not any(line.startswith("trace: ") for line in ending.evidence)


@pytest.mark.parametrize(
    ("hint", "resumes", "changes"),
    [
        ("Set it shorter: --set data.max_length=64", True, {"data.max_length": "64"}),
        (
            "Allow it: --set model.trust_remote_code=true.",
            False,
            {"model.trust_remote_code": "true"},
        ),
        ("tailfin resume r --set data.max_length=N; or start anew", True, {}),
        ("Correct line 7.", True, {}),
    ],
)
def test_wrong_input_comes_with_the_command_of_its_hint(
    run: RunFolder, hint: str, resumes: bool, changes: dict[str, str]
) -> None:
    ending = _ended(run, Failed("input", "load", "It does not fit.", hint, exit_code=2))
    first = ending.actions[0]
    assert ending.kind == "input" and first.says == hint
    assert (first.resumes, dict(first.changes)) == (resumes, changes)


def test_endings_that_are_no_failures(run: RunFolder) -> None:
    done = explain_ending(run, end_with(run, step(9), Finished(9, "adapter", "Trained 9 steps.")))
    assert (done.kind, done.title, done.evidence) == ("finished", "Finished after 9 steps", ())
    assert [shlex.split(a.command)[1] for a in done.actions] == ["chat", "eval", "export"]
    assert done.actions[-1].command.endswith("--to adapter,merged")
    run.model.mkdir()
    observed = observe(run)
    assert explain_ending(run, observed).actions[-1].command.endswith("--to merged")
    run.model.rmdir()
    stopped = explain_ending(run, end_with(run, step(9), Stopped(9, "Asked to.")))
    assert (stopped.kind, stopped.message) == ("stopped", "Asked to.")
    assert [action.resumes for action in stopped.actions] == [True]
    Script().add(started(host="another-box")).write(run.events)
    away = explain_ending(run, observe(run))
    assert away.kind == "elsewhere" and "another-box" in away.title
    assert away.actions[0].command == f"tailfin resume {run.id} --force"
    live = explain_ending(run, replace(end_with(run, step(3)), state="running", message=""))
    assert (live.kind, live.title) == ("live", "It is running, at step 3")
    assert [shlex.split(a.command)[1] for a in live.actions] == ["attach", "stop"]


def test_a_run_that_never_began(run: RunFolder) -> None:
    ending = explain_ending(run, observe(run))
    assert (ending.kind, ending.last_checkpoint_step) == ("crash", 0)
    assert "before its worker began" in ending.title and ending.actions[0].resumes


def test_a_job_is_called_again(run: RunFolder) -> None:
    job = RunFolder(run.jobs / "20260101-000001-evaluate")
    begun = replace(started(), job="evaluate")
    job.path.mkdir(parents=True)
    Script().add(begun, _oom(_SHARED_CARD, "generate", 0)).write(job.events)
    ending = explain_ending(job, observe(job))
    assert ending.kind == "oom" and ending.memory is not None
    assert [action.command for action in ending.actions] == [f"tailfin eval {run.id}"]


def test_outside_the_runs_folders_a_command_names_the_path(tmp_path: Path) -> None:
    copied = make_folder(tmp_path / "copied here")
    write_spec(copied)
    ending = _ended(copied, _oom(_VIRTUAL))
    assert shlex.split(ending.actions[0].command) == ["tailfin", "resume", str(copied.path)]


def test_what_a_folder_says_cannot_drive_a_terminal(run: RunFolder) -> None:
    hostile = "\x1b]0;owned\x07 你好"
    run.worker_log.write_text(f"{hostile}\n", encoding="utf-8")
    ending = _ended(run, Failed("crash", hostile, hostile, hostile, 3, hostile))
    assert any(line.startswith("log: \\x1b") for line in ending.evidence)
    texts = [ending.title, ending.message, ending.kept, *ending.evidence]
    texts += [text for action in ending.actions for text in (action.says, action.command)]
    assert all(text.isprintable() for text in texts) and "你好" in ending.message


@given(
    error=st.sampled_from(["oom", "disk", "gpu", "input", "crash", "new"]) | st.text(),
    phase=st.sampled_from(["load", "forward", "eval", "save", ""]) | st.text(),
    message=st.text() | st.sampled_from([_SHARED_CARD, _VIRTUAL, "CUDA error: unknown error"]),
    hint=st.text() | st.just("--set a.b=c --set train.rank=x"),
    trace=st.text() | st.just("report"),
    has_spec=st.booleans(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_every_failure_is_explained(
    run: RunFolder, error: str, phase: str, message: str, hint: str, trace: str, has_spec: bool
) -> None:
    run.spec.unlink(missing_ok=True)
    if has_spec:
        write_spec(run)
    failed = Failed(error, phase, message, hint, 3, trace)
    ending = explain_ending(run, end_with(run, failed))
    assert ending.title and ending.actions and ending.title.isprintable()
    assert all(action.command and action.says.isprintable() for action in ending.actions)
