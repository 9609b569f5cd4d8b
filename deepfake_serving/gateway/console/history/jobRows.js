/** The rows of a list of jobs. A row is built again only when its job has changed. */

import { ENDED } from "../api/jobEvents.js";

/**
 * @param {Element} body of the table
 * @param {Function} build builds the row of a job
 * @returns {{active(), replace(jobs), append(jobs), update(jobs, more)}}
 */
export function jobRows(body, build) {
  let rows = []; // of {job, stamp, element}, as in the table

  function rowsOf(jobs) {
    const known = new Map(rows.map((row) => [row.job.id, row]));
    return jobs.map((job) => {
      const row = known.get(job.id);
      const stamp = JSON.stringify([job.state, job.progress, job.summary]);
      return row?.stamp === stamp ? row : { job, stamp, element: build(job) };
    });
  }

  /** Puts rows into the table, and the focus back to where it was. */
  function place(next) {
    const before = rows;
    rows = next;
    if (next.length === body.children.length && next.every(({ element }, n) => body.children[n] === element)) return;
    const focused = body.contains(document.activeElement) ? document.activeElement : null;
    const owner = focused && before.find(({ element }) => element.contains(focused));
    body.replaceChildren(...next.map(({ element }) => element));
    if (!owner) return;
    const row = next.find(({ job }) => job.id === owner.job.id);
    (focused.isConnected ? focused : row?.element.querySelector(focused.localName))?.focus({ preventScroll: true });
  }

  return {
    /** Returns whether a job has not ended. */
    active: () => rows.some(({ job }) => !ENDED.includes(job.state)),
    replace: (jobs) => place(rowsOf(jobs)),
    append: (jobs) => place([...rows, ...rowsOf(jobs)]),
    /** Shows the newest jobs as they are now; `more` says whether there are older ones, which stay. */
    update(jobs, more) {
      const oldest = jobs.at(-1)?.created_at ?? "";
      const older = more ? rows.filter(({ job }) => job.created_at < oldest) : [];
      place([...rowsOf(jobs), ...older]);
    },
  };
}
