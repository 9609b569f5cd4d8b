/** SHA-256 of a file, as `sha256sum` prints it; null on pages without cryptography (plain http://). */
export async function sha256(file) {
  if (!crypto.subtle) return null;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
