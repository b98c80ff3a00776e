"""Asking many prompts: order kept, failures apart, a limit on concurrency, identical ones asked once."""

from optiflow.batching.batch_optimizer import (
    BatchOptimizer,
    PromptOutcome,
    activate,
    process_prompts,
    process_prompts_parallel,
)

__all__ = ["BatchOptimizer", "PromptOutcome", "activate", "process_prompts", "process_prompts_parallel"]
