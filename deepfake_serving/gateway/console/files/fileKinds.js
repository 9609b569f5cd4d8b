/** What a file is, by its media type and its name; the service looks at its content. */

const IMAGES = /\.(jpe?g|png|webp|gif|bmp|tiff?|avif|hei[cf])$/i;
const VIDEOS = /\.(mp4|m4v|mov|webm|mkv|avi|mpe?g|ts|mts|m2ts|ogv|wmv|flv|3gp|mxf)$/i;
const ANIMATIONS = /\.(gif|apng|avif)$/i;
const ARCHIVES = /\.(zip|rar|7z|tar|t?gz)$/i;

/** Returns whether an image may be an animation, which the service analyses as a video. */
export function mayBeAnimated({ name = "" }) {
  return ANIMATIONS.test(name);
}

/** @returns {"image"|"video"|"archive"|null} null for what only the service can tell */
export function kindOf({ type = "", name = "" }) {
  if (type.startsWith("video/") || VIDEOS.test(name)) return "video";
  if (type.startsWith("image/") || IMAGES.test(name)) return "image";
  return ARCHIVES.test(name) ? "archive" : null;
}
