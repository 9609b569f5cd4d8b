/** Names of a job's states and stages, as shown. */

import { hasText, t } from "../messages.js";

export const STATES = ["queued", "running", "succeeded", "failed", "dead", "cancelled"];

export function stateName(state) {
  return STATES.includes(state) ? t(`state.${state}`) : state;
}

export function stageName({ state, progress }) {
  const stage = state === "queued" ? "queued" : progress.stage;
  return hasText(`stage.${stage}`) ? t(`stage.${stage}`) : stage;
}
