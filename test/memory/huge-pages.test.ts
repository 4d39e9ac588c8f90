import { spawn } from "node:child_process";
import { suite } from "uvu";
import { createHugeFile, hugePageBytes } from "../../host/memory/huge-pages";
import { reserveHugePages } from "../support/huge-pages";
import { testWhere } from "../support/rights";

const test = suite("huge pages");
const PAGES = 8;
const FILES = 100;
/** A flood of them, while the event loop does not turn, has been seen to keep Node from noticing that its child ended. */
const MOST_SIGNALS = 1000;

const hugePages = reserveHugePages(PAGES);
test.after(() => hugePages.release());
const whereReserved = testWhere(test, hugePages.available, "no huge pages, and this user may not reserve any");

whereReserved("are allocated though signals arrive meanwhile", () => {
  process.on("SIGUSR2", () => {});
  const sender = spawn("sh", ["-c", `for i in $(seq ${MOST_SIGNALS}); do kill -s USR2 $PPID; sleep 0.001; done`]);
  try {
    for (let i = 0; i < FILES; i++) createHugeFile(PAGES * hugePageBytes()).close();
  } finally {
    sender.kill("SIGKILL");
  }
});

test.run();
