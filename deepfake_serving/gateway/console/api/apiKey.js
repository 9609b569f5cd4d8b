/** The API key: prompted for when the service requires one, kept until the browser tab closes. */

import { el } from "../lib/dom.js";
import { openDialog } from "../lib/dialog.js";

const STORAGE_KEY = "deepfake-api-key";
let pending = null;

export function apiKey() {
  return sessionStorage.getItem(STORAGE_KEY);
}

export function authorization() {
  const key = apiKey();
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
 */
export async function replaceKey(used, problem) {
  if (apiKey() !== used) return;
  pending ??= promptForKey(problem.detail).finally(() => (pending = null));
  if (!(await pending)) throw problem;
}

async function promptForKey(reason) {
  const input = el("input", {
    id: "api-key",
    type: "password",
    autocomplete: "off",
    required: true,
    spellcheck: "false",
  });
  const accepted = await openDialog({
    title: "An API key is needed",
    content: [
      el("p", {}, reason),
      el("label", { for: "api-key" }, "API key"),
      input,
      el(
        "p",
        { class: "fine-print" },
        "It is kept in this tab until you close the tab or forget the key (at the bottom of the page).",
      ),
    ],
    accept: "Use this key",
  });
  if (!accepted) return false;
  sessionStorage.setItem(STORAGE_KEY, input.value.trim());
  document.dispatchEvent(new Event("keychange"));
  return true;
}
