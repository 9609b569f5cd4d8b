/** All that a report says about an analysis, gathered from the verdict, the model's card and the service. */

import { info, urlFor } from "../api/client.js";
import { explanation } from "../components/finding.js";
import { partsOf, standouts } from "../components/standouts.js";
import { verdictLabel } from "../components/verdicts.js";
import { sha256 } from "./sha256.js";

/** @returns {Promise<Object>} the report of an image */
export async function imageEvidence({ name, verdict, image, at }, scale) {
  const source = { name, bytes: image?.size ?? null, sha256: image ? await sha256(image) : null };
  return evidence({ source, verdict, scale, options: {}, analysedAt: new Date(at).toISOString(), link: null });
}

/** @returns {Promise<Object>} the report of a video */
export async function jobEvidence(job, scale) {
  const { name, bytes, digest } = job.source;
  return evidence({
    source: { name, bytes, sha256: digest?.replace("sha256:", "") ?? null },
    verdict: job.result,
    scale,
    options: job.options,
    analysedAt: job.finished_at,
    link: urlFor(`/#/jobs/${encodeURIComponent(job.id)}`),
  });
}

async function evidence({ source, verdict, scale, options, analysedAt, link }) {
  const { thresholds, card } = scale;
  return {
    source,
    analysed_at: analysedAt,
    verdict: {
      label: verdict.verdict,
      in_words: verdictLabel(verdict.verdict),
      score: verdict.fake_probability,
      explanation: explanation(verdict.verdict, scale, standouts(verdict)).map(([, text]) => text),
      warnings: verdict.warnings,
    },
    thresholds,
    options,
    model: verdict.model,
    card,
    members: members(verdict, scale),
    provenance: verdict.provenance ?? null,
    service: await service(),
    link,
    result: verdict,
  };
}

/** Returns the members of an ensemble with their weights, and those that gave some face no score. */
function members(verdict, scale) {
  if (!scale.members) return null;
  const scored = partsOf(verdict);
  return scale.members.map(({ model, weight }) => {
    const missing = scored.find(({ models }) => models?.[model]?.unavailable);
    return { model, weight, unavailable: missing?.models[model].unavailable ?? null };
  });
}

async function service() {
  try {
    const { name, version } = await info();
    return { name, version };
  } catch {
    return null;
  }
}
