"""Shared by all tests: a quiet environment and one hypothesis profile."""

from __future__ import annotations

import os
import signal

from hypothesis import settings

# A test that would reach the network fails at once instead of waiting.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Two test processes with a thread pool each spin against one another on two cores, and torch's CPU
# kernels allocate scratch per thread, which the memory tests would count.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell starts background jobs with Ctrl-C ignored, which they hand on to all they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("tailfin", deadline=None, max_examples=50)
settings.load_profile("tailfin")
