import { AsyncLocalStorage } from "node:async_hooks";
import { writeSync } from "node:fs";
import { Writable } from "node:stream";

const STDERR = 2;
const PRINTING = [
  ...(["log", "info", "debug", "dir", "dirxml", "table", "group", "groupCollapsed", "timeEnd", "timeLog"] as const),
];

/** Whether what runs is a model's. */
const inModel = new AsyncLocalStorage<boolean>();
let isRedirected = false;

/**
 * Runs code of a user's model: what it prints, and what it starts prints, goes to stderr. stdout is the script's. The rest
 * of the program prints as before.
 */
export function printingToStderr<T>(body: () => T): T {
  if (!isRedirected) redirect(() => inModel.getStore() === true);
  isRedirected = true;
  return inModel.run(true, body);
}

/** From now on, what this thread prints goes to stderr, at once: the board's thread has no event loop for it. */
export function printToStderr(): void {
  redirect(() => true);
}

function redirect(isAsked: () => boolean): void {
  const stderr = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      writeAll(chunk);
      done();
    },
  });
  type Print = (...args: unknown[]) => void;
  const program = globalThis.console as unknown as Record<string, Print>;
  const { Console } = require("node:console") as { Console: new (stream: Writable) => unknown };
  const models = new Console(stderr) as Record<string, Print>;
  for (const name of PRINTING) {
    const usual = program[name];
    program[name] = (...args) => (isAsked() ? models : { [name]: usual })[name]?.(...args);
  }
  const { stdout } = process;
  const write = stdout.write.bind(stdout) as (...args: unknown[]) => boolean;
  const writeForModel = stderr.write.bind(stderr) as (...args: unknown[]) => boolean;
  stdout.write = (...args: unknown[]) => (isAsked() ? writeForModel : write)(...args);
}

/** What a model says is not worth an error of the board's. */
function writeAll(bytes: Uint8Array): void {
  try {
    for (let at = 0; at < bytes.length;) at += writeSync(STDERR, bytes, at);
  } catch {
    // Closed, full, or a pipe that nobody reads.
  }
}
