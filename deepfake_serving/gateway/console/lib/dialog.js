/** A modal dialog with two choices. */

import { t } from "../messages.js";
import { el } from "./dom.js";

/**
 * @param {boolean} dangerous where accepting destroys something: the focus is on Cancel then
 * @param {Function} [check] resolves to why the dialog stays open, or to null
 * @returns {Promise<boolean>} true when accepted; Escape and Cancel decline
 */
export function openDialog({ title, content, accept, dangerous = false, check = async () => null }) {
  const cancel = el(
    "button",
    { type: "button", class: "quiet", autofocus: dangerous, onclick: () => dialog.close() },
    t("action.cancel"),
  );
  const go = el("button", { type: "submit", class: dangerous ? "danger" : "primary" }, accept);
  const refusal = el("p", { class: "refusal", role: "alert" });
  const submit = async (event) => {
    event.preventDefault();
    go.disabled = true;
    refusal.textContent = "";
    const reason = await check();
    go.disabled = false;
    if (reason === null) dialog.close("yes");
    else refusal.textContent = reason;
  };
  const form = el(
    "form",
    { method: "dialog", onsubmit: submit },
    el("h2", { id: "dialog-title" }, title),
    content,
    refusal,
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
