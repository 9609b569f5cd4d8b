/** Exports results: JSON to the clipboard or a file, tables as CSV. */

import { t } from "../messages.js";
import { announce, el } from "./dom.js";

const BYTE_ORDER_MARK = "\ufeff"; // without it spreadsheets read UTF-8 as another encoding

export function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000); // the download has started by then
}

export function formatJson(document) {
  return JSON.stringify(document, null, 2);
}

/** Returns a name for downloads: that of the file or URL, without folders, query and extension. */
export function baseName(source) {
  const last = source.split(/[?#]/)[0].split(/[/\\]/).filter(Boolean).at(-1) ?? "";
  return last.replace(/\.[^.]*$/, "") || "verdict";
}

/** Builds the buttons that copy and download a document. Only secure pages have a clipboard. */
export function saveButtons(source, document) {
  const copy = async (event) => {
    const button = event.currentTarget;
    await navigator.clipboard.writeText(formatJson(document));
    button.textContent = t("action.copied");
    announce(t("download.copied"));
  };
  const save = () => download(`${baseName(source)}-verdict.json`, "application/json", formatJson(document));
  return el(
    "div",
    { class: "actions raw" },
    navigator.clipboard ? el("button", { type: "button", onclick: copy }, t("download.copy")) : null,
    el("button", { type: "button", onclick: save }, t("download.json")),
  );
}

/** @param {Array<Array>} rows the first row holds the headings */
export function csv(rows) {
  return BYTE_ORDER_MARK + rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

/** Escapes a cell. Spreadsheets run cells that begin like formulas, file names included (OWASP, CSV injection). */
function cell(value) {
  const text = value === null || value === undefined ? "" : String(value);
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
