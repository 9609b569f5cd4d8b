/** History panel: videos that the service stores, images that this page remembers. */

import { fetchJson, jobPath } from "../api/client.js";
import { ENDED } from "../api/jobEvents.js";
import { announce, el } from "../lib/dom.js";
import { openDialog } from "../lib/dialog.js";
import { dateTime } from "../lib/format.js";
import { STATES } from "../jobs/jobStates.js";
import { problemCard } from "../api/problems.js";
import { resultsTable } from "./resultsTable.js";
import { recentImages } from "./recentImages.js";
import { badge } from "../components/verdicts.js";

const PAGE_SIZE = 25;
const DEBOUNCE_MS = 300;

const LEDE = "Past analyses. You can keep a video's link, and share it with others who may use this service.";

export function historyPanel() {
  const open = () => el("div", {}, el("p", { class: "lede" }, LEDE), videos(), recentImages());
  return { title: "History", open };
}

function videos() {
  const state = el(
    "select",
    { id: "filter-state" },
    el("option", { value: "" }, "All"),
    Object.entries(STATES).map(([value, text]) => el("option", { value }, text)),
  );
  const text = el("input", { id: "filter-text", type: "search", placeholder: "Name or URL" });
  const body = el("tbody");
  const more = el("button", { type: "button", hidden: true, onclick: () => load(cursor) }, "Show more");
  const output = el("div", { class: "output" });
  let [cursor, timer, running] = [null, null, new AbortController()];

  async function load(from) {
    running.abort();
    const { signal } = (running = new AbortController());
    try {
      const page = await fetchJson(`/v1/jobs?${queryOf(state.value, text.value.trim(), from)}`, { signal });
      const rows = page.jobs.map((job) => jobRow(job, reload, fail));
      if (from) body.append(...rows);
      else body.replaceChildren(...rows);
      cursor = page.next;
      more.hidden = !cursor;
      output.replaceChildren(
        ...(body.children.length ? [] : [el("p", { class: "notice" }, "No analyses match.")]),
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
    el("h2", { id: "videos-heading" }, "Videos"),
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
      el("div", { class: "field" }, el("label", { for: "filter-state" }, "State"), state),
      el("div", { class: "field" }, el("label", { for: "filter-text" }, "Search"), text),
    ),
    resultsTable("Videos that were analysed, newest first", ["Video", "Verdict", "State", "Submitted"], body),
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

function jobRow(job, reload, fail) {
  const name = job.source.name || job.source.url || job.id;
  const ended = ENDED.includes(job.state);
  const state = STATES[job.state] ?? job.state;
  const remove = async () => {
    const question = ended
      ? "Delete this analysis, its video and its images? This can't be undone."
      : "Stop this analysis? The results so far are lost.";
    if (
      !(await openDialog({
        title: name,
        content: el("p", {}, question),
        accept: ended ? "Delete" : "Stop it",
        dangerous: true,
      }))
    )
      return;
    await fetchJson(jobPath(job.id), { method: "DELETE" }).then(
      () => announce(`${name}: ${ended ? "deleted" : "stopped"}.`),
      fail,
    );
    reload();
  };
  return el(
    "tr",
    {},
    el(
      "th",
      { scope: "row" },
      el("a", { class: "name", href: `#/jobs/${encodeURIComponent(job.id)}` }, name),
    ),
    el("td", {}, job.summary ? badge(job.summary.verdict, job.summary.fake_probability) : state),
    el("td", { class: "minor state" }, state),
    el("td", { class: "minor" }, el("time", { datetime: job.created_at }, dateTime(job.created_at))),
    el(
      "td",
      { class: "numeric" },
      el(
        "button",
        {
          type: "button",
          class: "quiet",
          "aria-label": `${ended ? "Delete" : "Stop"} ${name}`,
          onclick: remove,
        },
        ended ? "Delete" : "Stop",
      ),
    ),
  );
}
