"""The whole journey by keys in a real tmux, at the two sizes the screens are designed for."""

from __future__ import annotations

import json

import pytest

from engine.runs.state import observe
from tests.journey.box import PROMPT, Box
from tests.journey.reading import framed, says, says_not
from tests.journey.wizard import await_step, choose_epochs
from tests.tmux import Tmux, available

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(available()), reason=available()),
]
TRAINING_S = 480.0  # on a busy box a minute's training takes several
TRAINING_STACK = {
    *("accelerate", "bitsandbytes", "datasets", "numpy", "pandas", "peft", "pyarrow"),
    *("safetensors", "tokenizers", "torch", "transformers", "trl"),
}
JOB_S = 120.0


@pytest.mark.parametrize(
    ("columns", "lines", "epochs"),
    [(80, 24, ""), (120, 40, "2")],
    ids=["80x24", "120x40-shorter"],
)
def test_from_home_to_a_trained_exported_and_chatted_with_model(
    box: Box, columns: int, lines: int, epochs: str
) -> None:
    """Home, five steps, training, result, comparison, export, chat, and back to the shell."""
    with box.shell(columns, lines) as terminal:
        _open_home(terminal)
        _go_through_the_wizard(terminal, epochs)
        run = box.only_run()
        _watch_it_train(terminal, run.id)
        _compare(terminal)
        _export(terminal)
        _chat(terminal)

        terminal.keys("escape")
        left = terminal.wait_for(lambda text: "> [ Home ]" in text or "(cancelled)" in text)
        if "> [ Home ]" not in left:  # the answer's end was still to come, and Esc broke that off
            terminal.keys("escape")
            terminal.wait_for("> [ Home ]")
        terminal.keys("enter")
        terminal.wait_for("tailfin  runs")
        terminal.wait_for(run.id)
        says(terminal, "finished")
        terminal.keys("q")
        terminal.wait_for(lambda text: text.rstrip().endswith(PROMPT))
        assert "tailfin  runs" not in terminal.text, "the screen was not given back"

    ended = observe(run)
    assert ended.state == "finished"
    plan, best = ended.status.plan, ended.status.best
    assert plan is not None and best is not None and best.loss < 1.0
    assert plan.max_steps == (50 if epochs else 125)
    assert (run.exports / "adapter" / "adapter_model.safetensors").is_file()
    assert json.loads((run.exports / "merged" / "config.json").read_text())["model_type"] == "qwen2"
    assert not box.processes(), "something of the journey was left at work"
    # all of that, and the process that drew it knows nothing of the training stack
    modules = box.modules_of_screens()
    assert {"tui.screens.chat", "tui.panes.review", "engine.memory.estimate"} <= modules
    assert not {name.partition(".")[0] for name in modules} & TRAINING_STACK


def _open_home(terminal: Tmux) -> None:
    terminal.send("tailfin")
    terminal.keys("enter")
    terminal.wait_for("Demo", 30)
    terminal.wait_for(lambda text: " tailfin  runs" in text.partition("\n")[0])
    says(terminal, "New run", "d demo")
    terminal.keys("d")


def _go_through_the_wizard(terminal: Tmux, epochs: str) -> None:
    """Enter through five steps; only the number of epochs may be typed."""
    await_step(terminal, "box")
    says(terminal, "torch", "GPU")
    terminal.keys("enter")

    await_step(terminal, "model")
    says(terminal, "samples/model", "1.84 M parameters")
    terminal.keys("enter")

    await_step(terminal, "data")
    says(terminal, "400 usable of 400", "48 rows", "assistant  Fin says:")
    terminal.keys("enter")

    await_step(terminal, "method")
    terminal.wait_for("micro-batch")
    says(terminal, "cpu-demo", "fits")
    if epochs:
        choose_epochs(terminal, epochs)
    terminal.keys("enter")

    await_step(terminal, "review")
    terminal.wait_for("run folder")
    says(terminal, "LoRA adapter, rank 16", f"{epochs or 5} epochs")
    says_not(terminal, "FAIL")
    terminal.keys("pagedown")
    terminal.wait_for("tailfin train")
    terminal.keys("enter")


def _watch_it_train(terminal: Tmux, run_id: str) -> None:
    terminal.wait_for("q leaves, the run goes on", 60)
    says(terminal, run_id)
    terminal.wait_for(lambda text: "RUNNING  step" in text and " left " in text, TRAINING_S)
    says(terminal, "loss ", "grad ", "tok/s ", "RAM", "saved ", "raw  ", "smoothed", "lr ")
    terminal.wait_for("> [ Result ]", TRAINING_S)
    says(terminal, "FINISHED", "100%", "Delivered step")
    says_not(terminal, "the run goes on")
    terminal.keys("enter")


def _compare(terminal: Tmux) -> None:
    terminal.wait_for("> [ Compare base and tuned ]", 30)
    says(terminal, "FINISHED", "adapter_model.safetensors", "held-out 6.4681 base ->")
    terminal.keys("enter")
    terminal.wait_for("AT WORK  comparison", 30)
    terminal.wait_for("> [ See base against tuned ]", JOB_S)
    terminal.keys("enter")
    terminal.wait_for("> [ Back to the result ]")
    says(terminal, "tuned is better", "The bat is", "Fin says: the bat is")
    terminal.keys("right")
    terminal.wait_for("Question 2 of 8")
    terminal.keys("enter")


def _export(terminal: Tmux) -> None:
    terminal.wait_for("> [ Export adapter and merged weights ]")
    terminal.keys("enter")
    terminal.wait_for("> both")
    terminal.keys("enter")
    terminal.wait_for("AT WORK  export", 30)
    terminal.wait_for("> [ Chat with the tuned model ]", JOB_S)
    says(terminal, "adapter   OK", "merged    OK")


def _chat(terminal: Tmux) -> None:
    terminal.keys("enter")
    terminal.wait_for("Ready on", JOB_S)
    says(terminal, "talking to tuned")
    terminal.send("What can the cow do?")
    terminal.wait_for("tuned>  What can the cow do?")
    terminal.keys("enter")
    terminal.wait_for("Fin says: the cow can", JOB_S)
    terminal.wait_for("per second")  # the whole answer
    # the base, asked the same, has the old voice
    terminal.keys("tab")
    terminal.wait_for("base>")
    terminal.send("What can the cow do?")
    terminal.keys("enter")
    both = terminal.wait_for(lambda text: text.lower().count("the cow can ") == 2, JOB_S)
    assert both.count("Fin says") == 1, framed(both)
