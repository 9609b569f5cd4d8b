/** The camera: opened, read as JPEG frames, closed. */

import { el } from "../lib/dom.js";
import { localProblem } from "../api/problems.js";

const LONGEST_SIDE = 960;
const QUALITY = 0.8;

/**
 * @param {Function} onLost called when the camera is disconnected or taken away
 * @throws {Problem} explains why there is no camera
 */
export async function openCamera(onLost) {
  if (!navigator.mediaDevices) {
    throw localProblem("camera-insecure");
  }
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } }, audio: false });
    for (const track of stream.getTracks()) track.addEventListener("ended", onLost);
    return stream;
  } catch (error) {
    throw explain(error);
  }
}

export function closeCamera(stream) {
  for (const track of stream.getTracks()) track.stop();
}

function explain(error) {
  switch (error.name) {
    case "NotAllowedError":
      return localProblem("camera-refused");
    case "NotFoundError":
    case "OverconstrainedError":
      return localProblem("no-camera");
    default:
      return localProblem("camera-busy", { detail: String(error.message) });
  }
}

/** @returns {Function} captures the video's current frame: a promise of a JPEG blob */
export function frameCapture(video) {
  const canvas = el("canvas");
  return () => {
    const scale = Math.min(1, LONGEST_SIDE / Math.max(video.videoWidth, video.videoHeight));
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    return new Promise((done) => canvas.toBlob(done, "image/jpeg", QUALITY));
  };
}
