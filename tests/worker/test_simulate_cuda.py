"""What the CUDA path allocates otherwise, on small functions under fake tensors."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("bitsandbytes")
pytest.importorskip("trl")

import torch.nn.functional as F  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402

from engine.memory.cards import Card  # noqa: E402
from engine.memory.plan import blas_workspace  # noqa: E402
from engine.worker.simulate.cuda import contexts_of  # noqa: E402
from engine.worker.simulate.cuda_attention import choose_kernel  # noqa: E402
from engine.worker.simulate.tracker import Tracker  # noqa: E402

AMPERE, TURING, HOPPER = (8, 0), (7, 5), (9, 0)


def a_card(capability: tuple[int, int] = AMPERE, *, is_gpu: bool = True) -> Card:
    return Card("a card", 80.0, capability, 0.3, is_gpu=is_gpu)


def peak(
    work: Callable[[Tracker], Any], capability: tuple[int, int] = AMPERE, *, is_gpu: bool = True
) -> int:
    """Highest live bytes of `work`, cuBLAS's buffers left out."""
    card = a_card(capability, is_gpu=is_gpu)
    with ExitStack() as stack:
        stack.enter_context(FakeTensorMode())
        tracker = stack.enter_context(Tracker())
        for context in contexts_of(card, tracker):
            stack.enter_context(context)
        work(tracker)
        highest = tracker.peaks["it"].total
        blas = sum(size for _, size in tracker.stream if size == blas_workspace(card))
        return int(highest - blas if is_gpu else highest)


def heads(count: int, tokens: int = 256, size: int = 64, dtype: Any = None) -> Any:
    dtype = dtype or torch.bfloat16
    return torch.empty(1, tokens, count, size, dtype=dtype, requires_grad=True).transpose(1, 2)


def attention(
    query_heads: int = 8, key_heads: int = 8, dtype: Any = None, masked: bool = False
) -> Callable[[Tracker], None]:
    def work(tracker: Tracker) -> None:
        q, k, v = (heads(n, dtype=dtype) for n in (query_heads, key_heads, key_heads))
        mask = torch.ones(1, 1, 256, 256, dtype=torch.bool) if masked else None
        tracker.begin("it", "attention")
        out = F.scaled_dot_product_attention(
            q, k, v, mask, is_causal=not masked, enable_gqa=query_heads != key_heads
        )
        out.sum().backward()

    return work


class TestKernels:
    @pytest.mark.parametrize(
        ("capability", "dtype", "key_heads", "masked", "kernel"),
        [
            (AMPERE, "bfloat16", 2, False, "flash"),
            (AMPERE, "bfloat16", 8, True, "efficient"),
            (AMPERE, "float32", 8, False, "efficient"),
            (AMPERE, "float32", 2, False, "math"),
            (TURING, "float16", 8, False, "efficient"),
            (TURING, "float16", 2, False, "math"),
            (TURING, "bfloat16", 8, False, "math"),
            (HOPPER, "bfloat16", 8, True, "cudnn"),
            (HOPPER, "float32", 8, False, "efficient"),
        ],
    )
    def test_follow_card_format_mask_and_groups(
        self, capability: Any, dtype: str, key_heads: int, masked: bool, kernel: str
    ) -> None:
        q, k = (
            torch.empty(1, n, 16, 64, dtype=getattr(torch, dtype), device="meta")
            for n in (8, key_heads)
        )
        chosen = choose_kernel(q, k, has_mask=masked, capability=capability, efficient_groups=False)
        assert chosen == kernel

    def test_a_newer_torch_takes_groups_without_scores(self) -> None:
        q, k = torch.empty(1, 8, 16, 64, device="meta"), torch.empty(1, 2, 16, 64, device="meta")
        chosen = choose_kernel(q, k, has_mask=False, capability=AMPERE, efficient_groups=True)
        assert chosen == "efficient"

    def test_wide_heads_leave_flash_on_a_consumer_card(self) -> None:
        q = torch.empty(1, 8, 16, 224, dtype=torch.bfloat16, device="meta")
        assert choose_kernel(q, q, has_mask=False, capability=(8, 9)) == "efficient"
        assert choose_kernel(q, q, has_mask=False, capability=AMPERE) == "flash"


class TestAttention:
    def test_flash_keeps_output_and_log_sum_exp(self) -> None:
        one = 256 * 8 * 64 * 2  # bytes of query, key, value, output or a gradient
        sums = 8 * 256 * 4
        scratch = sums + 8 * 256 * 64 * 4
        # three inputs, output and its expanded gradient, three gradients, accumulators
        assert peak(attention()) == pytest.approx(
            3 * one + one + sums + 3 * one + scratch, rel=0.01
        )

    def test_grouped_heads_are_expanded_in_backward(self) -> None:
        one = 256 * 8 * 64 * 2
        few = peak(attention(key_heads=2))
        # inputs and gradients of keys and values are a quarter, two expanded gradients are new
        assert few == pytest.approx(peak(attention()) - 4 * one * 3 // 4 + 2 * one, rel=0.01)

    def test_a_boolean_mask_becomes_one_to_add(self) -> None:
        half = torch.float16
        plain = peak(attention(dtype=half), TURING)
        assert peak(attention(dtype=half, masked=True), TURING) - plain == 256 * 256 * (1 + 2)

    def test_float32_groups_write_the_scores(self) -> None:
        scores = 8 * 256 * 256 * 4
        grouped = peak(attention(key_heads=2, dtype=torch.float32))
        assert grouped > 4 * scores  # kept chances, their gradient, the product, the next gradient
        assert peak(attention(dtype=torch.float32)) < 2 * scores

    def test_recomputation_in_backward_meets_the_same_kernel(self) -> None:
        def work(tracker: Tracker) -> None:
            x = torch.empty(1, 8, 256, 64, dtype=torch.bfloat16, requires_grad=True)
            tracker.begin("it", "checkpoint")
            out = torch.utils.checkpoint.checkpoint(
                lambda y: F.scaled_dot_product_attention(y, y, y, is_causal=True),
                x, use_reentrant=False,
            )  # fmt: skip
            out.sum().backward()

        assert peak(work) > 0  # a CPU kernel in the second pass would raise


class TestSoftmax:
    @staticmethod
    def work(dtype: str) -> Callable[[Tracker], None]:
        def work(tracker: Tracker) -> None:
            x = torch.empty(64, 1024, dtype=getattr(torch, dtype), requires_grad=True)
            tracker.begin("it", "softmax")
            F.softmax(x, dim=-1, dtype=torch.float32).backward(torch.empty(64, 1024))

        return work

    def test_backward_multiplies_gradient_and_output_first(self) -> None:
        scores = 64 * 1024 * 4
        on_cpu = peak(self.work("float32"), is_gpu=False)
        assert peak(self.work("float32")) - on_cpu == scores

    def test_float16_needs_no_float32_copy(self) -> None:
        half, wide = peak(self.work("float16")), peak(self.work("bfloat16"))
        assert wide - half == 64 * 1024 * 2  # the gradient before it is cast back


class TestAutocast:
    def test_layer_norm_runs_in_float32(self) -> None:
        def work(tracker: Tracker) -> None:
            x = torch.empty(4, 64, dtype=torch.bfloat16)
            tracker.begin("it", "norm")
            with torch.autocast("cpu", dtype=torch.bfloat16):
                assert F.layer_norm(x, (64,)).dtype == torch.float32
                assert torch.rsqrt(x).dtype == torch.float32
                assert x.sum().dtype == torch.float32
                assert x.softmax(-1).dtype == torch.float32
                assert F.silu(x).dtype == torch.bfloat16
                assert torch.is_autocast_enabled()
            assert not torch.is_autocast_enabled()

        peak(work)

    def test_is_told_to_those_who_ask_about_cuda_only_inside(self) -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert not torch.is_autocast_enabled()


class TestDropout:
    def test_keeps_a_byte_per_element(self) -> None:
        def kept(*, is_gpu: bool) -> int:
            def work(tracker: Tracker) -> None:
                x = torch.empty(64, 1024, dtype=torch.bfloat16, requires_grad=True)
                tracker.begin("it", "dropout")
                out = F.dropout(x, 0.1)
                live.append(tracker.total - 2 * x.numel() * 2)
                del out

            live: list[int] = []
            peak(work, is_gpu=is_gpu)
            return live[0]

        assert kept(is_gpu=True) == 64 * 1024
        assert kept(is_gpu=False) > 64 * 1024


class TestQuantised:
    def test_a_4_bit_product_rebuilds_the_weight(self) -> None:
        import bitsandbytes
        from bitsandbytes.functional import quantize_4bit

        def work(tracker: Tracker) -> None:
            packed, state = quantize_4bit(
                torch.empty(1024, 512, dtype=torch.bfloat16), quant_type="nf4"
            )
            x = torch.empty(2048, 512, dtype=torch.bfloat16, requires_grad=True)
            before = tracker.total
            tracker.begin("it", "product")
            out = bitsandbytes.matmul_4bit(x, packed.t(), quant_state=state)
            growth.append(tracker.peaks["it"].total - before - out.numel() * 2)

        growth: list[int] = []
        peak(work)
        assert growth[0] == 1024 * 512 * 2
        growth.clear()
        peak(work, is_gpu=False)
        assert growth[0] == 0

    def test_an_8_bit_product_keeps_its_input_past_a_checkpoint(self) -> None:
        import bitsandbytes

        def work(tracker: Tracker) -> None:
            state = bitsandbytes.MatmulLtState()
            state.CB = torch.empty(256, 512, dtype=torch.int8)
            state.SCB = torch.empty(256)
            state.threshold = 6.0
            x = torch.empty(128, 512, dtype=torch.bfloat16, requires_grad=True)
            tracker.begin("it", "product")
            before = tracker.total
            out = torch.utils.checkpoint.checkpoint(
                lambda y: bitsandbytes.matmul(y * 2, state.CB, state=state), x, use_reentrant=False
            )
            kept.append(tracker.total - before - out.numel() * 2)
            out.sum().backward()
            assert x.grad is not None

        kept: list[int] = []
        peak(work)
        # MatMul8bitLt holds it as an attribute, out of reach of saved-tensor hooks
        assert kept[0] == 128 * 512 * 2


class TestOptimizers:
    def test_paged_states_are_not_on_the_card(self) -> None:
        from bitsandbytes.optim import PagedAdamW32bit

        def states(elements: int) -> int:
            def work(tracker: Tracker) -> None:
                weight = torch.nn.Parameter(torch.empty(elements))
                optimizer = PagedAdamW32bit([weight])
                weight.grad = torch.empty(elements)
                before = tracker.total
                tracker.begin("it", "step")
                optimizer.step()
                grown.append(tracker.total - before)

            grown: list[int] = []
            peak(work)
            return grown[0]

        assert states(99_999) == 2 * 99_999 * 4
        assert states(100_000) < 1024

    def test_sgd_goes_over_lists(self) -> None:
        def work(tracker: Tracker) -> None:
            weights = [torch.nn.Parameter(torch.empty(1000)) for _ in range(4)]
            for weight in weights:
                weight.grad = torch.empty(1000)
            optimizer = torch.optim.SGD(weights, weight_decay=0.1)
            before = tracker.total
            tracker.begin("it", "step")
            optimizer.step()
            grown.append(tracker.peaks["it"].total - before)

        grown: list[int] = []
        peak(work)
        assert grown[0] == 4 * 1000 * 4


class TestHead:
    def test_needs_the_tile_and_no_float32_copy_of_it(self) -> None:
        from trl.kernels.chunked_logprob import ChunkedLogProbFunction

        def work(tracker: Tracker) -> None:
            hidden = torch.empty(512, 64, dtype=torch.bfloat16, requires_grad=True)
            head = torch.empty(4096, 64, dtype=torch.bfloat16)
            before = tracker.total
            tracker.begin("it", "head")
            out = ChunkedLogProbFunction.apply(
                hidden, head, None, torch.zeros(512, dtype=torch.int64), 1.0, 2048
            )[0]
            out.sum().backward()
            grown.append(tracker.peaks["it"].total - before)

        grown: list[int] = []
        peak(work)
        tile = 512 * 2048 * 2
        blas = 2 * blas_workspace(a_card())
        assert tile < grown[0] - blas < tile + 512 * 64 * (4 + 2) + 30 * 512 * 4
        grown.clear()
        peak(work, is_gpu=False)
        assert grown[0] > 5 * tile


class TestContexts:
    def test_a_cpu_has_none(self) -> None:
        assert contexts_of(a_card(is_gpu=False), Tracker()) == ()

    def test_leave_everything_as_it_was(self) -> None:
        import bitsandbytes

        before = (torch.is_autocast_enabled, bitsandbytes.matmul, F.scaled_dot_product_attention)
        run = torch.autograd._engine_run_backward
        with pytest.raises(ZeroDivisionError):
            peak(lambda tracker: 1 // 0)
        after = (torch.is_autocast_enabled, bitsandbytes.matmul, F.scaled_dot_product_attention)
        assert before == after
        assert torch.autograd._engine_run_backward is run

    @pytest.mark.parametrize(
        ("capability", "mebibytes"), [(AMPERE, 8.125), (HOPPER, 32), ((12, 0), 8.125)]
    )
    def test_cublas_holds_its_buffers_from_the_first_product_on(
        self, capability: Any, mebibytes: float
    ) -> None:
        assert blas_workspace(a_card(capability)) == mebibytes * 2**20

        def work(tracker: Tracker) -> None:
            a = torch.empty(8, 8)
            before = tracker.total
            a @ a
            held.append(tracker.total - before)
            a @ a
            held.append(tracker.total - before)
            tracker.begin("it", "product")

        held: list[int] = []
        peak(work, capability)
        assert held == [2 * mebibytes * 2**20] * 2


class TestFlashPackage:
    @settings(max_examples=15, deadline=None)
    @given(rows=st.integers(1, 3), tokens=st.integers(1, 300), groups=st.sampled_from([1, 2, 4]))
    def test_padded_rows_are_gathered_into_copies(
        self, rows: int, tokens: int, groups: int
    ) -> None:
        from transformers.modeling_flash_attention_utils import _flash_attention_forward

        def run(padded: bool) -> int:
            def work(tracker: Tracker) -> None:
                q, k, v = (
                    torch.empty(rows, tokens, n, 32, dtype=torch.bfloat16, requires_grad=True)
                    for n in (4, 4 // groups, 4 // groups)
                )
                mask = torch.ones(rows, tokens, dtype=torch.bool) if padded else None
                tracker.begin("it", "flash")
                out = _flash_attention_forward(
                    q, k, v, mask, query_length=tokens, is_causal=True,
                    attn_implementation="flash_attention_2",
                )  # fmt: skip
                assert out.shape == q.shape
                kept.append(tracker.total)
                out.sum().backward()
                assert k.grad is not None
                assert k.grad.shape == k.shape

            peak(work)
            return kept[-1]

        kept: list[int] = []
        copies = rows * tokens * 32 * (4 + 2 * 4 // groups) * 2
        assert run(padded=True) - run(padded=False) >= copies
