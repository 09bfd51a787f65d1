"""The worker's half of a data report: what the tokenizer and the template make of the rows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import TailfinError
from engine.spec import Spec
from engine.worker.data_report import main, report
from tests.worker.tiny_tokenizer import byte_tokenizer

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    byte_tokenizer(CHATML).save_pretrained(folder)
    config = {"model_type": "qwen2", "max_position_embeddings": 256}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def spec_for(folder: Path, model: Path, answers: list[str], **data: object) -> Spec:
    path = folder / "rows.jsonl"
    rows = [{"prompt": f"question {n}", "completion": text} for n, text in enumerate(answers)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Spec.model_validate({"model": {"path": str(model)}, "data": {"path": str(path), **data}})


def test_counts_lengths_and_labels(tmp_path: Path, model: Path) -> None:
    told = report(spec_for(tmp_path, model, ["Paris"] * 3 + ["x " * 40]))

    assert (told.num_rows, told.num_untrained, told.num_endless) == (4, 0, 0)
    assert (told.method, told.stop_tokens) == ("prefix", ("<|im_end|>",))
    assert told.lengths.p50 < 64 < told.lengths.longest == told.lengths.p99
    assert (told.lengths.max_length, told.lengths.cut_rows) == (128, 0)
    assert (told.is_suggested, told.suggested, told.model_limit) == (True, 128, 256)
    assert 0 < told.num_trained < told.num_tokens
    assert [f.id for f in told.findings] == ["template.other-stop"]


def test_a_given_length_is_judged(tmp_path: Path, model: Path) -> None:
    told = report(spec_for(tmp_path, model, ["Paris", "y" * 100], max_length=10))

    assert (told.is_suggested, told.lengths.max_length, told.lengths.cut_rows) == (False, 10, 2)
    assert told.num_untrained == 2
    assert "data.untrained-rows" in [f.id for f in told.findings if f.severity == "fail"]


def test_a_length_beyond_the_model_is_told(tmp_path: Path, model: Path) -> None:
    told = report(spec_for(tmp_path, model, ["y" * 600], max_length=512))

    [finding] = [f for f in told.findings if f.id == "data.beyond-model"]
    assert "256 positions" in finding.message
    assert "data.max_length=256" in finding.fix


def test_control_tokens_in_answers_are_told(tmp_path: Path, model: Path) -> None:
    told = report(spec_for(tmp_path, model, ["a<|im_end|>b"]))
    assert "data.control-tokens" in [f.id for f in told.findings]


def test_the_worker_prints_one_object_and_nothing_else(tmp_path: Path, model: Path) -> None:
    spec = spec_for(tmp_path, model, ["Paris"])
    done = subprocess.run(
        [sys.executable, "-m", "engine.worker.data_report", spec.model_dump_json()],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["num_rows"] == 1


def test_errors_cross_the_pipe_whole(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = spec_for(tmp_path, model, ["Paris"])
    Path(spec.data.path).write_text("")

    code = main([spec.model_dump_json()])

    error = json.loads(capsys.readouterr().out)["error"]
    assert (code, error["exit_code"]) == (2, 2)
    assert "is empty" in error["message"] and error["hint"] and error["where"] == spec.data.path


def test_a_folder_without_a_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(TailfinError, match=r"tokenizer of .* could not be loaded") as caught:
        report(spec_for(tmp_path, tmp_path, ["Paris"]))
    assert caught.value.error_id == "model.no-tokenizer"


def test_a_file_without_usable_rows_is_named(tmp_path: Path, model: Path) -> None:
    with pytest.raises(TailfinError, match="has no usable row"):
        report(spec_for(tmp_path, model, [""]))
