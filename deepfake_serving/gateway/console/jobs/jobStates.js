/** Names of a job's states and stages, as shown. */

export const STATES = {
  queued: "Waiting",
  running: "Running",
  succeeded: "Done",
  failed: "Failed",
  dead: "Given up",
  cancelled: "Cancelled",
};

export const STAGES = {
  queued: "Waiting in the queue",
  fetch: "Fetching the video",
  analyse: "Analysing faces",
  follow: "Following the source",
  store: "Storing the result",
  done: "Done",
};
