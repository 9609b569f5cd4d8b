/** What is shown, by the address's hash: every panel and every job can be linked. */

import { el } from "./dom.js";

/**
 * @param {Object} panels name to `{title, tab, open(parameter), close()}`
 * @param {Element} outlet where a panel is shown
 */
export function route(panels, outlet) {
  let current = null;
  const tabs = [...document.querySelectorAll("[role=tab]")];

  function show() {
    const [name, parameter] = parse(location.hash);
    const panel = panels[name] ?? panels.missing;
    current?.close?.();
    outlet.replaceChildren(el("h1", {}, panel.title), panel.open(parameter));
    document.title = `${panel.title} · Deepfake console`;
    select(tabs, panel.tab ?? name, outlet);
    if (current) focusOn(tabs, outlet);
    current = panel;
  }

  addEventListener("hashchange", () => {
    if (location.hash.startsWith("#/")) show();
  });
  for (const tab of tabs) tab.addEventListener("keydown", (event) => move(event, tabs));
  show();
}

function parse(hash) {
  const [name, parameter] = hash.startsWith("#/") ? hash.slice(2).split("/") : [];
  return [name || "image", parameter === undefined ? null : decoded(parameter)];
}

/** A link may hold a stray percent sign. */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function select(tabs, name, outlet) {
  const selected = tabs.find((tab) => tab.id === `tab-${name}`);
  for (const tab of tabs) {
    tab.setAttribute("aria-selected", String(tab === selected));
    tab.tabIndex = tab === (selected ?? tabs[0]) ? 0 : -1;
  }
  if (selected) outlet.setAttribute("aria-labelledby", selected.id);
  else outlet.removeAttribute("aria-labelledby");
}

/** Who walks the tabs with arrow keys stays there; others start at the panel's top. */
function focusOn(tabs, outlet) {
  if (!tabs.includes(document.activeElement)) outlet.focus({ preventScroll: true });
  scrollTo(0, 0);
}

function move(event, tabs) {
  const here = tabs.indexOf(event.currentTarget);
  const to = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: tabs.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  const tab = tabs[(to + tabs.length) % tabs.length];
  tab.focus();
  location.hash = tab.hash;
}
