import * as assert from "uvu/assert";
import { type Finding, packageVersion } from "../../host/index";
import type { Guest, JobOptions } from "./guest";
import { failureOf, guestSuite } from "./support";

const { test, run } = guestSuite("the stock kernel", {});
const USER = 1000;

/** What `axiscript doctor` finds. */
async function findings(guest: Guest, prelude: string, options?: JobOptions): Promise<ReadonlyMap<string, Finding>> {
  const { stdout, stderr } = await guest.run(`${prelude} axiscript doctor --json`, options);
  assert.is(stderr, "");
  return new Map((JSON.parse(stdout) as Finding[]).map((finding) => [finding.id, finding]));
}

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
  const found = await findings(guest, "echo 4 > /proc/sys/vm/nr_hugepages;");
  assert.is(found.get("pagemap")?.status, "ok");
  assert.match(found.get("pins")?.found ?? "", /^io_uring is used; works too: af_xdp, hugetlb, mlock$/);
  assert.match(found.get("locked-memory")?.found ?? "", "no limit for this process");
  assert.is(found.get("hugetlb")?.found, "4 of 4 huge pages of 2 MiB are free");
  assert.is(found.get("fpga-manager")?.status, "missing");
  assert.is(found.get("uio")?.status, "missing");
});

test("doctor is right about an ordinary user with little memory to lock", async (guest) => {
  const found = await findings(guest, "ulimit -l 0;", { user: USER });
  assert.is.not(found.get("pagemap")?.status, "ok");
  assert.match(found.get("locked-memory")?.found ?? "", /^limit 0 KiB \(soft\), 0 KiB \(hard\)/);
  assert.match(found.get("pins")?.found ?? "", /does not: .*io_uring \(ENOMEM\)/);
});

run();
