import { readFileSync } from "node:fs";
import * as assert from "uvu/assert";
import { failureOf, guestSuite } from "./support";

const { test, runWithoutPowerOff } = guestSuite("a guest in trouble", {});

/** Programs that this process has started and that are running. */
function children(): string {
  const pids = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").split(" ").filter(Boolean);
  return pids.map((pid) => readFileSync(`/proc/${pid}/comm`, "utf8")).join("");
}

test("what its kernel complains of is found", async (guest) => {
  assert.is(guest.complaint, undefined);
  await guest.succeed('echo "WARNING: CPU: 0 PID: 1 at made/up.c" > /dev/kmsg');
  assert.match(guest.complaint ?? "", "WARNING: CPU: 0 PID: 1 at made/up.c");
});

test("one that hangs is ended at a deadline, and its console is shown", async (guest) => {
  assert.match(children(), "qemu");
  const message = await failureOf(guest.run("sleep 10000", { deadlineMs: 500 }));
  assert.match(message, /did not end "sleep 10000": 0\.5 s have passed/);
  assert.match(message, "made/up.c");
  await guest.kill();
  assert.not.match(children(), "qemu");
});

runWithoutPowerOff();
