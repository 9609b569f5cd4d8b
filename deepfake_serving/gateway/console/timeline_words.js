/** The timeline for the keyboard and for those who listen: where a key leads, what is there. */

import { moment, score } from "./format.js";
import { VERDICTS, wordFor } from "./verdicts.js";

/** @returns {number|null} the seconds that a key leads to; null where it leads nowhere */
export function target(key, now, times, shots, end) {
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

/** What is at a time, in words. */
export function spoken(shots, now) {
  const place = shots.findIndex((shot) => shot.start_s <= now && now < shot.end_s);
  const tracks = place < 0 ? [] : shots[place].tracks;
  const scores = tracks.map(({ frames }, number) => {
    const { fake_probability: p } = frames.reduce((a, b) =>
      Math.abs(b.t_s - now) < Math.abs(a.t_s - now) ? b : a,
    );
    return `face ${number + 1} ${score(p)}, ${VERDICTS[wordFor(p)].word.toLowerCase()}`;
  });
  const shot = place < 0 ? "" : `, shot ${place + 1}`;
  return `${moment(now)}${shot}: ${scores.join("; ") || "no face"}`;
}
