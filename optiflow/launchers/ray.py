"""Runs the tasks of a sweep on a Ray cluster; Ray places them and runs them again where a worker dies.

The launcher that Hydra's authors publish pins a version of cloudpickle that LangGraph's own server refuses.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from omegaconf import open_dict

from optiflow.errors import ConfigurationError, StoreError
from optiflow.extras import require
from optiflow.settings import get_settings

if TYPE_CHECKING:
    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig

__all__ = ["RayLauncher"]


class RayLauncher(Launcher):
    """One Ray task for each task of the sweep.

    Args:
        address: Of a running cluster; None: a local one is started, and stopped afterwards.
        num_cpus: CPUs of a local cluster, of which each task takes one; None: all.
        max_retries: Times that a task is run again where its worker dies.
    """

    hydra_context: HydraContext
    task_function: TaskFunction
    config: DictConfig

    def __init__(self, address: str | None = None, num_cpus: int | None = None, max_retries: int = 3) -> None:
        self.address = address
        self.num_cpus = num_cpus
        self.max_retries = max_retries

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands over."""
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the tasks and wait for all of them.

        Raises:
            ConfigurationError: The extra ``ray`` is not installed, or the cluster does not share our store.
            StoreError: A task was lost more often than it may be run again.
        """
        ray = require("ray", "ray", "hydra/launcher=ray")
        settings = get_settings()
        if self.address is not None and settings.store_url.startswith("sqlite"):
            raise ConfigurationError(
                "hydra/launcher=ray with an address needs a store that every node reaches: "
                "set OPTIFLOW_STORE to a postgresql:// URL"
            )
        environment = {name: value for name, value in os.environ.items() if name.startswith("OPTIFLOW_")}
        environment |= {"OPTIFLOW_STORE": settings.store_url, "OPTIFLOW_HOME": str(settings.home.absolute())}
        ours = not ray.is_initialized()
        if ours:
            ray.init(
                address=self.address,
                num_cpus=self.num_cpus if self.address is None else None,
                include_dashboard=False,
                log_to_driver=False,
                configure_logging=False,
                runtime_env={"env_vars": environment},
            )
        try:
            remote = ray.remote(num_cpus=1, max_retries=self.max_retries)(_execute)
            state = Singleton.get_state()
            pending = [
                remote.remote(place, list(overrides), self.hydra_context, self.config, self.task_function, state)
                for place, overrides in enumerate(job_overrides, start=initial_job_idx)
            ]
            try:
                returned: list[JobReturn] = ray.get(pending)
            except ray.exceptions.WorkerCrashedError as error:
                raise StoreError(f"a Ray worker died {self.max_retries + 1} times with the same task") from error
        finally:
            if ours:
                ray.shutdown()
        return returned


def _execute(
    number: int,
    overrides: list[str],
    context: HydraContext,
    config: DictConfig,
    task_function: TaskFunction,
    singletons: dict[Any, Any],
) -> JobReturn:
    """One task, as Hydra's own launchers run it; in a worker of the cluster."""
    setup_globals()
    Singleton.set_state(singletons)
    composed = context.config_loader.load_sweep_config(config, overrides)
    with open_dict(composed):
        composed.hydra.job.id = f"{composed.hydra.job.name}_{number}"
        composed.hydra.job.num = number
        # Nothing is written there; it only has to exist on this node.
        composed.hydra.sweep.dir = str(Path(os.environ["OPTIFLOW_HOME"]) / "sweeps")
    HydraConfig.instance().set_config(composed)
    return run_job(
        hydra_context=context,
        task_function=task_function,
        config=composed,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )
