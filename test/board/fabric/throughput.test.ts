import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Port, randomNumbers } from "../../../host/board/fabric/port-timing";
import { ThroughputTimer } from "../../../host/board/fabric/throughput";

const test = suite("throughput");

const BEAT_BYTES = 16;
const RUNS = 5;

/** Means of five runs in beats per clock cycle, as published with the measurement: bytes, read, write. */
const PUBLISHED: Record<Port, [number, number, number][]> = {
  hp: [
    [64, 0.06, 0.11],
    [1024, 0.18, 0.46],
    [32768, 0.2, 0.51],
    [524288, 0.2, 0.51],
    [1048576, 0.2, 0.51],
    [33554432, 0.2, 0.51],
  ],
  hpc: [
    [64, 0.1, 0.06],
    [1024, 0.35, 0.15],
    [32768, 0.1, 0.17],
    [524288, 0.1, 0.17],
    [1048576, 0.09, 0.21],
    [33554432, 0.17, 0.38],
  ],
  acp: [
    [64, 0.2, 0.2],
    [1024, 0.86, 0.44],
    [32768, 0.99, 0.62],
    [524288, 1.0, 0.72],
    [1048576, 0.3, 0.47],
    [33554432, 0.05, 0.19],
  ],
};

for (const port of ["hp", "hpc", "acp"] as const) {
  test(`${port}: the mean at every published length is as measured`, () => {
    // Every run once.
    let draws = 0;
    const timer = new ThroughputTimer(port, () => ((draws++ % RUNS) + 0.5) / RUNS);
    for (const [lengthBytes, read, write] of PUBLISHED[port]) {
      for (const [direction, published] of [
        ["read", read],
        ["write", write],
      ] as const) {
        const cycles = Array.from({ length: RUNS }, () => timer.next(direction, lengthBytes));
        const mean = cycles.reduce((sum, count) => sum + count, 0) / RUNS;
        assert.is((lengthBytes / BEAT_BYTES / mean).toFixed(2), published.toFixed(2), `${direction} ${lengthBytes}`);
      }
    }
  });
}

test("between the lengths that were measured cycles grow in proportion, and beyond them too", () => {
  const timer = new ThroughputTimer("hp", () => 0);
  assert.is(timer.next("write", 64), 37);
  assert.is(timer.next("write", 128), 40);
  assert.is(timer.next("write", 192), Math.round((40 + 47) / 2));
  assert.is(timer.next("write", 33554432), 4096017);
  assert.is(timer.next("write", 4 * 33554432), 4 * 4096017);
});

test("the same seed gives the same cycles", () => {
  const cycles = (seed: number) => {
    const timer = new ThroughputTimer("acp", randomNumbers(seed));
    return Array.from({ length: 50 }, () => timer.next("read", 1048576));
  };
  assert.equal(cycles(3), cycles(3));
  assert.not.equal(cycles(3), cycles(4));
});

test.run();
