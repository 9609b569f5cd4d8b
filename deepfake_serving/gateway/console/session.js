/** Pictures judged since this page was opened. They live in its memory only. */

const analyses = new Map();
let last = 0;

/**
 * @param {string} name
 * @param {Object} verdict the service's answer
 * @param {Blob|null} picture
 * @returns {string} the id under which it can be opened again
 */
export function remember(name, verdict, picture) {
  const id = String(++last);
  analyses.set(id, { id, name, verdict, picture, at: Date.now() });
  return id;
}

export function recall(id) {
  return analyses.get(id) ?? null;
}

export function remembered() {
  return [...analyses.values()].reverse();
}

export function forget(id) {
  analyses.delete(id);
}
