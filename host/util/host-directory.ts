import { join } from "node:path";

/**
 * Where the build puts the host. The build also puts modules together into programs, which lie in a folder of it as this
 * module does: so what is found from here is found from there.
 */
export const HOST_DIRECTORY: string = join(__dirname, "..");
