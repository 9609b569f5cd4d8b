/** Results to take along: JSON by clipboard or file, tables as CSV. */

import { announce, el } from "./dom.js";

export function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000); // the download has begun by then
}

export function pretty(document) {
  return JSON.stringify(document, null, 2);
}

/** Buttons that copy and download a document. Only secure pages have a clipboard. */
export function saveButtons(name, document) {
  const copy = async (event) => {
    const button = event.currentTarget;
    await navigator.clipboard.writeText(pretty(document));
    button.textContent = "Copied";
    announce("The JSON was copied.");
  };
  return el(
    "div",
    { class: "actions" },
    navigator.clipboard ? el("button", { type: "button", onclick: copy }, "Copy JSON") : null,
    el(
      "button",
      { type: "button", onclick: () => download(`${name}.json`, "application/json", pretty(document)) },
      "Download JSON",
    ),
  );
}

/** @param {Array<Array>} rows the first holds the headings */
export function csv(rows) {
  return rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

/** Spreadsheets run cells that begin like formulas (OWASP, CSV injection), file names among them. */
function cell(value) {
  const text = value === null || value === undefined ? "" : String(value);
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
