/** Light or dark colours: the system's preference until the user chooses. */

import { t } from "../messages.js";

const STORAGE_KEY = "deepfake-theme";

export function setUpTheme(button) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (localStorage.getItem(STORAGE_KEY) ?? (dark.matches ? "dark" : "light")) === "dark";

  function show() {
    const chosen = localStorage.getItem(STORAGE_KEY);
    if (chosen) document.documentElement.dataset.theme = chosen;
    button.textContent = t(isDark() ? "theme.light" : "theme.dark");
    button.setAttribute("aria-label", t(isDark() ? "theme.use-light" : "theme.use-dark"));
  }

  button.addEventListener("click", () => {
    localStorage.setItem(STORAGE_KEY, isDark() ? "light" : "dark");
    show();
  });
  dark.addEventListener("change", show);
  show();
}
