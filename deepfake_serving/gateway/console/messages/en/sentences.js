/** What the service says in English sentences: warnings, and the details of problems. */

export default {
  "warning.animation": "Only the first frame of this image was analysed. To analyse all, save it as a video.",
  "warning.pages": "Only the first page of this file was analysed. To analyse others, save each as an image.",
  "warning.cut-short": "This image is cut short: {count} % of it could be read.",
  "warning.coarse":
    "This image is cut short: {count} % of its detail could be read, {precise} % in full precision. The rest is blurred.",
  "warning.halved":
    "This image has {width} × {height} pixels, more than the service analyses: it was analysed at half its width and height.",
  "warning.many-faces": "Only the {count} largest of {all} faces were analysed.",
  "warning.crowded-frames": {
    one: "In {count} frame only the {most} largest faces were analysed.",
    other: "In {count} frames only the {most} largest faces were analysed.",
  },
  "warning.brief-faces": {
    one: "{count} face was seen too briefly to be scored.",
    other: "{count} faces were seen too briefly to be scored.",
  },
  "warning.thinned": {
    one: "{count} shot is long: of its frames an even selection of {most} was analysed.",
    other: "{count} shots are long: of the frames of each, an even selection of {most} was analysed.",
  },
  "warning.failed-frames": {
    one: "{count} frame could not be analysed. The last reason: {reason}",
    other: "{count} frames could not be analysed. The last reason: {reason}",
  },
  "warning.empty-shots": {
    one: "{count} shot is so short that none of its frames was chosen; it is not listed.",
    other: "{count} shots are so short that none of their frames was chosen; they are not listed.",
  },
  "warning.people": "Only the {count} longest of {all} faces were compared to find the same person.",
  "warning.no-heatmaps": "This model has no heatmaps.",
  "warning.no-heatmaps-of": "The model {model} has no heatmaps.",
  "warning.left-out": "The model {model} gave no score: {reason}.",
  "warning.left-out-frames": {
    one: "The model {model} gave no score for {count} frame: {reason}.",
    other: "The model {model} gave no score for {count} frames: {reason}.",
  },
  "warning.start-lost": "The first {seconds} seconds of this video can't be read.",
  "warning.breaks-off": "This video breaks off after {seconds} of {all} seconds.",
  "warning.damaged": {
    one: "This video is damaged: {count} part could not be read.",
    other: "This video is damaged: {count} parts could not be read.",
  },
  "warning.only-seconds": "This video is longer than the service analyses: only its first {seconds} seconds count.",
  "warning.only-frames": {
    one: "This video has more frames than the service analyses: only {count} counts.",
    other: "This video has more frames than the service analyses: only {count} count.",
  },
  "warning.size-changes": "From {seconds} seconds on, this video's frames have another size: {width} × {height} pixels.",
  "warning.alpha": "Transparent parts of this video were analysed, too: this service has no decoder for transparency.",
  "warning.source-lost": "The source was lost: {reason}",

  "detail.pixels": "It has {width} × {height} pixels; this service takes images of up to {limit} pixels.",
  "detail.pixel-count": "It has {count} pixels; this service takes images of up to {limit} pixels.",
  "detail.many-pixels": "It has more than {limit} pixels.",
  "detail.frame-pixels":
    "Its frames have {width} × {height} pixels; this service takes videos of up to {limit} pixels per frame.",
  "detail.bytes": "It has {size}; this service takes up to {limit}.",
  "detail.over-bytes": "It has more than {limit}, the most that this service takes.",
  "detail.cut-short": "This image is cut short: {count} % of it could be read; at least {least} % are needed.",
  "detail.image-damaged": "The image is damaged.",
  "detail.image-slow": "Decoding it takes longer than {seconds} seconds, the most that this service allows.",
  "detail.image-parts": "It is built of more parts than this service reads. Save it again with an image editor.",
  "detail.image-format": "The service reads JPEG, PNG, WebP, BMP, GIF, AVIF, HEIC and TIFF.",
  "detail.is-video": "This is a video, not an image: choose it under Video.",
  "detail.tiff": "This kind of TIFF isn't read. Save it with LZW or without compression, as grey or RGB with 8 or 16 bits.",
  "detail.is-image": "This is an image ({form}), not a video: choose it under Image.",
  "detail.animated-webp":
    "Animated WebP isn't read as a video. Save it as MP4, WebM or GIF, or choose it under Image, where its first frame is analysed.",
  "detail.video-format": "The service reads MP4, MOV, WebM, MKV, AVI and other common videos; this is none of them.",
  "detail.video-damaged": "The video is damaged: it can't be read.",
  "detail.no-video": "This file has sound or other data, but no video.",
  "detail.video-codec": "The frames of this video are coded in a way that this service can't read. Save it as MP4 (H.264).",
  "detail.video-colours": "The colours of this video are coded in a way that this service can't read. Save it as MP4 (H.264).",
  "detail.dolby-vision":
    "This is Dolby Vision of a kind that only few players show in its colours. Export it as ordinary HDR or SDR.",
  "detail.video-memory": "Decoding it takes more memory than this service allows. Save it with smaller frames.",
  "detail.no-frame": "The video has no frame that could be analysed.",
  "detail.deadline": "There was no response in time.",
};
