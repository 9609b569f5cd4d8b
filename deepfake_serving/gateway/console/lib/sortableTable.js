/** A table with sortable columns. */

import { el } from "./dom.js";

/**
 * @param {string} caption for screen readers
 * @param {Array} columns `{heading, value(row), numeric, minor}`; minor columns are hidden on phones
 * @returns {{element, show(rows)}} each row has its `tr` in `element`
 */
export function sortableTable(caption, columns) {
  const body = el("tbody");
  const headings = columns.map(columnHeading);
  const head = el("thead", {}, el("tr", {}, headings));
  const element = el("table", {}, el("caption", { class: "visually-hidden" }, caption), head, body);
  let rows = [];
  let sortColumn = null;
  let descending = false;

  function columnHeading(column) {
    const sort = () => {
      descending = sortColumn === column ? !descending : Boolean(column.numeric);
      sortColumn = column;
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
    headings.forEach((heading, index) => {
      if (columns[index] === sortColumn) heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else heading.removeAttribute("aria-sort");
    });
    const ordered = sortColumn ? [...rows].sort(compare) : rows;
    const elements = ordered.map((row) => row.element);
    if (
      elements.some((row, index) => body.children[index] !== row) ||
      body.children.length !== elements.length
    ) {
      body.replaceChildren(...elements); // only when the order changed, as replacing moves the focus
    }
  }

  /** Compares two rows; rows without a value come last in either direction. */
  function compare(one, other) {
    const [a, b] = [sortColumn.value(one) ?? null, sortColumn.value(other) ?? null];
    if (a === null || b === null) return Number(a === null) - Number(b === null);
    const sign = a < b ? -1 : Number(a > b);
    return descending ? -sign : sign;
  }

  return { element, show };
}
