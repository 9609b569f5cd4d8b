"""Screenshots of the documentation show a real stack, never scripted scores."""

from __future__ import annotations

import asyncio
import os

import pytest

from tests.browser.screenshots import refuse_stub

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.skipif("CONSOLE_URL" in os.environ, reason="the stub gateway is not in use")
async def test_the_stub_is_refused(console: str) -> None:
    with pytest.raises(SystemExit, match="is a stub"):
        await asyncio.to_thread(refuse_stub, console)
