/** Selects the panel by the URL's fragment, so that every panel and every job has a link. */

import { t } from "../messages.js";
import { el } from "./dom.js";

/**
 * @param {Object} panels map of name to `{title, tab, open(parameter), close()}`
 * @param {Element} outlet element that shows the panel
 */
export function startRouter(panels, outlet) {
  let current = null;
  const tabs = [...document.querySelectorAll("[role=tab]")];

  function show() {
    const [name, parameter] = parse(location.hash);
    const panel = panels[name] ?? panels.missing;
    current?.close?.();
    setTitle(panel.title);
    outlet.replaceChildren(el("h1", {}, panel.title), panel.open(parameter));
    select(tabs, panel.tab ?? name, outlet);
    if (current) restoreFocus(tabs, outlet);
    current = panel;
  }

  addEventListener("hashchange", () => {
    if (location.hash.startsWith("#/")) show();
  });
  document.querySelector(".skip-link").addEventListener("click", (event) => {
    event.preventDefault(); // the fragment is the address of the panel
    outlet.focus();
  });
  for (const tab of tabs) tab.addEventListener("keydown", (event) => moveFocus(event, tabs));
  show();
}

/** Names the browser's tab after what it shows: a panel, or a file. */
export function setTitle(name) {
  document.title = `${name} · ${t("brand")}`;
}

function parse(hash) {
  const [name, parameter] = hash.startsWith("#/") ? hash.slice(2).split("/") : [];
  return [name || "image", parameter === undefined ? null : decode(parameter)];
}

/** Decodes a URL part; a link may hold a stray percent sign. */
function decode(text) {
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

/** Keeps the focus on the tabs during arrow-key navigation, else moves it to the top of the panel. */
function restoreFocus(tabs, outlet) {
  if (!tabs.includes(document.activeElement)) outlet.focus({ preventScroll: true });
  scrollTo(0, 0);
}

function moveFocus(event, tabs) {
  const current = tabs.indexOf(event.currentTarget);
  const to = { ArrowRight: current + 1, ArrowLeft: current - 1, Home: 0, End: tabs.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  const tab = tabs[(to + tabs.length) % tabs.length];
  tab.focus();
  location.hash = tab.hash;
}
