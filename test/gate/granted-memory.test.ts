import { suite } from "uvu";
import * as assert from "uvu/assert";
import { GrantedMemory } from "../../host/gate/granted-memory";
import { GATE_MEMORY_PAGES, GRANTS } from "../../host/gate/layout";
import type { DeviceUse } from "../../host/memory/device-memory";
import { ScatterGatherList } from "../../host/memory/scatter-gather";
import { randomNumbers } from "../../host/board/fabric/port-timing";
import { pageSizeBytes } from "../../host/native/libc";
import { rejectsWith } from "../support/expect";

const test = suite("granted memory");

function newTable(): GrantedMemory {
  return new GrantedMemory(new ArrayBuffer(GATE_MEMORY_PAGES * 65536));
}

/** Pages of these frames, from a byte of the first on. */
function pages(
  frames: readonly number[],
  offsetBytes = 0,
  lengthBytes = frames.length * pageSizeBytes,
): ScatterGatherList {
  const words = frames.flatMap((frame, page) => [page, frame % 2 ** 32, Math.floor(frame / 2 ** 32)]);
  return new ScatterGatherList({ virtualAddress: BigInt(offsetBytes), lengthBytes }, Uint32Array.from(words));
}

function intervals(table: GrantedMemory): { start: number; end: number; reads: number; writes: number }[] {
  return Array.from({ length: table.length }, (_, index) => table.at(index));
}

test("neighbours become one interval, and a gap stays", () => {
  const table = newTable();
  table.grant(pages([7]), "both");
  table.grant(pages([5]), "both");
  assert.is(table.length, 2);
  table.grant(pages([6]), "both");
  assert.equal(intervals(table), [{ start: 5 * pageSizeBytes, end: 8 * pageSizeBytes, reads: 1, writes: 1 }]);
});

test("addresses above 4 GiB are kept whole", () => {
  const table = newTable();
  const frame = 2 ** 40 / pageSizeBytes + 3;
  table.grant(pages([frame]), "writes");
  assert.equal(intervals(table), [
    { start: frame * pageSizeBytes, end: (frame + 1) * pageSizeBytes, reads: 0, writes: 1 },
  ]);
});

test("a device may read the whole of a line that is granted in part, and write only the part", () => {
  const table = newTable();
  table.grant(pages([3], 80, 100), "both");
  const at = (offset: number) => 3 * pageSizeBytes + offset;
  assert.equal(intervals(table), [
    { start: at(64), end: at(80), reads: 1, writes: 0 },
    { start: at(80), end: at(180), reads: 1, writes: 1 },
    { start: at(180), end: at(192), reads: 1, writes: 0 },
  ]);
  table.revoke(pages([3], 80, 100), "both");
  assert.is(table.length, 0);
});

test("a line that is granted in part may be read whole, wherever among the others its page lies", () => {
  for (const frames of [
    [5, 3, 7],
    [3, 7, 5],
    [7, 5, 3],
  ]) {
    const table = newTable();
    const [first = 0, , last = 0] = frames;
    const list = pages(frames, 80, 2 * pageSizeBytes);
    table.grant(list, "both");
    const reads = (address: number) =>
      intervals(table).some((each) => each.start <= address && address < each.end && each.reads > 0);
    assert.ok(reads(first * pageSizeBytes + 64));
    assert.not(reads(first * pageSizeBytes + 63));
    assert.ok(reads(last * pageSizeBytes + 127));
    assert.not(reads(last * pageSizeBytes + 128));
    table.revoke(list, "both");
    assert.is(table.length, 0);
  }
});

test("counts every grant and revocation of every byte, in any order, as a plain array of bytes does", () => {
  const random = randomNumbers(11);
  const below = (limit: number) => Math.floor(random() * limit);
  const span = 24;
  for (let round = 0; round < 60; round++) {
    const table = newTable();
    const lines = (span * pageSizeBytes) / 64;
    const counts = { reads: new Int32Array(lines), writes: new Int32Array(lines) };
    const live: { list: ScatterGatherList; use: DeviceUse }[] = [];
    const count = ({ list, use }: { list: ScatterGatherList; use: DeviceUse }, by: number) => {
      for (const { physicalAddress, lengthBytes } of list) {
        for (let line = Number(physicalAddress) / 64; line < (Number(physicalAddress) + lengthBytes) / 64; line++) {
          if (use !== "writes") counts.reads[line] = (counts.reads[line] ?? 0) + by;
          if (use !== "reads") counts.writes[line] = (counts.writes[line] ?? 0) + by;
        }
      }
    };
    for (let step = 0; step < 40; step++) {
      if (live.length > 0 && random() < 0.45) {
        const [gone] = live.splice(below(live.length), 1);
        if (!gone) continue;
        table.revoke(gone.list, gone.use);
        count(gone, -1);
      } else {
        const frames = [...new Set(Array.from({ length: 1 + below(6) }, () => below(span)))];
        const offsetBytes = 64 * below(pageSizeBytes / 64);
        const room = frames.length * pageSizeBytes - offsetBytes;
        const lengthBytes = Math.max(64, 64 * below(room / 64));
        const touched = frames.slice(0, Math.ceil((offsetBytes + lengthBytes) / pageSizeBytes));
        const grant = {
          list: pages(touched, offsetBytes, lengthBytes),
          use: (["both", "reads", "writes"] as const)[below(3)] ?? "both",
        };
        table.grant(grant.list, grant.use);
        live.push(grant);
        count(grant, 1);
      }
      const seen = { reads: new Int32Array(lines), writes: new Int32Array(lines) };
      let before = -1;
      for (const { start, end, reads, writes } of intervals(table)) {
        assert.ok(start > before || start === before, "in order");
        assert.ok(start < end && reads + writes > 0);
        before = end;
        seen.reads.fill(reads, start / 64, end / 64);
        seen.writes.fill(writes, start / 64, end / 64);
      }
      assert.equal(seen, counts);
    }
  }
});

test("a list that is not in the order of its addresses is granted whole", () => {
  const table = newTable();
  table.grant(pages([9, 2, 5, 4]), "both");
  assert.equal(
    intervals(table).map(({ start, end }) => [start / pageSizeBytes, end / pageSizeBytes]),
    [
      [2, 3],
      [4, 6],
      [9, 10],
    ],
  );
});

test("refuses more pieces than the gate holds, and keeps what it has", async () => {
  const table = newTable();
  const most = GRANTS.pieces - 2;
  const scattered = pages(Array.from({ length: most }, (_, index) => 2 * index));
  table.grant(scattered, "both");
  assert.is(table.length, most);
  await rejectsWith("ERR_AXI_LIMIT", () => table.grant(pages([2 * most]), "both"));
  assert.is(table.length, most);
  table.revoke(scattered, "both");
  table.grant(pages([2 * most]), "both");
  assert.is(table.length, 1);
});

test("what is taken back may leave more pieces than before, and there is room for them", () => {
  const table = newTable();
  const most = GRANTS.pieces / 2 - 2;
  const scattered = pages(Array.from({ length: most }, (_, index) => 2 * index));
  const between = pages(Array.from({ length: most }, (_, index) => 2 * index + 1));
  table.grant(scattered, "both");
  table.grant(between, "both");
  assert.is(table.length, 1);
  table.revoke(between, "both");
  assert.is(table.length, most);
});

test("what was not granted cannot be taken back, which would grant it for ever", () => {
  const table = newTable();
  table.grant(pages([3, 5]), "writes");
  for (const [list, use] of [
    [pages([4]), "writes"],
    [pages([3, 4]), "writes"],
    [pages([3]), "reads"],
    [pages([2, 3]), "both"],
  ] as const) {
    assert.throws(() => table.revoke(list, use), /not granted/);
    assert.equal(
      intervals(table).map(({ start, reads, writes }) => [start / pageSizeBytes, reads, writes]),
      [
        [3, 0, 1],
        [5, 0, 1],
      ],
    );
  }
});

test.run();
