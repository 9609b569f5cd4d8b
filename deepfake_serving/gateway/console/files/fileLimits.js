/** What the service can't take, said before a file is sent. */

import { info } from "../api/client.js";
import { localProblem } from "../api/problems.js";
import { bytes } from "../lib/format.js";
import { kindOf } from "./fileKinds.js";

/**
 * @param {File|string} source
 * @param {"image"|"video"} kind what it is sent as
 * @throws {Problem} if it is empty, an archive, or larger than the service's limit
 */
export async function checkFile(source, kind) {
  if (typeof source === "string") return;
  const { name, size } = source;
  if (!size) throw localProblem("empty-file", { name });
  if (kindOf(source) === "archive") throw localProblem("archive", { name });
  const limit = await limitOf(kind);
  if (size > limit) throw localProblem(`too-large-${kind}`, { name, size: bytes(size), limit: bytes(limit) });
}

/** @returns {Promise<number>} bytes; without limit where the service can't be asked */
export async function limitOf(kind) {
  try {
    const { limits } = await info();
    return (kind === "image" ? limits.max_image_bytes : limits.max_video_bytes) ?? Infinity;
  } catch {
    return Infinity;
  }
}
