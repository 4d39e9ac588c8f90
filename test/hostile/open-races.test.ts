import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openTogether } from "../support/opener";
import { scaled } from "../support/random";
import { temporaryDirectory } from "../support/temporary";
import { addUioDevice } from "../support/uio-device";

const test = suite("races to open a device");

const ROUNDS = scaled(300);
const TIMEOUT_MS = 120_000;

for (const openers of [2, 4]) {
  test(`of ${openers} processes that open a device at the same moment, one gets it, and the others are told which`, async () => {
    const sysroot = temporaryDirectory();
    addUioDevice(sysroot, "uio0", { name: "X" });
    const found = await openTogether(sysroot, "X", { openers, rounds: ROUNDS, timeoutMs: TIMEOUT_MS });
    const winners = Array.from({ length: ROUNDS }, (_, round) =>
      found.filter(({ opened }) => opened.includes(round)).map(({ pid }) => pid),
    );
    assert.equal(
      winners.map((pids) => pids.length),
      Array.from({ length: ROUNDS }, () => 1),
    );
    assert.is(Math.max(...found.map(({ mostHolders }) => mostHolders)), 1);
    for (const { opened, refusals } of found) {
      const lost = winners.flatMap(([winner], round) => (opened.includes(round) ? [] : [winner]));
      assert.is(refusals.length, lost.length);
      for (const [index, [code, message]] of refusals.entries()) {
        assert.is(code, "ERR_AXI_DEVICE_IN_USE", message);
        assert.match(message, `process ${lost[index]} (`);
      }
    }
  });
}

test.run();
