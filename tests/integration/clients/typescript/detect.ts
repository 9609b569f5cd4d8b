// Detects an image, receives a problem and lists jobs with the types that openapi-typescript
// generates.
//
//     node detect.js URL IMAGE VIDEO

import { readFileSync } from "node:fs";

import createClient from "openapi-fetch";

import type { paths } from "./api.js";

const [url, path, film] = process.argv.slice(2);
if (url === undefined || path === undefined || film === undefined) {
  throw new Error("detect.js URL IMAGE VIDEO");
}
const client = createClient<paths>({ baseUrl: url });
const image = readFileSync(path);
const video = readFileSync(film);

function form(bytes: Uint8Array<ArrayBuffer>, name: string): FormData {
  const data = new FormData();
  data.append("file", new Blob([bytes]), name);
  return data;
}

const detected = await client.POST("/v1/images", {
  body: { file: "" },
  bodySerializer: () => form(image, "a.jpg"),
});
// 202 has a job instead, where `Prefer: respond-async` was sent.
const verdict = detected.data && "faces" in detected.data ? detected.data : undefined;
const refused = await client.POST("/v1/images", {
  body: { file: "" },
  bodySerializer: () => form(new TextEncoder().encode("text"), "a.txt"),
});
const submitted = await client.POST("/v1/videos", {
  body: { file: "" },
  bodySerializer: () => form(video, "a.mp4"),
});
const jobs = await client.GET("/v1/jobs", { params: { query: { limit: 50 } } });
console.log(
  JSON.stringify({
    verdict: verdict?.verdict,
    faces: verdict?.faces.length,
    problem: refused.error?.status,
    job: submitted.data?.id,
    jobs: jobs.data?.jobs.map((job) => job.id),
  }),
);
