"""Files that ship with the package, and the folder for what it writes.

A wheel carries `config/` and `model_store/` as package data below `_data`. A clone (or an editable
install of one) has them at its top level instead.
"""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

from platformdirs import user_data_path

HOME_VARIABLE = "DEEPFAKE_HOME"

PACKAGE = Path(str(files("deepfake_serving")))
"""The folder of the import package."""

_PACKAGED = PACKAGE / "_data"
_CHECKOUT = None if _PACKAGED.is_dir() else PACKAGE.parent
DATA = _CHECKOUT or _PACKAGED
"""The folder that holds `config` and `model_store`."""

CONFIG = DATA / "config"
MANIFESTS = CONFIG / "models"
MODEL_STORE = DATA / "model_store"
WARMUP_IMAGE = PACKAGE / "model_server" / "assets" / "warmup.jpg"


def home() -> Path:
    """Returns the folder for built archives (`archives/`) and the gateway's state (`data/`).

    `DEEPFAKE_HOME` names it; else it is `build/` of a clone, or the user's data directory
    (`~/.local/share/deepfake-serving` on Linux, `~/Library/Application Support/…` on macOS).
    """
    if chosen := os.environ.get(HOME_VARIABLE):
        return Path(chosen).absolute()
    if _CHECKOUT is not None:
        return _CHECKOUT / "build"
    return user_data_path("deepfake-serving", appauthor=False)


def archives() -> Path:
    """Returns the default folder of built archives, `<model>.mar` each."""
    return home() / "archives"
