/** Light or dark: as the system says, until someone chooses. */

const NAME = "deepfake-theme";

export function theme(button) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (localStorage.getItem(NAME) ?? (dark.matches ? "dark" : "light")) === "dark";

  function show() {
    const chosen = localStorage.getItem(NAME);
    if (chosen) document.documentElement.dataset.theme = chosen;
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", isDark() ? "Use light colours" : "Use dark colours");
  }

  button.addEventListener("click", () => {
    localStorage.setItem(NAME, isDark() ? "light" : "dark");
    show();
  });
  dark.addEventListener("change", show);
  show();
}
