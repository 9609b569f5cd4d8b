/** A batch as a table and as JSON. */

const HEADINGS = ["name", "verdict", "fake_probability", "faces", "highest_face", "problem", "detail", "model", "digest"];

/** @returns {Array<Array>} a row of headings, then one row per image */
export function tableOf(rows) {
  const cells = rows.map(({ name, verdict, problem }) => [
    name,
    verdict?.verdict,
    verdict?.fake_probability,
    verdict?.faces.length,
    highestOf(verdict?.faces ?? []),
    problem?.title,
    problem?.detail,
    verdict?.model.name,
    verdict?.model.digest,
  ]);
  return [HEADINGS, ...cells];
}

/** The score of an image combines those of its faces, and can hide one. */
function highestOf(faces) {
  return faces.length ? Math.max(...faces.map((face) => face.fake_probability)) : undefined;
}

/** @returns {Array<Object>} the verdict or the problem of each image */
export function documentsOf(rows) {
  return rows.map(({ name, verdict, problem }) =>
    problem
      ? { name, problem: { title: problem.title, detail: problem.detail, status: problem.status } }
      : { name, verdict },
  );
}
