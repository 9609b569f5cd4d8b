/** The most suspicious frame of a shot or a video: where a report opens. */

const byScore = (a, b) => (b.fake_probability ?? -1) - (a.fake_probability ?? -1);

/** Returns the shots with their numbers, highest score first. */
export function ranked(shots) {
  return shots.map((shot, index) => ({ ...shot, number: index + 1 })).sort(byScore);
}

/** Returns the highest frame of the highest face of a shot; null without a face. */
export function highestFrame(shot) {
  const [track] = [...shot.tracks].sort(byScore);
  return track ? [...track.frames].sort(byScore)[0] : null;
}
