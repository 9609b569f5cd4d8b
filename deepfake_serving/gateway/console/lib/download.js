/** Exports results: JSON to the clipboard or a file, tables as CSV. */

import { announce, el } from "./dom.js";

export function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000); // the download has started by then
}

export function formatJson(document) {
  return JSON.stringify(document, null, 2);
}

/** Builds the buttons that copy and download a document. Only secure pages have a clipboard. */
export function saveButtons(name, document) {
  const copy = async (event) => {
    const button = event.currentTarget;
    await navigator.clipboard.writeText(formatJson(document));
    button.textContent = "Copied";
    announce("The JSON was copied.");
  };
  return el(
    "div",
    { class: "actions" },
    navigator.clipboard ? el("button", { type: "button", onclick: copy }, "Copy JSON") : null,
    el(
      "button",
      { type: "button", onclick: () => download(`${name}.json`, "application/json", formatJson(document)) },
      "Download JSON",
    ),
  );
}

/** @param {Array<Array>} rows the first row holds the headings */
export function csv(rows) {
  return rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

/** Escapes a cell. Spreadsheets run cells that begin like formulas, file names included (OWASP, CSV injection). */
function cell(value) {
  const text = value === null || value === undefined ? "" : String(value);
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
