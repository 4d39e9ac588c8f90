import { renameSync, symlinkSync } from "node:fs";
import { workerData } from "node:worker_threads";

/** Makes a name lead here and there, as fast as it goes, until it is told to stop. */
const { name, targets, stop } = workerData as { name: string; targets: readonly string[]; stop: Int32Array };
for (let round = 0; Atomics.load(stop, 0) === 0; round++) {
  symlinkSync(targets[round % targets.length] ?? "", `${name}.next`);
  renameSync(`${name}.next`, name);
}
