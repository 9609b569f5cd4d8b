/** History panel: videos that the service stores, images that this page remembers. */

import { fetchJson } from "../api/client.js";
import { problemCard } from "../api/problems.js";
import { STATES, stateName } from "../jobs/jobStates.js";
import { el } from "../lib/dom.js";
import { t } from "../messages.js";
import { historyRow } from "./historyRow.js";
import { recentImages } from "./recentImages.js";
import { resultsTable } from "./resultsTable.js";

const PAGE_SIZE = 25;
const DEBOUNCE_MS = 300;

const filter = { state: "", text: "" }; // kept while the page is open, so that Back shows the same list

export function historyPanel() {
  const open = () => el("div", {}, el("p", { class: "lede" }, t("history.lede")), videos(), recentImages());
  return { title: t("panel.history"), open };
}

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
  const more = el("button", { type: "button", hidden: true, onclick: () => load(cursor) }, t("history.more"));
  const output = el("div", { class: "output" });
  let [cursor, timer, running] = [null, null, new AbortController()];

  async function load(from) {
    running.abort();
    const { signal } = (running = new AbortController());
    Object.assign(filter, { state: state.value, text: text.value });
    try {
      const page = await fetchJson(`/v1/jobs?${queryOf(state.value, text.value.trim(), from)}`, { signal });
      const rows = page.jobs.map((job) => historyRow(job, reload, fail));
      if (from) body.append(...rows);
      else body.replaceChildren(...rows);
      cursor = page.next;
      more.hidden = !cursor;
      output.replaceChildren(
        ...(body.children.length ? [] : [el("p", { class: "notice" }, t("history.none"))]),
      );
    } catch (error) {
      if (error.name !== "AbortError") fail(error);
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
  return el(
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
