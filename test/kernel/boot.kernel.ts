import { readFileSync } from "node:fs";
import * as assert from "uvu/assert";
import { packageVersion } from "../../host/index";
import { findings } from "./findings";
import { failureOf, guestSuite } from "./support";

const { test, runWithoutPowerOff } = guestSuite("the stock kernel", {});
const USER = 1000;

test("it runs this Node, and the packed package", async (guest) => {
  assert.is(await guest.succeed("node -p 1"), "1\n");
  assert.is(await guest.succeed("axiscript --version"), `${packageVersion()}\n`);
  assert.match(await guest.succeed("uname -rv"), /^\d+\.\d+\.\d+-\d+-amd64 .*Debian/);
});

test("a job that fails fails here, with its output", async (guest) => {
  const { status, stdout, stderr } = await guest.run("echo out; echo err >&2; exit 3");
  assert.equal([status, stdout, stderr], [3, "out\n", "err\n"]);
  const message = await failureOf(guest.succeed("echo out; echo err >&2; exit 3"));
  assert.match(message, /ended with 3 .*:\nout\n\nerr\n/);
  assert.is((await guest.run("kill -SEGV $$")).status, "SIGSEGV");
});

test("doctor is right about root, and about huge pages that were reserved", async (guest) => {
  const found = await findings(guest, "echo 4 > /proc/sys/vm/nr_hugepages; axiscript doctor --json");
  assert.is(found.get("pagemap")?.status, "ok");
  assert.match(found.get("pins")?.found ?? "", /^io_uring is used; works too: af_xdp, hugetlb, mlock$/);
  assert.match(found.get("locked-memory")?.found ?? "", "no limit for this process");
  assert.is(found.get("hugetlb")?.found, "4 of 4 huge pages of 2 MiB are free");
  assert.is(found.get("fpga-manager")?.status, "missing");
  assert.is(found.get("uio")?.status, "missing");
});

test("doctor is right about an ordinary user with little memory to lock", async (guest) => {
  const found = await findings(guest, "ulimit -l 0; axiscript doctor --json", { user: USER });
  assert.is.not(found.get("pagemap")?.status, "ok");
  assert.match(found.get("locked-memory")?.found ?? "", /^limit 0 KiB \(soft\), 0 KiB \(hard\)/);
  assert.match(found.get("pins")?.found ?? "", /does not: .*io_uring \(ENOMEM\)/);
});

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

// The last test has ended the guest.
runWithoutPowerOff();
