/** Keyboard and screen-reader support of the timeline: the target of a key, and a description of it. */

import { verdictFor } from "../components/scale.js";
import { verdictLabel } from "../components/verdicts.js";
import { score, timestamp } from "../lib/format.js";
import { t } from "../messages.js";

/** @returns {number|null} the time in seconds that a key seeks to; null for other keys */
export function keyTarget(key, now, times, shots, end) {
  const starts = shots.map((shot) => shot.start_s);
  const after = (list) => list.find((time) => time > now + 0.01) ?? null;
  const before = (list) => list.findLast((time) => time < now - 0.01) ?? null;
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
export function describe(shots, now, scale) {
  const index = shots.findIndex((shot) => shot.start_s <= now && now < shot.end_s);
  const tracks = index < 0 ? [] : shots[index].tracks;
  const scores = tracks.map(({ frames }, number) => {
    const { fake_probability: p } = frames.reduce((a, b) =>
      Math.abs(b.t_s - now) < Math.abs(a.t_s - now) ? b : a,
    );
    const verdict = verdictFor(p, scale);
    const face = t("timeline.face", { n: number + 1, score: score(p) });
    return verdict ? `${face}, ${verdictLabel(verdict).toLowerCase()}` : face;
  });
  const shot = index < 0 ? "" : `, ${t("timeline.shot", { n: index + 1 })}`;
  return `${timestamp(now)}${shot}: ${scores.join("; ") || t("timeline.no-face")}`;
}
