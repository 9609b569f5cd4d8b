/** The files of a drop, those of dropped folders included. */

/** @returns {Promise<Array<File>>} in the order of their names */
export async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const plain = [...transfer.files];
  if (!entries.some((entry) => entry.isDirectory)) return plain;
  const files = (await Promise.all(entries.map(filesOf))).flat();
  return files.sort((a, b) => a.name.localeCompare(b.name));
}

async function filesOf(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // at most 100
    if (!part.length) break;
    found.push(...part);
  }
  return (await Promise.all(found.filter(({ name }) => !name.startsWith(".")).map(filesOf))).flat();
}
