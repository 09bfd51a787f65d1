"""The seams in transformers that byte-wise load progress hangs on; each test names one."""

from __future__ import annotations

import inspect

from transformers import core_model_loading
from transformers.utils import logging

from engine.worker.load_progress import BAR, source_keys


def test_transformers_still_lets_its_bars_be_replaced() -> None:
    assert callable(logging.set_tqdm_hook)
    seen: list[object] = []

    def hook(factory: object, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        seen.append(kwargs["desc"])
        return args[0]

    before = logging.set_tqdm_hook(hook)
    try:
        assert list(core_model_loading.tqdm([1], desc=BAR)) == [1]
    finally:
        logging.set_tqdm_hook(before)
    assert seen == [BAR]


def test_transformers_still_names_its_weight_bar_so() -> None:
    source = inspect.getsource(core_model_loading.convert_and_load_state_dict_in_model)
    assert f'tqdm(param_name_to_load.items(), desc="{BAR}")' in source


def test_a_mapping_still_knows_the_checkpoint_keys_it_is_made_of() -> None:
    mapping = core_model_loading.WeightRenaming("a.weight", "b.weight")
    mapping.add_tensor("b.weight", "a.weight", "a.weight", lambda: None)
    assert source_keys(mapping) == {"a.weight"}
