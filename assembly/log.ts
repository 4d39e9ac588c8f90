/**
 * Logging in the format of Python's `logging`: `LEVEL:name:message`, one line each, on standard output, where they keep
 * their place among what the script prints.
 *
 * @example
 * logging.basicConfig(logging.INFO);
 * new Logger("AxiProxy").info("id  = a8122081"); // INFO:AxiProxy:id  = a8122081
 */
export namespace logging {
  export const DEBUG: i32 = 10;
  export const INFO: i32 = 20;
  export const WARNING: i32 = 30;
  export const ERROR: i32 = 40;
  export const CRITICAL: i32 = 50;

  /** Messages below this level are dropped. Before `basicConfig` that is WARNING, as in Python. */
  export let level: i32 = logging.WARNING;

  /**
   * Sets the level for all loggers.
   *
   * @param minimum one of the constants, or any number between
   */
  export function basicConfig(minimum: i32): void {
    level = minimum;
  }
}

/** Writes messages under a name. */
export class Logger {
  constructor(readonly name: string) {}

  debug(message: string): void {
    this.log(logging.DEBUG, "DEBUG", message);
  }

  info(message: string): void {
    this.log(logging.INFO, "INFO", message);
  }

  warning(message: string): void {
    this.log(logging.WARNING, "WARNING", message);
  }

  error(message: string): void {
    this.log(logging.ERROR, "ERROR", message);
  }

  critical(message: string): void {
    this.log(logging.CRITICAL, "CRITICAL", message);
  }

  private log(level: i32, levelName: string, message: string): void {
    if (level >= logging.level) console.log(levelName + ":" + this.name + ":" + message);
  }
}
