"""Run by Python at start because ``optiflow exec`` put this folder first on ``PYTHONPATH``.

Installs the hook that waits for LangGraph, takes this folder off ``sys.path`` again and hands over to the
``sitecustomize`` that would have run without it.
"""
# ruff: noqa: PTH100, PTH118, PTH120
# Every interpreter of the program pays for what is imported here, so no pathlib.

import importlib.util
import os
import sys

_site = os.path.dirname(os.path.abspath(__file__))

# By path, not by name: this interpreter may belong to an environment where OptiFlow is not installed.
_spec = importlib.util.spec_from_file_location("_optiflow_hook", os.path.join(os.path.dirname(_site), "hook.py"))
assert _spec is not None
assert _spec.loader is not None
_hook = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_hook)
_hook.install()

sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != _site]
_self = sys.modules.pop(__name__)
try:
    importlib.import_module(__name__)
except ModuleNotFoundError as error:
    if error.name != "sitecustomize":
        raise
finally:
    # The import system looks for the module here once this file has run.
    sys.modules.setdefault(__name__, _self)
