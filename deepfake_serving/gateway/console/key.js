/** The API key: asked for when the service wants one, forgotten with the browser's tab. */

import { el } from "./dom.js";
import { openDialog } from "./dialog.js";

const NAME = "deepfake-api-key";
let asking = null;

export function apiKey() {
  return sessionStorage.getItem(NAME);
}

export function authorization() {
  const key = apiKey();
  return key ? { Authorization: `Bearer ${key}` } : {};
}

export function forgetKey() {
  sessionStorage.removeItem(NAME);
  document.dispatchEvent(new Event("keychange"));
}

/**
 * Asks for a key, once however many requests wait for it.
 * @param {string|null} used the key that was refused
 * @param {Error} problem is thrown when nobody enters one
 */
export async function keyInsteadOf(used, problem) {
  if (apiKey() !== used) return;
  asking ??= ask(problem.detail).finally(() => (asking = null));
  if (!(await asking)) throw problem;
}

async function ask(reason) {
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
        { class: "fine" },
        "It stays in this tab, until you close it or forget it (at the foot of the page).",
      ),
    ],
    accept: "Use this key",
  });
  if (!accepted) return false;
  sessionStorage.setItem(NAME, input.value.trim());
  document.dispatchEvent(new Event("keychange"));
  return true;
}
