/** Sentences of the service, which are English, in the language of the page. */

import { t } from "../messages.js";
import { bytes } from "./format.js";

/**
 * Returns the text of a sentence; one that is not known stays as it is.
 * @param {string} sentence
 * @param {Array} known pairs of pattern and key. Of its named groups, `count` selects the plural form, those that end in
 *   `Bytes` are sizes, and `reason` is a sentence itself
 * @param {Function} ofReason returns the text of `reason`
 */
export function textOf(sentence, known, ofReason = (reason) => reason) {
  for (const [pattern, key] of known) {
    const found = pattern.exec(sentence);
    if (found) return t(key, values(found.groups ?? {}, ofReason));
  }
  return sentence;
}

function values(groups, ofReason) {
  return Object.fromEntries(
    Object.entries(groups).map(([name, text]) => {
      if (name.endsWith("Bytes")) return [name.slice(0, -5), bytes(Number(text))];
      if (name === "reason") return [name, ofReason(text)];
      return [name, /^\d+(\.\d+)?$/.test(text) ? Number(text) : text];
    }),
  );
}
