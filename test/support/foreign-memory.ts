import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { pageSizeBytes } from "../../host/native/libc";

const HOST = join(__dirname, "../../host");

/** Memory of another process, with a pattern in it. */
export interface ForeignMemory {
  /** Physical addresses of its pages, as the kernel shows them. */
  readonly pages: readonly number[];
  /** Ends the process. True if its memory was as it had been. */
  close(): Promise<boolean>;
}

/** What the process does: pins pages, tells where they are, and looks at them when its input ends. */
const PROGRAM = `
const { LinearMemory } = require(${JSON.stringify(join(HOST, "memory/linear-memory.js"))});
const { Pagemap } = require(${JSON.stringify(join(HOST, "memory/pagemap.js"))});
const { Pins } = require(${JSON.stringify(join(HOST, "memory/pins.js"))});
const memory = new LinearMemory({ initial: 1, maximum: 1 });
memory.bytes.fill(0x5a);
new Pins(memory).pin(0, memory.bytes.byteLength);
const frames = new Pagemap("/proc/self/pagemap").framesOf(memory.baseAddress, memory.bytes.byteLength / ${pageSizeBytes});
process.stdout.write(JSON.stringify([...frames]) + "\\n");
process.stdin.resume();
process.stdin.on("end", () => process.exit(memory.bytes.every((byte) => byte === 0x5a) ? 0 : 1));
`;

/**
 * Starts a process that has memory of its own pinned. Needs the right to see page frame numbers.
 *
 * @param streams what else it has open
 */
export async function foreignMemory(streams: readonly number[] = []): Promise<ForeignMemory> {
  const child: ChildProcess = spawn(process.execPath, ["-e", PROGRAM], {
    stdio: ["pipe", "pipe", "inherit", ...streams],
  });
  const exited = once(child, "exit") as Promise<[number | null]>;
  let text = "";
  for await (const chunk of child.stdout ?? []) {
    text += String(chunk);
    if (text.includes("\n")) break;
  }
  const frames = JSON.parse(text) as number[];
  return {
    pages: frames.map((frame) => frame * pageSizeBytes),
    close: async () => {
      child.stdin?.end();
      const [status] = await exited;
      return status === 0;
    },
  };
}
