"""axe-core's checks, and the layout shift of a page."""

from __future__ import annotations

from importlib.resources import files

from playwright.async_api import Page

_AXE = (files("axe_playwright_python") / "axe.min.js").read_text()
_RUN = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations.map(({ id, nodes }) => [id, ...nodes.map((node) => node.html.slice(0, 120))]);
}"""
_SHIFTS = """() => new Promise((done) => {
  const name = ({ node }) => node?.outerHTML?.slice(0, 80) ?? node?.textContent ?? "removed";
  new PerformanceObserver((list) => {
    const shifts = list.getEntries().filter((each) => !each.hadRecentInput);
    done(shifts.map((each) => [each.value, ...each.sources.map(name)]));
  }).observe({ type: "layout-shift", buffered: true });
  setTimeout(() => done([]), 500); // without shifts, the observer is silent
})"""

MAX_SHIFT = 0.05


async def assert_accessible(page: Page) -> None:
    """Asserts that axe finds nothing on the page as it is, by the rules of all levels and its own
    best practices."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(_AXE)
    assert await page.evaluate(_RUN) == []


async def assert_stable(page: Page) -> None:
    """Asserts that what was loaded moved little of the page (cumulative layout shift)."""
    shifts = await page.evaluate(_SHIFTS)
    assert sum(shift for shift, *_ in shifts) <= MAX_SHIFT, shifts
