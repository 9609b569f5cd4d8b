/** One video of the history: link, verdict, state, and a button that stops or deletes it. */

import { fetchJson, jobPath } from "../api/client.js";
import { ENDED } from "../api/jobEvents.js";
import { badge } from "../components/verdicts.js";
import { stateName } from "../jobs/jobStates.js";
import { openDialog } from "../lib/dialog.js";
import { announce, el } from "../lib/dom.js";
import { dateTime, percent } from "../lib/format.js";
import { storedThumbnail, uploadedThumbnail } from "../lib/thumbnail.js";
import { t } from "../messages.js";

/** @param {Function} reload called after a deletion; `fail` with the problem of one */
export function historyRow(job, reload, fail) {
  const name = job.source.name || job.source.url || job.id;
  const state = stateText(job);
  const act = ENDED.includes(job.state) ? "delete" : "stop";
  const remove = async () => {
    const live = act === "stop" && job.kind === "live" ? "-live" : "";
    const content = el("p", {}, t(`history.${act}.question${live}`));
    if (!(await openDialog({ title: name, content, accept: t(`history.${act}`), dangerous: true }))) return;
    await fetchJson(jobPath(job.id), { method: "DELETE" }).then(
      () => announce(t(`history.${act}.done`, { name })),
      fail,
    );
    reload();
  };
  const title = el("a", { class: "name", href: `#/jobs/${encodeURIComponent(job.id)}` }, name);
  const verdict = job.summary ? badge(job.summary.verdict, job.summary.fake_probability) : null;
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, el("div", { class: "name-cell" }, thumbnail(job), title)),
    el("td", {}, verdict ?? el("span", { class: "state narrow" }, state)),
    el("td", { class: "minor state" }, state),
    el("td", { class: "minor" }, el("time", { datetime: job.created_at }, dateTime(job.created_at))),
    el(
      "td",
      { class: "numeric" },
      el(
        "button",
        { type: "button", class: "quiet", "aria-label": t(`history.${act}.name`, { name }), onclick: remove },
        t(`history.${act}`),
      ),
    ),
  );
}

/** An image's own file; of a video, the image that its result names. */
function thumbnail({ kind, summary, links }) {
  const isImage = kind === "image" && summary && links.media;
  return isImage ? uploadedThumbnail(links.media) : storedThumbnail(summary?.image);
}

/** Names the state, and how far a running job is. */
function stateText({ state, progress }) {
  const known = state === "running" && progress?.percent;
  return known ? `${stateName(state)} · ${percent(progress.percent / 100)}` : stateName(state);
}
