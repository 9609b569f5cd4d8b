/** The API key: prompted for when the service requires one, kept until the browser tab closes. */

import { el } from "../lib/dom.js";
import { openDialog } from "../lib/dialog.js";
import { t } from "../messages.js";

const STORAGE_KEY = "deepfake-api-key";
let pending = null;

export function apiKey() {
  return sessionStorage.getItem(STORAGE_KEY);
}

export function authorization(key = apiKey()) {
  return key ? { Authorization: `Bearer ${key}` } : {};
}

export function forgetKey() {
  sessionStorage.removeItem(STORAGE_KEY);
  document.dispatchEvent(new Event("keychange"));
}

/**
 * Prompts for a key, once for all the requests that wait for it.
 * @param {string|null} used the rejected key
 * @param {Error} problem thrown when no key is entered
 * @param {Function} accepts resolves whether the service accepts a key
 */
export async function replaceKey(used, problem, accepts) {
  if (apiKey() !== used) return;
  pending ??= promptForKey(accepts).finally(() => (pending = null));
  if (!(await pending)) throw problem;
}

async function promptForKey(accepts) {
  const input = el("input", {
    id: "api-key",
    type: "password",
    autocomplete: "off",
    required: true,
    spellcheck: "false",
  });
  const check = async () => {
    if (await accepts(input.value.trim())) return null;
    input.value = "";
    input.focus();
    return t("key.refused");
  };
  const accepted = await openDialog({
    title: t("key.title"),
    content: [
      el("p", {}, t("key.reason")),
      el("label", { for: "api-key" }, t("key.label")),
      input,
      el("p", { class: "fine-print" }, t("key.kept")),
    ],
    accept: t("key.use"),
    check,
  });
  if (!accepted) return false;
  sessionStorage.setItem(STORAGE_KEY, input.value.trim());
  document.dispatchEvent(new Event("keychange"));
  return true;
}
