/** History panel: videos that the service stores, images that this page remembers. */

import { fetchJson } from "../api/client.js";
import { problemCard } from "../api/problems.js";
import { STATES, stateName } from "../jobs/jobStates.js";
import { el } from "../lib/dom.js";
import { t } from "../messages.js";
import { historyRow } from "./historyRow.js";
import { jobRows } from "./jobRows.js";
import { recentImages } from "./recentImages.js";
import { resultsTable } from "./resultsTable.js";

const PAGE_SIZE = 25;
const DEBOUNCE_MS = 300;
const UPDATE_MS = 4000;
const IDLE_UPDATES = 8; // without a running job, only every so many times: requests count for the API key

const filter = { state: "", text: "" }; // kept while the page is open, so that Back shows the same list

export function historyPanel() {
  let updates = null;

  function open() {
    const list = videos();
    updates = setInterval(list.update, UPDATE_MS);
    return el("div", {}, el("p", { class: "lede" }, t("history.lede")), list.element, recentImages());
  }

  return { title: t("panel.history"), open, close: () => clearInterval(updates) };
}

/** @returns {{element, update()}} update fetches the newest jobs again, and shows what has changed */
function videos() {
  const state = el(
    "select",
    { id: "filter-state" },
    el("option", { value: "" }, t("history.all")),
    STATES.map((value) => el("option", { value, selected: value === filter.state }, stateName(value))),
  );
  const text = el("input", {
    id: "filter-text",
    type: "search",
    placeholder: t("history.search-hint"),
    value: filter.text,
  });
  const body = el("tbody");
  const rows = jobRows(body, (job) => historyRow(job, reload, fail));
  const more = el("button", { type: "button", hidden: true, onclick: () => load(cursor) }, t("history.more"));
  const output = el("div", { class: "output" });
  let [cursor, timer, running, ticks] = [null, null, new AbortController(), 0];

  async function load(from) {
    running.abort();
    const { signal } = (running = new AbortController());
    Object.assign(filter, { state: state.value, text: text.value });
    try {
      const page = await fetchJson(`/v1/jobs?${queryOf(state.value, text.value.trim(), from)}`, { signal });
      if (from) rows.append(page.jobs);
      else rows.replace(page.jobs);
      cursor = page.next;
      more.hidden = !cursor;
      showWhetherEmpty();
    } catch (error) {
      if (error.name !== "AbortError") fail(error);
    }
  }

  function showWhetherEmpty() {
    const none = t(filter.state || filter.text.trim() ? "history.none" : "history.empty");
    output.replaceChildren(...(body.children.length ? [] : [el("p", { class: "notice" }, none)]));
  }

  /** What was loaded with "Show more" stays below. After a failure the user decides when to try again. */
  async function update() {
    ticks += 1;
    const busy = document.querySelector("dialog") || output.querySelector(".problem");
    if (document.hidden || busy || (!rows.active() && ticks % IDLE_UPDATES)) return;
    const { signal } = running;
    try {
      const page = await fetchJson(`/v1/jobs?${queryOf(filter.state, filter.text.trim(), null)}`, { signal });
      if (signal.aborted || document.querySelector("dialog")) return;
      rows.update(page.jobs, page.next !== null);
      showWhetherEmpty();
    } catch {
      return;
    }
  }

  const reload = () => load(null);
  const fail = (error) => output.replaceChildren(problemCard(error, reload));
  state.addEventListener("change", reload);
  text.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(reload, DEBOUNCE_MS);
  });
  reload();
  const element = el(
    "section",
    { "aria-labelledby": "videos-heading" },
    el("h2", { id: "videos-heading" }, t("history.videos")),
    el(
      "form",
      {
        class: "filters",
        role: "search",
        onsubmit: (event) => {
          event.preventDefault();
          reload();
        },
      },
      el("div", { class: "field" }, el("label", { for: "filter-state" }, t("history.state")), state),
      el("div", { class: "field" }, el("label", { for: "filter-text" }, t("history.search")), text),
    ),
    resultsTable(
      t("history.videos-caption"),
      [t("history.video"), t("batch.verdict"), t("history.state"), t("history.submitted")],
      body,
    ),
    output,
    more,
  );
  return { element, update };
}

function queryOf(state, text, cursor) {
  const query = new URLSearchParams({ limit: PAGE_SIZE });
  for (const [name, value] of [
    ["state", state],
    ["q", text],
    ["cursor", cursor],
  ])
    if (value) query.set(name, value);
  return query;
}
