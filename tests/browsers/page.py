"""A page of the console, as WebDriver sees it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from selenium.common.exceptions import NoSuchFrameException, StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

_TIMEOUT_S = 240
_RECORD_ERRORS = """
window.errors = [];
addEventListener("error", (event) => errors.push(event.message));
addEventListener("unhandledrejection", (event) => errors.push(String(event.reason)));
addEventListener("securitypolicyviolation", (event) => errors.push(event.violatedDirective));
"""


class ConsolePage:
    """Every look-up waits until there is a visible element."""

    def __init__(self, driver: WebDriver, url: str) -> None:
        self.driver, self.url = driver, url

    @property
    def browser(self) -> str:
        return str(self.driver.capabilities["browserName"])

    def open(self, path: str = "") -> None:
        """Opens an address with an empty storage, like a first visit."""
        self.driver.get(self.url)
        self.script("localStorage.clear(); sessionStorage.clear()")
        self.driver.get(f"{self.url}/{path}")
        self.script(_RECORD_ERRORS)
        self.find("h1")

    def errors(self) -> list[str]:
        found: list[str] = self.script("return window.errors ?? []")
        return found

    def script(self, code: str, *arguments: Any) -> Any:
        return self.driver.execute_script(code, *arguments)

    def wait(self, condition: Callable[[], Any], message: str = "") -> Any:
        """Waits until the condition is true; returns it."""
        ignored = (StaleElementReferenceException, NoSuchFrameException)  # the page was reloaded
        wait = WebDriverWait(self.driver, _TIMEOUT_S, 0.1, ignored_exceptions=ignored)
        return wait.until(lambda _: condition(), message)

    def visible(self, selector: str, text: str = "") -> list[WebElement]:
        """Returns the visible elements of a selector that contain a text, now."""
        found = self.driver.find_elements(By.CSS_SELECTOR, selector)
        return [each for each in found if each.is_displayed() and text in each.text]

    def find(self, selector: str, text: str = "") -> WebElement:
        elements: list[WebElement] = self.wait(
            lambda: self.visible(selector, text), f"no visible {selector} with {text!r}"
        )
        return elements[0]

    def gone(self, selector: str) -> None:
        self.wait(lambda: not self.visible(selector), f"{selector} is still visible")

    def click(self, selector: str, text: str = "") -> None:
        self.script("arguments[0].scrollIntoView({ block: 'center' })", self.find(selector, text))
        self.find(selector, text).click()

    def panel(self, name: str) -> None:
        """Opens a panel by its tab."""
        self.click("[role=tab]", name)
        self.find("h1", name)

    def choose(self, *files: Path) -> None:
        """Chooses files in the panel's picker."""
        picker = self.driver.find_element(By.CSS_SELECTOR, ".picker input[type=file]")
        picker.send_keys("\n".join(map(str, files)))
