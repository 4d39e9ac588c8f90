/**
 * The global `console`: what a script has to say goes to stdout, and what is wrong to stderr, where it does not mix with
 * results.
 */
export namespace axiscript_console {
  /** Says that a condition does not hold, on stderr. */
  export function assert<T>(condition: T, message: string = ""): void {
    wasi_console.assert<T>(condition, message);
  }

  export function log(message: string = ""): void {
    wasi_console.log(message);
  }

  export function debug(message: string = ""): void {
    wasi_console.debug(message);
  }

  export function info(message: string = ""): void {
    wasi_console.info(message);
  }

  export function warn(message: string = ""): void {
    process.stderr.write("Warning: " + message + "\n");
  }

  export function error(message: string = ""): void {
    process.stderr.write("Error: " + message + "\n");
  }

  export function time(label: string = "default"): void {
    wasi_console.time(label);
  }

  export function timeLog(label: string = "default"): void {
    wasi_console.timeLog(label);
  }

  export function timeEnd(label: string = "default"): void {
    wasi_console.timeEnd(label);
  }
}
