"""Settings of servers, read from the environment, else from YAML files, else the default.

`…CONFIG` names the operator's file, `…DEFAULTS` that of an image. A wrong or
unknown setting stops the start with a line that says which, where and why.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from deepfake_serving.contracts.reasons import reason_of


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""Separated by commas."""
Port = Annotated[int, Field(ge=0, le=65535)]


class SettingsError(ValueError):
    """A wrong setting; the message says which, where it came from, and why."""


class ServerSettings(BaseSettings):
    """Settings of all servers. A subclass sets `env_prefix`."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="`auto`: console on a terminal, else JSON lines."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Minimum severity of log lines."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        variables = (config_variable(settings_cls), defaults_variable(settings_cls))
        files = (InitSettingsSource(settings_cls, _content(each)) for each in variables)
        return (init_settings, env_settings, *files)


Some = TypeVar("Some", bound=ServerSettings)


def load(kind: type[Some], overrides: Mapping[str, object]) -> Some:
    """Reads and checks all settings of a server.

    Args:
        overrides: settings that win over the environment.

    Raises:
        SettingsError: naming each wrong setting, its environment variable and the reason.
    """
    _refuse_unknown_variables(kind)
    try:
        return kind(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        raise SettingsError(
            "; ".join(_explain(kind, e["loc"], e["msg"], overrides) for e in error.errors())
        ) from error


def config_variable(kind: type[BaseSettings]) -> str:
    """The variable that names the settings file."""
    return _prefix(kind) + "CONFIG"


def defaults_variable(kind: type[BaseSettings]) -> str:
    """The variable that names the file of defaults, over which the settings file wins."""
    return _prefix(kind) + "DEFAULTS"


def variable_of(settings: BaseSettings, name: str) -> str:
    """The environment variable of a setting."""
    return _prefix(type(settings)) + name.upper()


def _prefix(kind: type[BaseSettings]) -> str:
    return kind.model_config.get("env_prefix", "")


def _content(variable: str) -> dict[str, Any]:
    """Reads the file that a variable names; its values are checked with all others."""
    if not (name := os.environ.get(variable)):
        return {}
    path = Path(name)
    try:
        content = yaml.safe_load(path.read_bytes().decode())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise SettingsError(f"{variable}: {path} can't be read: {reason_of(error)}") from error
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise SettingsError(f"{variable}: {path} is not a mapping of settings")
    return content


def _explain(
    kind: type[BaseSettings],
    location: tuple[int | str, ...],
    reason: str,
    overrides: Mapping[str, object],
) -> str:
    name = ".".join(map(str, location))
    variable = _prefix(kind) + str(location[0]).upper() if location else ""
    files = (os.environ.get(config_variable(kind)), os.environ.get(defaults_variable(kind)))
    origin = f"settings file {' or '.join(filter(None, files))}"
    if variable in os.environ:
        origin = f"environment variable {variable}"
    if location and location[0] in overrides:
        origin = "argument"
    return f"{name} ({origin}): {reason.removeprefix('Value error, ')}"


_SERVICE_LINK = re.compile(
    r"\w+_(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)=.*"
    r"|\w+_PORT=(tcp|udp|sctp)://.*"
)
"""Matches variables that Kubernetes sets in every container for a Service of the same name."""


def _refuse_unknown_variables(kind: type[BaseSettings]) -> None:
    """Refuses unknown variables, because a misspelled one would otherwise be ignored silently."""
    prefix = _prefix(kind)
    known = {prefix + name.upper() for name in kind.model_fields}
    known |= {config_variable(kind), defaults_variable(kind)}
    for variable, value in os.environ.items():
        upper = variable.upper()
        if not upper.startswith(prefix) or variable in known:
            continue
        if not _SERVICE_LINK.fullmatch(f"{variable}={value}"):
            raise SettingsError(f"{variable}: there is no such setting")
