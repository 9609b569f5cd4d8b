"""Pictures of the documentation show a real stack, never scripted scores."""

from __future__ import annotations

import asyncio
import os

import pytest

from tests.browser.screenshots import refuse_stand_in

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.skipif("CONSOLE_URL" in os.environ, reason="the stub gateway is not in use")
async def test_a_stand_in_is_refused(console: str) -> None:
    with pytest.raises(SystemExit, match="is a stand-in"):
        await asyncio.to_thread(refuse_stand_in, console)
