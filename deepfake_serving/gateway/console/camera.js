/** The camera: asked for, looked at as JPEG frames, given back. */

import { el } from "./dom.js";
import { localProblem } from "./problems.js";

const LONGEST_SIDE = 960;
const QUALITY = 0.8;

/** @throws {Problem} that says why there is no camera */
export async function openCamera() {
  if (!navigator.mediaDevices) {
    throw localProblem(
      "camera-insecure",
      "No camera on insecure pages",
      "This page was opened by plain http:// from another computer.",
    );
  }
  try {
    return await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } }, audio: false });
  } catch (error) {
    throw explained(error);
  }
}

export function closeCamera(stream) {
  for (const track of stream.getTracks()) track.stop();
}

function explained(error) {
  switch (error.name) {
    case "NotAllowedError":
      return localProblem(
        "camera-refused",
        "The camera was not allowed",
        "The browser or the system refuses this page the camera.",
      );
    case "NotFoundError":
    case "OverconstrainedError":
      return localProblem("no-camera", "No camera found", "The browser knows of no camera.");
    default:
      return localProblem("camera-busy", "The camera can't be used", String(error.message));
  }
}

/** @returns {Function} that takes the video's current picture: a promise of a JPEG blob */
export function framesOf(video) {
  const canvas = el("canvas");
  return () => {
    const scale = Math.min(1, LONGEST_SIDE / Math.max(video.videoWidth, video.videoHeight));
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    return new Promise((done) => canvas.toBlob(done, "image/jpeg", QUALITY));
  };
}
