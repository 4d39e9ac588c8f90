/** A number of bytes for people, rounded down: `64 KiB`, `32 MiB`, `unlimited`. */
export function formatBytes(bytes: number): string {
  if (bytes === Infinity) return "unlimited";
  return bytes < 2 ** 20 ? `${Math.floor(bytes / 2 ** 10)} KiB` : `${Math.floor(bytes / 2 ** 20)} MiB`;
}
