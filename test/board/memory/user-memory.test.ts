import { mkdirSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BoardFiles } from "../../../host/board/directory/files";
import { MemoryBus } from "../../../host/board/fabric/memory-bus";
import { PATHS } from "../../../host/board/kernel/paths";
import { SealedDeviceFiles } from "../../../host/board/kernel/plain/sealed-device-files";
import { UserMemory } from "../../../host/board/memory/user-memory";
import { pageSizeBytes } from "../../../host/native/libc";
import { type BoardUser, startBoardUser } from "../../support/board-user";
import { physicalPagesOf } from "../../support/physical-pages";
import { seesPageFrames, testWhere } from "../../support/rights";
import { temporaryDirectory } from "../../support/temporary";

const test = suite("memory of those who use a board");
const testFrames = testWhere(test, seesPageFrames(), "needs page frame numbers (CAP_SYS_ADMIN)");

/** So many pages are written to at once. */
const WINDOW_PAGES = 4;
const LINE = new Uint8Array(64).map((_, at) => at + 1);

/** A directory of device files, and the bus of the board that it belongs to. */
function system() {
  const files = new BoardFiles(temporaryDirectory());
  const devices = files.path(PATHS.devices);
  for (const directory of [devices, files.path(PATHS.private)]) mkdirSync(directory);
  const known = new SealedDeviceFiles(files);
  known.add("uio0", { lengthBytes: pageSizeBytes, uio: { hasInterrupt: false } });
  return { devices, known, device: join(devices, "uio0"), bus: new MemoryBus([new UserMemory(known)]) };
}

function address(pages: readonly number[], offset: number): number {
  return (pages[Math.floor(offset / pageSizeBytes)] ?? 0) + (offset % pageSizeBytes);
}

/** Which memories and page tables of others this process has open. */
function openMemories(): string[] {
  const files = readdirSync("/proc/self/fd").map((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`);
    } catch {
      return "";
    }
  });
  return files.filter((path) => /^\/proc\/\d+\/(mem|pagemap)$/.test(path));
}

/** The addresses of a few pages in a row. */
function window(start: number): number[] {
  return Array.from({ length: WINDOW_PAGES }, (_, page) => start + page * pageSizeBytes);
}

/** Where a few pages begin with one that the user has told of, and go on with nothing that is its other memory. */
function endOfPages({ pid, state: { pages } }: BoardUser): number | undefined {
  const others = new Set(physicalPagesOf(pid).filter((page) => !pages.includes(page)));
  return pages.find(
    (page) => !pages.includes(page + pageSizeBytes) && !window(page).some((address) => others.has(address)),
  );
}

for (const how of ["opens", "maps"] as const) {
  testFrames(
    `a process that ${how} a device file is reached, and exactly the bytes of the transfer change`,
    async () => {
      const { device, bus } = system();
      const user = await startBoardUser({ how, device });
      const offset = 3 * pageSizeBytes + 128;
      assert.is(bus.write(address(user.state.pages, offset), LINE), "OKAY");
      assert.equal(
        (await user.tell("look")).changed,
        [...LINE].map((byte, index) => [offset + index, byte]),
      );
      const back = new Uint8Array(64);
      assert.is(bus.read(address(user.state.pages, offset), back), "OKAY");
      assert.equal(back, LINE);
      await user.kill();
      bus.close();
    },
  );
}

testFrames("a process that has none of the board's files is not reached, whatever the address", async () => {
  const { device, bus } = system();
  const user = await startBoardUser({ how: "maps", device });
  const stranger = await startBoardUser();
  for (const page of stranger.state.pages) {
    assert.is(bus.write(page, LINE), "DECERR");
    assert.is(bus.read(page, new Uint8Array(64)), "DECERR");
  }
  assert.equal((await stranger.tell("look")).changed, []);
  await Promise.all([user.kill(), stranger.kill()]);
  bus.close();
});

testFrames("a file of the same name elsewhere makes nobody a user", async () => {
  const { bus } = system();
  const elsewhere = system();
  const user = await startBoardUser({ how: "opens", device: elsewhere.device });
  assert.is(bus.write(user.state.pages[0] ?? 0, LINE), "DECERR");
  assert.is(elsewhere.bus.write(user.state.pages[0] ?? 0, LINE), "OKAY");
  await user.kill();
  bus.close();
  elsewhere.bus.close();
});

testFrames("those who come later are found, and two at a time are told apart", async () => {
  const { device, bus } = system();
  const first = await startBoardUser({ how: "maps", device });
  assert.is(bus.write(address(first.state.pages, 0), LINE), "OKAY");
  const second = await startBoardUser({ how: "opens", device });
  assert.is(bus.write(address(second.state.pages, 64), LINE), "OKAY");
  assert.equal((await first.tell("look")).changed.map(([offset]) => offset)[0], 0);
  assert.equal((await second.tell("look")).changed.map(([offset]) => offset)[0], 64);
  assert.is((await first.tell("look")).changed.length, 64);
  await Promise.all([first.kill(), second.kill()]);
  bus.close();
});

testFrames("a process that was no user is one from the moment when it opens a device file", async () => {
  const { device, bus } = system();
  const user = await startBoardUser({ how: "opens later", device });
  const [page = 0] = user.state.pages;
  assert.is(bus.write(page, LINE), "DECERR");
  assert.equal((await user.tell("open the device")).changed, []);
  assert.is(bus.write(page, LINE), "OKAY");
  assert.is((await user.tell("look")).changed.length, 64);
  assert.ok(openMemories().length > 0);
  await user.kill();
  bus.close();
});

testFrames("a page that somebody gave up is not written to in its place", async () => {
  const { device, bus } = system();
  const user = await startBoardUser({ how: "maps", device });
  const [before = 0] = user.state.pages;
  assert.is(bus.write(before, LINE), "OKAY");
  const { pages, changed } = await user.tell("replace first page");
  assert.equal(changed, []);
  if (!pages.includes(before)) {
    assert.is.not(bus.write(before, LINE), "OKAY");
    assert.equal((await user.tell("look")).changed, []);
  }
  assert.is(bus.write(pages[0] ?? 0, LINE), "OKAY");
  assert.is((await user.tell("look")).changed.length, 64);
  await user.kill();
  bus.close();
});

testFrames("nothing is moved for a process that has ended, and what was open of it is closed", async () => {
  const { device, bus } = system();
  const user = await startBoardUser({ how: "maps", device });
  const page = user.state.pages[0] ?? 0;
  assert.is(bus.write(page, LINE), "OKAY");
  await user.kill();
  assert.is.not(bus.write(page, LINE), "OKAY");
  const runs = bus.writeBursts(page, new Uint8Array(2 * pageSizeBytes), 64);
  assert.not(runs.some(({ response }) => response === "OKAY"));
  bus.close();
  assert.equal(openMemories(), []);
});

testFrames("many bursts reach the pages that a user has, and no others between them", async () => {
  const { device, bus } = system();
  let user: BoardUser;
  let start: number | undefined;
  for (;;) {
    user = await startBoardUser({ how: "maps", device });
    start = endOfPages(user);
    if (start !== undefined) break;
    await user.kill();
  }
  const { pages } = user.state;
  const runs = bus.writeBursts(start, new Uint8Array(WINDOW_PAGES * pageSizeBytes).fill(0xaa), 64);
  const expected = window(start).map((page) => (pages.includes(page) ? "OKAY" : "DECERR"));
  const answered = runs.flatMap(({ lengthBytes, response }) =>
    Array.from({ length: lengthBytes / pageSizeBytes }, () => response),
  );
  assert.equal(answered, expected);
  const arrived = expected.filter((response) => response === "OKAY").length;
  assert.is((await user.tell("look")).changed.length, arrived * pageSizeBytes);
  await user.kill();
  bus.close();
});

testFrames(
  "who has only a file that was removed uses the board no longer, once the board has let go of it",
  async () => {
    const { device, bus, known } = system();
    const user = await startBoardUser({ how: "maps", device });
    known.remove("uio0");
    assert.is(bus.write(user.state.pages[0] ?? 0, LINE), "DECERR");
    await user.kill();
    bus.close();
  },
);

test.run();
