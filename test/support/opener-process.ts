import { closeSync, openSync } from "node:fs";
import * as assert from "uvu/assert";
import { Sysroot } from "../../host/linux/sysroot";
import { findUioDevice, openUioWindow } from "../../host/linux/uio";
import { waitUntil } from "../../host/util/wait";
import { AxiscriptError } from "../../host/util/errors";
import { pageSizeBytes } from "../../host/native/libc";
import { overlayFile } from "../../host/native/memory-overlay";
import type { OpenerReport } from "./opener";

// The process that `opener.ts` starts: opens a device at the same moment as others, again and again.

const SPINS = 100_000;

const [, , sysrootDirectory = "", device = "", meeting = "", ...numbers] = process.argv;
const [openers = 0, rounds = 0, timeoutMs = 0] = numbers.map(Number);

/** Words that all openers share: how many have come to a meeting, and how many have the device. */
const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
const fd = openSync(meeting, "r+");
overlayFile(memory, 0, pageSizeBytes, fd, 0);
closeSync(fd);
const words = new Int32Array(memory.buffer);
const [CAME, HOLDERS] = [0, 16];

let meetings = 0;
/** Goes on when all have come, at the same moment as far as the machine allows. */
function meet(): void {
  const expected = ++meetings * openers;
  Atomics.add(words, CAME, 1);
  const allCame = () => Atomics.load(words, CAME) >= expected;
  for (let spin = 0; spin < SPINS; spin++) if (allCame()) return;
  assert.ok(waitUntil(allCame, timeoutMs), "the others have not come");
}

const sysroot = new Sysroot(sysrootDirectory);
const found = findUioDevice(sysroot, device, "");
const report: OpenerReport = { opened: [], refusals: [], mostHolders: 0 };
for (let round = 0; round < rounds; round++) {
  meet();
  let opened: number | undefined;
  try {
    opened = openUioWindow(sysroot, found).fd;
    report.mostHolders = Math.max(report.mostHolders, Atomics.add(words, HOLDERS, 1) + 1);
    report.opened.push(round);
  } catch (error) {
    if (!(error instanceof AxiscriptError)) throw error;
    report.refusals.push([error.code, error.message]);
  }
  // Who has it keeps it until all have tried.
  meet();
  if (opened !== undefined) {
    Atomics.sub(words, HOLDERS, 1);
    closeSync(opened);
  }
}
process.send?.(report);
process.disconnect();
