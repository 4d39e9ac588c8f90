import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Port, PortTimer, randomNumbers } from "../../../host/board/fabric/port-timing";

const test = suite("port timing");

/** Minimum, median and maximum of 100 measurements each, as published with them. */
const PUBLISHED: [Port, "first" | "repeated", "read" | "write", number, number, number][] = [
  ["hp", "first", "write", 36, 36, 37],
  ["hp", "first", "read", 64, 64, 139],
  ["hpc", "first", "write", 46, 47, 47],
  ["hpc", "first", "read", 40, 41, 43],
  ["acp", "first", "write", 25, 27, 35],
  ["acp", "first", "read", 13, 14, 25],
  ["hp", "repeated", "write", 36, 36, 37],
  ["hp", "repeated", "read", 64, 64, 154],
  ["hpc", "repeated", "write", 46, 66, 71],
  ["hpc", "repeated", "read", 40, 41, 73],
  ["acp", "repeated", "write", 14, 14, 24],
  ["acp", "repeated", "read", 13, 13, 14],
];

for (const [port, experiment, direction, minimum, median, maximum] of PUBLISHED) {
  test(`${port} ${direction}, ${experiment}: as measured`, () => {
    const random = randomNumbers(7);
    const timer = new PortTimer(port, random);
    timer.next(direction);
    const draw = () => (experiment === "first" ? new PortTimer(port, random) : timer).next(direction);
    const cycles = Array.from({ length: 20_000 }, draw).sort((a, b) => a - b);
    assert.is(cycles[0], minimum);
    assert.is(cycles.at(-1), maximum);
    assert.ok(Math.abs((cycles[10_000] ?? 0) - median) <= 1, `median ${cycles[10_000]}`);
  });
}

test("the first transfer of each process takes as long as first ones do, in each direction", () => {
  let openings = 1;
  const timer = new PortTimer("hpc", randomNumbers(5), () => openings);
  // First writes took 46 or 47 cycles, and of the others 98 of 100 took 65 or more.
  const writes = (count: number) => Array.from({ length: count }, () => timer.next("write"));
  for (let process = 0; process < 50; process++) {
    openings++;
    const [first = 0, ...others] = writes(20);
    assert.ok(first <= 47, `${first} cycles of process ${process}`);
    assert.ok(others.filter((cycles) => cycles >= 65).length > 10, others.join());
    timer.next("read");
    assert.ok(writes(20).filter((cycles) => cycles >= 65).length > 10, "a read makes no write a first one");
  }
});

test("the same seed gives the same numbers, all below 1", () => {
  const [a, b, other] = [randomNumbers(3), randomNumbers(3), randomNumbers(4)];
  const numbers = Array.from({ length: 1000 }, a);
  assert.equal(numbers, Array.from({ length: 1000 }, b));
  assert.ok(numbers.every((number) => number >= 0 && number < 1));
  assert.is.not(numbers[0], other());
  assert.ok(randomNumbers(0)() >= 0);
});

test.run();
