"""A run being put together: what the person chose, what was found out, and what it adds up to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tui.start import Start

if TYPE_CHECKING:
    from engine.data.inspect import Inspection, Inspector
    from engine.doctor.checks import Group
    from engine.doctor.facts import Box
    from engine.hub import ModelPlace
    from engine.memory.cards import Card
    from engine.memory.model_shape import ModelShape
    from engine.memory.simulator import Simulator
    from engine.settings import Resolved
    from engine.suggest import Suggestion

# How sources are called in `Resolved.sources`; the review and the settings show these words.
YOU = "you"
SUGGESTED = "suggested"
# Settings that say how a model is loaded, not which one.
_HOW_LOADED = ("model.dtype", "model.attention", "model.trust_remote_code", "model.chat_template")
# Settings that change which rows are read or what stands in them.
_WHICH_ROWS = ("data.path", "data.format", "data.columns", "data.system")


def _simulator() -> Simulator:
    from engine.memory.simulator import Simulator

    return Simulator()


@dataclass(frozen=True, slots=True)
class Draft:
    """Frozen: every change makes a new one, so that a pane can compare and nothing is lost.

    `choices` are the person's own, by dotted path; `filed` come from a spec file (`file_name`) with
    absolute paths; `suggestions` were made for this box, model and data. The rest is what checking
    found, kept so that going back does not ask again; None was not asked yet or no longer holds.
    `inspection` is of the data file, `held_out` of the file of held-out rows, `counting` the count
    of tokens that is still under way when a person goes on. `config` is the model's config.json
    where no place was looked up; `simulator` keeps what was simulated for any of these drafts.
    """

    choices: Mapping[str, object] = field(default_factory=dict)
    filed: Mapping[str, object] = field(default_factory=dict)
    file_name: str = ""
    suggestions: tuple[Suggestion, ...] = ()
    box: Box | None = None
    groups: tuple[Group, ...] = ()
    card: Card | None = None
    place: ModelPlace | None = None
    shape: ModelShape | None = None
    inspection: Inspection | None = None
    held_out: Inspection | None = None
    counting: Inspector | None = None
    skip_bad_rows: bool = False
    config: Mapping[str, object] | None = None
    start: Start = field(default_factory=Start, compare=False)
    simulator: Simulator = field(default_factory=_simulator, compare=False)

    def value(self, path: str) -> object:
        """What the person or the spec file says about a setting; None where neither does."""
        return self.choices.get(path, self.filed.get(path))

    def text(self, path: str) -> str:
        """The same as text, empty where nobody said anything."""
        value = self.value(path)
        return "" if value is None else str(value)

    def choose(self, path: str, value: object) -> Draft:
        """The draft with one more choice. What was found out about another model or file goes."""
        if self.value(path) == value:
            return self
        draft = replace(self, choices={**self.choices, path: value})
        return draft._without_stale(path)

    def forget(self, path: str) -> Draft:
        """The draft without the person's choice, back to what the layers below say."""
        if path not in self.choices:
            return self
        kept = {key: value for key, value in self.choices.items() if key != path}
        return replace(self, choices=kept)._without_stale(path)

    def resolve(self, *, placeholders: bool = False) -> Resolved:
        """The complete spec with the source of each value; raises TailfinError for faults.

        `placeholders` fills a model or a data file that was not chosen yet, so that settings can be
        shown before; nothing may be started from such a spec.
        """
        from engine.settings import layer

        layers: list[tuple[str, Mapping[str, object]]] = [(YOU, nested(self.choices))]
        layers.append((self.file_name or "spec file", nested(self.filed)))
        layers.append((SUGGESTED, nested({s.path: s.value for s in self.suggestions})))
        if placeholders:
            missing = {"model.path": "none", "data.path": "none"}
            layers.append(("not chosen yet", nested(missing)))
        return layer(layers)

    @property
    def everything(self) -> dict[str, object]:
        """All that differs from profile and defaults: what the command line has to say."""
        suggested = {s.path: s.value for s in self.suggestions}
        return {**suggested, **self.filed, **self.choices}

    def _without_stale(self, path: str) -> Draft:
        if path.startswith("model."):
            draft = replace(self, inspection=None, counting=None, suggestions=())
            if path in _HOW_LOADED:
                return draft
            return replace(draft, place=None, shape=None, config=None)
        if path in _WHICH_ROWS:
            return replace(self, inspection=None, counting=None, suggestions=())
        if path == "data.eval_path":
            return replace(self, held_out=None)
        return self


def nested(flat: Mapping[str, object]) -> dict[str, object]:
    """Dotted paths as the sections of a spec."""
    table: dict[str, object] = {}
    for path, value in flat.items():
        section, _, name = path.rpartition(".")
        if not section:
            table[name] = value
            continue
        inner = table.setdefault(section, {})
        assert isinstance(inner, dict)
        inner[name] = value
    return table


def demo_draft() -> Draft:
    """The embedded model and data, as `tailfin demo` runs them."""
    from engine.bundled import bundled
    from engine.settings import flatten, load_spec, with_absolute_paths

    file = str(bundled("samples") / "demo.toml")
    resolved = with_absolute_paths(load_spec(file), file)
    named = {path for path, source in resolved.sources.items() if source == file}
    values = dict(flatten(resolved.spec.model_dump(mode="json")))
    return Draft(filed={path: values[path] for path in named if path in values}, file_name=file)
