/** What the guest is asked to run: a line of JSON each on its second serial port. */
export interface Job {
  readonly id: number;
  /** For `sh -c`. */
  readonly command: string;
  /** The user that runs it: a number; 0 if absent. */
  readonly user?: number;
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** What the guest answers, a line of JSON each: how a job gets on. */
export type JobNews =
  | { readonly id: number; readonly stream: "stdout" | "stderr"; readonly text: string }
  | { readonly id: number; readonly status: number | null; readonly signal: string | null };

/** What the guest says first of all. */
export const READY = "ready";

/** Splits a stream into lines; what comes after the last one waits for its end. */
export function lineSplitter(onLine: (line: string) => void): (text: string) => void {
  let rest = "";
  return (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  };
}
