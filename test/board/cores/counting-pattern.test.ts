import { suite } from "uvu";
import * as assert from "uvu/assert";
import { countMatching, fillPattern } from "../../../host/board/cores/counting-pattern";

const test = suite("counting pattern");

test("a beat is its number in 128 bits", () => {
  const words = new Uint32Array(12).fill(0xeeeeeeee);
  fillPattern(words, 2 ** 32 - 1);
  assert.equal([...words], [0xffffffff, 0, 0, 0, 0, 1, 0, 0, 1, 1, 0, 0]);
  fillPattern(words, 7);
  assert.equal([...words], [7, 0, 0, 0, 8, 0, 0, 0, 9, 0, 0, 0]);
});

test("a beat matches in all of its bits, or not at all", () => {
  for (const firstBeat of [0, 1000, 2 ** 31, 2 ** 32 - 2, 2 ** 33]) {
    const words = new Uint32Array(16);
    fillPattern(words, firstBeat);
    assert.is(countMatching(words, firstBeat), 4);
    assert.is(countMatching(words, firstBeat + 1), 0);
    for (let bit = 0; bit < 128; bit++) {
      const word = 4 + Math.floor(bit / 32);
      words[word] = (words[word] ?? 0) ^ (1 << (bit % 32));
      assert.is(countMatching(words, firstBeat), 3);
      words[word] = (words[word] ?? 0) ^ (1 << (bit % 32));
    }
  }
});

test.run();
