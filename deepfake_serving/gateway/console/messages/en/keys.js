/** Texts of the panel of API keys. */

export default {
  "keys.title": "API keys",
  "keys.lede": "What each API key may do, and what it has used.",
  "keys.day": "Day (UTC)",
  "keys.refresh": "Refresh",
  "keys.none": "This service needs no API keys, so there are none, and no usage is counted.",
  "keys.updated": "As of {time}. Usage arrives within a second.",
  "keys.revoked": "No longer in the key file.",
  "keys.unit.requests": "Requests",
  "keys.unit.images": "Images",
  "keys.unit.bytes": "Data received",
  "keys.unit.video_seconds": "Video analysed",
  "keys.of": "{used} of {quota}",
  "keys.count": "{count}",
  "keys.rate": "Rate limit",
  "keys.rate.none": "none",
  "keys.rate.text": "{remaining} of {limit} requests left in {window}",
  "keys.queued": "Queued jobs at most",
  "keys.streams": "Live streams at most",
  "keys.create": "Create a key",
  "keys.create.text":
    "Keys are entries of a file that the service reads and never writes; in Kubernetes it is a Secret. This command prints the key once, and its entry, which has only a hash:",
  "keys.create.command": "Command that creates a key",
  "keys.revoke": "Revoke a key",
  "keys.revoke.text":
    "Delete its entry from the file. The key is refused from the next request on; a changed Secret arrives after about a minute.",
};
