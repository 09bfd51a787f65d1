"""Scenes of what a run delivered: its result, jobs on it, the comparison, and chat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from engine.errors import TailfinError
from engine.evaluate.delivered import Delivered
from engine.evaluate.report import (
    AnswerPair,
    AnswerSummary,
    Difference,
    EvalReport,
    Speech,
    measure,
)
from engine.evaluate.session import Done, Loaded, Loading, Piece, Ready, Which
from engine.export.report import ExportedFile, ExportReport, Parity
from engine.export.targets import Form
from engine.runs.events import Body, Failed, Finished, Progress, Started
from engine.runs.events import Stage as RunStage
from engine.runs.state import State
from engine.runs.store import RunFolder
from engine.spec import Spec
from tests.tui.gallery.course import DATA, MODEL, STEPS, Course, trained
from tests.tui.gallery.scene import NOW, ROOT, Scene, Stage, scene
from tests.tui.scripted_session import ScriptedSession
from tui.chat_start import Sample
from tui.job_watch import JobView
from tui.result_view import ExportView, ResultView
from tui.screens.chat import ChatScreen
from tui.screens.compare import CompareScreen, _Found
from tui.screens.result import ResultScreen

RUN = RunFolder(ROOT / "20261124-145600-support-bot")
_GIB = 2**30
_ANSWERS = (
    (
        "My Barista 300 stopped heating after I descaled it yesterday.",
        "There are several possible reasons why a coffee machine may stop heating. First, make "
        "sure that the machine is plugged in. Second, check the manual for information about",
        "That is mostly the thermal fuse, which trips when the tank runs dry during descaling. "
        "Unplug the machine, let it cool for 30 minutes, press the red button under the drip tray "
        "until it clicks, then fill the tank before you switch it on.",
    ),
    (
        "Which water filter fits the Duo?",
        "The Duo is a popular pressure cooker and does not need a water filter.",
        "The F-12. Change it every two months or after 60 litres.",
    ),
    (
        "可以不带包装盒退货吗 ",
        "可以 但请联系卖家确认退货政策。",
        "可以 30 天内均可退货。请固定好豆仓并附上订单号 缺少包装会扣除 10 欧元。",
    ),
)


def _report() -> EvalReport:
    return EvalReport(
        run=RUN.id,
        created="2026-11-24T15:12:00+0000",
        method="lora",
        base_model=MODEL,
        base_form="as published",
        dtype="bfloat16",
        device="cuda",
        max_length=1024,
        num_rows=200,
        num_tokens=35_200,
        num_cut=1,
        base=measure(87_352.0, 18_350, 35_200),
        tuned=measure(30_184.0, 28_160, 35_200),
        difference=Difference(
            loss=-1.6241,
            low=-1.7104,
            high=-1.5377,
            confidence=0.95,
            seed=1,
            verdict="tuned is better",
        ),
        answers=AnswerSummary(
            num_questions=3, max_new_tokens=128, base_hit_limit=1, tuned_hit_limit=0
        ),
        versions={},
        rows=[],
    )


def _pairs() -> list[AnswerPair]:
    return [
        AnswerPair(
            messages=[{"role": "user", "content": question}],
            reference=tuned if number == 1 else "",
            base=Speech(text=base, num_tokens=len(base) // 4, hit_limit=number == 0),
            tuned=Speech(text=tuned, num_tokens=len(tuned) // 4, hit_limit=False),
        )
        for number, (question, base, tuned) in enumerate(_ANSWERS)
    ]


def _exported(form: Form, num_bytes: int) -> ExportView:
    parity = Parity(
        passed=True,
        num_prompts=16,
        num_positions=2210,
        max_abs_diff=0.0312,
        relative_l2=0.0021,
        tolerance=0.02,
        effect_l2=1.0,
        kept=0.998,
        greedy_equal=2207,
        ties=3,
        tokens_equal=True,
        reasons=[],
    )
    report = ExportReport(
        form=form,
        run=RUN.id,
        created="2026-11-24T15:14:00+0000",
        method="lora",
        base_model=MODEL,
        merged_into="bfloat16" if form == "merged" else "",
        dtype="bfloat16",
        parity=parity,
        notes=[],
        versions={},
        files=[ExportedFile(name="model.safetensors", num_bytes=num_bytes, sha256="0")],
    )
    return ExportView(form, RUN.exports / form, report, num_bytes)


def _view(*, is_evaluated: bool = False, exports: tuple[ExportView, ...] = ()) -> ResultView:
    said = "Trained 900 steps. Delivered step 540, held-out loss 0.8575."
    status = trained(NOW - 2100, STEPS).add(Finished(STEPS, "adapter", said)).observed("finished")
    values = {"model": {"path": MODEL}, "data": {"path": DATA}, "name": "support-bot"}
    spec = Spec.model_validate(values)
    delivered = Delivered(RUN, status.status, spec, RUN.adapter, True, 1024)
    files = (
        ("adapter_model.safetensors", 69_782_384),
        ("tokenizer.json", 11_422_654),
        ("tokenizer_config.json", 9_732),
        ("adapter_config.json", 912),
    )
    made = {export.form: export for export in exports}
    sizes: dict[Form, int] = {"adapter": 69_782_384, "merged": 3_441_185_608}
    both = tuple(
        made.get(form) or ExportView(form, RUN.exports / form, None, num_bytes)
        for form, num_bytes in sizes.items()
    )
    home = f"scp -P 10322 -r root@203.0.113.7:{RUN.exports if exports else RUN.adapter} ."
    report = _report() if is_evaluated else None
    job = RunFolder(RUN.jobs / "20261124-151200-evaluate") if is_evaluated else None
    return ResultView(delivered, files, both, job, report, None, home)


def _job(kind: str, state: State, *bodies: Body, log: tuple[str, ...] = ()) -> JobView:
    job = RunFolder(RUN.jobs / f"20261124-151900-{kind}")
    course = Course(NOW - 41).add(Started(1, kind, "gpu-box", "b", 77), *bodies)
    last = bodies[-1]
    said = last.message if isinstance(last, Failed) else ""
    return JobView(job, kind, course.observed(state, said), log)


def _result(
    stage: Stage, view: ResultView, ready: str, *steps: tuple[str, str], job: JobView | None = None
) -> Scene:
    class Watcher:
        def __init__(self, run: RunFolder) -> None: ...

        def look(self) -> JobView | None:
            return job

    stage.set("tui.screens.result.read_result", lambda run: view)
    stage.set("tui.screens.result.JobWatcher", Watcher)
    return Scene(lambda: ResultScreen(RUN), ready, steps)


@scene
def result_fresh(stage: Stage) -> Scene:
    return _result(stage, _view(), "Compare base and tuned")


@scene
def result_whole(stage: Stage) -> Scene:
    """Compared and exported."""
    exports = (_exported("adapter", 69_782_384), _exported("merged", 3_452_618_000))
    view = _view(is_evaluated=True, exports=exports)
    return _result(stage, view, "Chat")


@scene
def result_comparing(stage: Stage) -> Scene:
    progress = Progress("eval", 96, 200, "rows", 8.1, 12.8)
    job = _job("evaluate", "running", RunStage("eval", "tuned"), progress)
    return _result(stage, _view(), "AT WORK", job=job)


@scene
def result_exporting(stage: Stage) -> Scene:
    progress = Progress("export", 2.1 * _GIB, 3.2 * _GIB, "bytes", 3.1e8, 3.8)
    job = _job("export", "running", RunStage("export", "merged"), progress)
    exports = (_exported("adapter", 69_782_384),)
    return _result(stage, _view(is_evaluated=True, exports=exports), "AT WORK", job=job)


@scene
def result_export_failed(stage: Stage) -> Scene:
    said = f"The volume of {RUN.exports}/merged has 1.1 GiB free; the merged model needs 3.4 GiB."
    hint = "Free space, or export to another volume with --out DIR."
    job = _job("export", "failed", Failed("disk", "export", said, hint))
    return _result(stage, _view(is_evaluated=True), "failed", job=job)


@scene
def result_job_crashed(stage: Stage) -> Scene:
    failed = Failed("crash", "eval", "RuntimeError during eval: CUDA error: unknown error", "")
    log = (
        "eval tuned 96/200",
        "Traceback (most recent call last):",
        "RuntimeError: CUDA error: unknown error",
    )
    job = _job("evaluate", "failed", failed, log=log)
    return _result(stage, _view(), "failed", job=job)


@scene
def result_forms(stage: Stage) -> Scene:
    return _result(stage, _view(is_evaluated=True), "Export", ("e", "loaded again"))


@scene
def result_questions(stage: Stage) -> Scene:
    return _result(stage, _view(is_evaluated=True), "Export", ("f", "Questions of your own"))


@scene
def result_end_job(stage: Stage) -> Scene:
    progress = Progress("export", 2.1 * _GIB, 3.2 * _GIB, "bytes", 3.1e8, 3.8)
    job = _job("export", "running", RunStage("export", "merged"), progress)
    return _result(stage, _view(is_evaluated=True), "AT WORK", ("x", "End the export?"), job=job)


@scene
def result_nothing(stage: Stage) -> Scene:
    """A run that is still at work has no result."""
    made = _result(stage, _view(), "at work")

    def refuse(run: RunFolder) -> ResultView:
        raise TailfinError(
            f"The run {run.id} is still at work and has delivered nothing.",
            f"Follow it with: tailfin attach {run.id}",
        )

    stage.set("tui.screens.result.read_result", refuse)
    return replace(made, ready="still at work")


def _compare(stage: Stage, answers: list[AnswerPair], ready: str, *steps: tuple[str, str]) -> Scene:
    job = RunFolder(RUN.jobs / "20261124-151200-evaluate")
    found = _Found(job, _report(), answers)
    stage.set("tui.screens.compare.CompareScreen._read", lambda screen: found)
    return Scene(lambda: CompareScreen(RUN), ready, steps)


@scene
def compare_answers(stage: Stage) -> Scene:
    return _compare(stage, _pairs(), "Question 1 of 3")


@scene
def compare_chinese(stage: Stage) -> Scene:
    return _compare(stage, _pairs(), "Question 1 of 3", ("left", "Question 3 of 3"))


@scene
def compare_reference(stage: Stage) -> Scene:
    return _compare(stage, _pairs(), "Question 1 of 3", ("right", "Question 2 of 3"))


@scene
def compare_no_questions(stage: Stage) -> Scene:
    return _compare(stage, [], "No questions were asked")


class _Talking(ScriptedSession):
    """A session that answers each question with the next of what it was given."""

    def __init__(self, *answers: Piece | Done) -> None:
        super().__init__()
        self._answers = list(answers)

    def ask(self, messages: Sequence[dict[str, str]], which: Which, *, max_new_tokens: int) -> str:
        id = super().ask(messages, which, max_new_tokens=max_new_tokens)
        self.say(self._answers.pop(0))
        return id


def _chat(stage: Stage, session: ScriptedSession, ready: str, *steps: tuple[str, str]) -> Scene:
    samples = tuple(Sample(question, "") for question, _, _ in _ANSWERS)
    stage.set("tui.screens.chat.read_samples", lambda run: samples)
    return Scene(lambda: ChatScreen(RUN, start=lambda: session), ready, steps)


def _ready(*answers: Piece | Done) -> ScriptedSession:
    session = _Talking(*answers)
    session.say(Ready("cuda", "bfloat16"))
    return session


def _done(id: str, text: str, *, hit_limit: bool = False) -> Done:
    return Done(id, text, len(text) // 4, hit_limit, cancelled=False, elapsed_s=2.4)


@scene
def chat_loading(stage: Stage) -> Scene:
    session = ScriptedSession()
    session.say(Loading("load", MODEL), Loaded(0.42))
    return _chat(stage, session, "42%")


@scene
def chat_empty(stage: Stage) -> Scene:
    return _chat(stage, _ready(), "Which water filter")


@scene
def chat_streaming(stage: Stage) -> Scene:
    session = _ready(Piece("1", _ANSWERS[0][2][:120]))
    return _chat(stage, session, "Which water filter", ("enter", "let it cool"))


@scene
def chat_cancelled(stage: Stage) -> Scene:
    made = chat_streaming(stage)
    return replace(made, steps=[*made.steps, ("escape", "cancelled")])


@scene
def chat_both(stage: Stage) -> Scene:
    """Base and tuned, one under the other; the base was cut off at the limit."""
    _, base, tuned = _ANSWERS[0]
    session = _ready(_done("1", base, hit_limit=True), _done("2", tuned))
    steps = [("tab tab", "base and tuned"), ("enter", "until it clicks")]
    return _chat(stage, session, "Which water filter", *steps)


@scene
def chat_died(stage: Stage) -> Scene:
    session = ScriptedSession()
    said = "The chat session was killed (signal 9): mostly memory ran out."
    session.say(TailfinError(said, "Free memory, then start it again."))
    return _chat(stage, session, "signal 9")
