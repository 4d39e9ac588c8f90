/**
 * What a name in an open directory is, whatever becomes of the directory's path meanwhile: Node's functions take it as
 * the system calls whose names end in `at` take a directory and a name. Symbolic links at the end are followed or not as
 * the function has it.
 *
 * @param directory an open descriptor
 * @param name in it; absent: the directory itself
 */
export function descriptorPath(directory: number, name?: string): string {
  return name === undefined ? `/proc/self/fd/${directory}` : `/proc/self/fd/${directory}/${name}`;
}
