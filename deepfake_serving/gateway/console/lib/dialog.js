/** A modal dialog with two choices. */

import { el } from "./dom.js";

/** @returns {Promise<boolean>} true when accepted; Escape and Cancel decline */
export function openDialog({ title, content, accept, dangerous = false }) {
  const cancel = el("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, "Cancel");
  const go = el("button", { type: "submit", class: dangerous ? "danger" : "primary" }, accept);
  const form = el(
    "form",
    {
      method: "dialog",
      onsubmit: (event) => {
        event.preventDefault();
        dialog.close("yes");
      },
    },
    el("h2", { id: "dialog-title" }, title),
    content,
    el("div", { class: "actions" }, go, cancel),
  );
  const dialog = el("dialog", { "aria-labelledby": "dialog-title" }, form);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}
