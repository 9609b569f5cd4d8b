/** Images analysed since this page was opened. They are kept in its memory only. */

const analyses = new Map();
let lastId = 0;

/**
 * @param {string} name
 * @param {Object} verdict
 * @param {Blob|null} image the file; null of a URL
 * @param {Blob|null} copy the service's, where the browser can't show the image
 * @returns {string} the id to open it again with
 */
export function saveAnalysis(name, verdict, image, copy) {
  const id = String(++lastId);
  analyses.set(id, { id, name, verdict, image, copy, at: Date.now() });
  return id;
}

export function getAnalysis(id) {
  return analyses.get(id) ?? null;
}

/** Returns all analyses, newest first. */
export function listAnalyses() {
  return [...analyses.values()].reverse();
}

export function removeAnalysis(id) {
  analyses.delete(id);
}
