/** Keyboard and screen-reader support of the timeline: the target of a key, and a description of it. */

import { timestamp, score } from "../lib/format.js";
import { VERDICTS, verdictFor } from "../components/verdicts.js";

/** @returns {number|null} the time in seconds that a key seeks to; null for other keys */
export function keyTarget(key, now, times, shots, end) {
  const starts = shots.map((shot) => shot.start_s);
  const after = (list) => list.find((t) => t > now + 0.01) ?? null;
  const before = (list) => list.findLast((t) => t < now - 0.01) ?? null;
  const moves = {
    ArrowRight: () => after(times),
    ArrowUp: () => after(times),
    ArrowLeft: () => before(times),
    ArrowDown: () => before(times),
    PageDown: () => after(starts),
    PageUp: () => before(starts),
    Home: () => 0,
    End: () => end,
  };
  return moves[key]?.() ?? null;
}

/** Describes the faces at a time. */
export function describe(shots, now) {
  const index = shots.findIndex((shot) => shot.start_s <= now && now < shot.end_s);
  const tracks = index < 0 ? [] : shots[index].tracks;
  const scores = tracks.map(({ frames }, number) => {
    const { fake_probability: p } = frames.reduce((a, b) =>
      Math.abs(b.t_s - now) < Math.abs(a.t_s - now) ? b : a,
    );
    return `face ${number + 1} ${score(p)}, ${VERDICTS[verdictFor(p)].label.toLowerCase()}`;
  });
  const shot = index < 0 ? "" : `, shot ${index + 1}`;
  return `${timestamp(now)}${shot}: ${scores.join("; ") || "no face"}`;
}
