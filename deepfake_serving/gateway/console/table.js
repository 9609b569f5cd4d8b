/** A table whose columns can be sorted. */

import { el } from "./dom.js";

/**
 * @param {string} caption for those who can't see it at once
 * @param {Array} columns `{heading, value(row), numeric, minor}`; minor ones are left out on phones
 * @returns {{element, show(rows)}} rows are `{element}`: their `tr`
 */
export function sortable(caption, columns) {
  const body = el("tbody");
  const headings = columns.map(headingOf);
  const head = el("thead", {}, el("tr", {}, headings));
  const element = el("table", {}, el("caption", { class: "unseen" }, caption), head, body);
  let rows = [];
  let by = null;
  let down = false;

  function headingOf(column) {
    const sort = () => {
      down = by === column ? !down : Boolean(column.numeric);
      by = column;
      show(rows);
    };
    const classes = [column.numeric && "numeric", column.minor && "minor"].filter(Boolean).join(" ");
    return el(
      "th",
      { scope: "col", class: classes || null },
      el("button", { type: "button", onclick: sort }, column.heading),
    );
  }

  function show(all) {
    rows = all;
    headings.forEach((heading, place) => {
      if (columns[place] === by) heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      else heading.removeAttribute("aria-sort");
    });
    const ordered = by ? [...rows].sort(order) : rows;
    const elements = ordered.map((row) => row.element);
    if (
      elements.some((row, place) => body.children[place] !== row) ||
      body.children.length !== elements.length
    ) {
      body.replaceChildren(...elements); // only when the order changed: it would take the focus away
    }
  }

  /** Rows without a value come last, whichever way it is sorted. */
  function order(one, other) {
    const [a, b] = [by.value(one) ?? null, by.value(other) ?? null];
    if (a === null || b === null) return Number(a === null) - Number(b === null);
    const sign = a < b ? -1 : Number(a > b);
    return down ? -sign : sign;
  }

  return { element, show };
}
