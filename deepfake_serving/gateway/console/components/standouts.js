/** Faces whose own verdict is worse than that of the whole, which combines their scores. */

import { t } from "../messages.js";

const RANKS = ["no_face", "real", "suspicious", "fake"];

/** Returns the scored parts of a verdict: the faces of an image, the tracks of a video. */
export function partsOf({ faces, shots }) {
  return faces ?? (shots ?? []).flatMap(({ tracks }) => tracks);
}

/** Returns the sentence that names such faces of an image or a video, or null. */
export function standouts(whole) {
  const ranks = partsOf(whole).map(({ verdict }) => RANKS.indexOf(verdict));
  const worst = Math.max(0, ...ranks);
  if (worst <= RANKS.indexOf(whole.verdict)) return null;
  return t(`standouts.${RANKS[worst]}`, { count: ranks.filter((rank) => rank === worst).length });
}
