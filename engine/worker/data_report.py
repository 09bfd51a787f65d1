"""`engine.worker data-report SPEC_JSON`: lengths, cuts and labels of a data file, as JSON.

Prints one object on stdout, the fields of engine.data.token_report.TokenReport or
{"error": {...}}, and nothing else there: libraries that print are sent to stderr.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from engine.data.lengths import advise, suggest_max_length
from engine.data.rows import Row
from engine.data.source import Source, open_source, scan_source
from engine.data.text import inert
from engine.data.token_report import TokenReport, error_as_dict
from engine.errors import EXIT_NO, TailfinError
from engine.findings import Finding
from engine.spec import ModelSpec, Spec

if TYPE_CHECKING:
    from engine.worker.token_checks import ControlTokens


def main(argv: list[str]) -> int:
    """Answer for one spec (JSON); exit code 0, or the error's."""
    spec = Spec.model_validate_json(argv[0])
    return print_answer(lambda: report(spec).as_dict())


def print_answer(made: Callable[[], dict[str, object]]) -> int:
    """Print what is made, or why it cannot be; nothing else reaches stdout. The exit code."""
    code = 0
    with contextlib.redirect_stdout(sys.stderr):
        try:
            answer = made()
        except TailfinError as error:
            answer, code = {"error": error_as_dict(error)}, error.exit_code
        except ImportError as error:
            answer, code = {"error": error_as_dict(_no_stack(error))}, EXIT_NO
    print(json.dumps(answer))
    return code


def report(spec: Spec) -> TokenReport:
    """Tokenise all usable rows of the spec's data as training would, and judge the result."""
    data = spec.data
    source = open_source(
        scan_source(data.path), layout=data.format, columns=data.columns, system=data.system
    )
    tokenizer, model_limit = load_tokenizer(spec.model)
    from engine.worker.counts import count_rows
    from engine.worker.token_checks import ControlTokens, check_tokens
    from engine.worker.tokens import render_template

    template = render_template(tokenizer, spec.model.chat_template)
    controls = ControlTokens(tokenizer, template)
    rows = list(count_rows(_looked_at(source, controls), tokenizer, template, spec.train.loss_on))
    if not rows:
        raise TailfinError(
            f"{data.path} has no usable row.",
            f"See why with: tailfin data report {data.path}",
            where=data.path,
        )
    totals = [row.num_tokens for row in rows]
    suggestion = suggest_max_length(totals, model_limit)
    lengths = advise(totals, data.max_length) if data.max_length else suggestion
    limit = lengths.max_length
    findings = [
        *check_tokens(rows, limit, data.packing, max_untrained_share=data.max_untrained_share),
        *controls.findings(),
        *template.notices,
    ]
    if model_limit and limit > model_limit:
        said = f"The model has {model_limit} positions; data.max_length={limit} is beyond them."
        action = f"Set data.max_length={suggestion.max_length}."
        findings.append(Finding("data.beyond-model", "warn", said, action, "data.max_length"))
    return TokenReport(
        template=template.name,
        method=template.method,
        stop_tokens=tuple(map(str, tokenizer.convert_ids_to_tokens(list(template.stop_ids)))),
        num_rows=len(rows),
        num_tokens=sum(totals),
        num_trained=sum(row.num_trained for row in rows),
        lengths=lengths,
        is_suggested=not data.max_length,
        suggested=suggestion.max_length,
        model_limit=model_limit or 0,
        num_untrained=sum(not row.trained_in(1, limit) for row in rows),
        num_endless=sum(not row.eos_trained for row in rows),
        findings=tuple(findings),
    )


def _looked_at(source: Source, controls: ControlTokens) -> Iterator[Row]:
    for chunk in source.chunks():
        for row in source.read(chunk).rows:
            controls.look(row)
            yield row


def load_tokenizer(model: ModelSpec) -> tuple[Any, int | None]:
    """A model's tokenizer and its position limit (None: unknown), without its weights."""
    from pathlib import Path

    import transformers

    from engine.hub import find_model

    transformers.logging.set_verbosity_error()
    folder = Path(model.path).expanduser()
    revision = model.revision or None
    if folder.is_dir():
        source = str(folder)
    else:
        place = find_model(model.path, model.revision, need_space=False)
        source, revision = place.path, place.revision or revision
    trust = model.trust_remote_code
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            source, revision=revision, trust_remote_code=trust
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = inert((str(error).splitlines() or [type(error).__name__])[0])
        raise TailfinError(
            f"The tokenizer of {model.path} could not be loaded: {reason}.",
            "Check that the folder or the hub name holds a tokenizer (tokenizer.json).",
            where="model.path",
            error_id="model.no-tokenizer",
        ) from None
    return tokenizer, _position_limit(source, revision, trust)


def _position_limit(source: str, revision: str | None, trust: bool) -> int | None:
    import transformers

    try:
        config = transformers.AutoConfig.from_pretrained(
            source, revision=revision, trust_remote_code=trust
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None  # a folder with a tokenizer alone is enough for a report
    limit = getattr(config.get_text_config(), "max_position_embeddings", None)
    return int(limit) if limit else None


def _no_stack(error: ImportError) -> TailfinError:
    return TailfinError(
        f"The training stack could not be imported: {error}.",
        "Install it with: tailfin setup",
        error_id="stack.missing",
        exit_code=EXIT_NO,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
