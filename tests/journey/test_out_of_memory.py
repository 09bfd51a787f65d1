"""Out of memory from the screens: said in figures, halved on a key, trained to the end.

Virtual VRAM stands in for a card: past its limit a real torch.OutOfMemoryError is raised.
"""

from __future__ import annotations

import pytest

from engine.runs.state import observe
from tests.journey.box import Box
from tests.journey.reading import says, says_not
from tests.journey.wizard import PATIENCE_S, choose_epochs, go_to
from tests.process import wait_for_end
from tests.tmux import available

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(bool(available()), reason=available()),
]
TRAINING_S = 240.0
# The demo's 16 rows do not fit into this many MiB, 8 do.
LIMITED = {"TAILFIN_VIRTUAL_VRAM_MIB": "256"}


def test_h_halves_and_the_run_reaches_its_end(box: Box) -> None:
    with box.shell(env=LIMITED) as terminal:
        terminal.send("tailfin demo")
        terminal.keys("enter")
        go_to(terminal, "method")
        choose_epochs(terminal, "1")
        go_to(terminal, "review", since="method")
        terminal.keys("enter")
        run = box.only_run()
        terminal.wait_for("> [ What happened ]", TRAINING_S)
        says(terminal, "FAILED  step ", "/25", "Memory ran out")
        terminal.keys("enter")

        terminal.wait_for("> Resume with micro-batch 8", PATIENCE_S)
        terminal.wait_for(lambda text: run.id in text.partition("\n")[0] and "FAILED" in text)
        says(terminal, "Out of virtual GPU memory in the", "predicted", "Needs 0.45 of 0.25 GiB")
        says(terminal, "really", "limit 0.25 GiB", "h halve and go on")
        says_not(terminal, "Traceback")
        terminal.keys("h")
        terminal.wait_for("> Resume  y", PATIENCE_S)
        says(terminal, "train.micro_batch becomes 8", "train.accumulation becomes 2")
        terminal.keys("enter")

        terminal.wait_for("attempt 2", PATIENCE_S)
        says(terminal, "the run goes on")
        terminal.wait_for("> [ Result ]", TRAINING_S)
        says(terminal, "FINISHED  step 25/25", "attempt 2")
        terminal.keys("enter")
        terminal.wait_for("[ Compare base and tuned ]")
        says(terminal, "8 x 2 rows per step")
    observed = wait_for_end(run)
    assert observed.state == "finished" and observed.status.attempt == 2
    assert len(box.found_runs()) == 1
    assert dict(observe(run).status.changes)["train.micro_batch"] == "8"
