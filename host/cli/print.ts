import { styleText } from "node:util";
import { AxiscriptError } from "../index";

/** Writes to stdout and waits until it is written, so that a reader that is gone is an error like any other. */
export function print(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: NodeJS.ErrnoException) => {
      reject(
        cause.code === "EPIPE"
          ? new AxiscriptError("ERR_AXI_BROKEN_PIPE", "The reader of the output is gone.", { cause })
          : new AxiscriptError("ERR_AXI_IO", `Cannot write to standard output: ${cause.message}`, { cause }),
      );
    };
    process.stdout.once("error", fail);
    process.stdout.write(text, (error) => {
      if (!error) resolve();
    });
  });
}

/** Colour only where a terminal shows it and nobody objects (NO_COLOR, TERM=dumb). */
export function style(format: Parameters<typeof styleText>[0], text: string): string {
  return process.stdout.isTTY && process.stdout.hasColors() ? styleText(format, text) : text;
}
