const cleanups = new Set<() => void>();

/**
 * Has something done when the process ends without having done it. One listener serves all: Node warns of more than ten.
 *
 * @returns a function that takes the request back
 */
export function atExit(cleanup: () => void): () => void {
  if (cleanups.size === 0) process.once("exit", cleanUp);
  cleanups.add(cleanup);
  return () => {
    cleanups.delete(cleanup);
    if (cleanups.size === 0) process.off("exit", cleanUp);
  };
}

function cleanUp(): void {
  for (const cleanup of cleanups) cleanup();
}
