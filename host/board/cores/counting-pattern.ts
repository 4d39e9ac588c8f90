/** What the AXI Traffic Generator writes and looks for: beat k is the 128-bit number k, the least significant word first. */
const WORDS_PER_BEAT = 4;

/** Fills `words`, whole beats, with the pattern from a beat on; `firstBeat` below 2^53. */
export function fillPattern(words: Uint32Array, firstBeat: number): void {
  words.fill(0);
  for (let at = 0, beat = firstBeat; at < words.length; at += WORDS_PER_BEAT, beat++) {
    words[at] = beat;
    words[at + 1] = beat / 2 ** 32;
  }
}

/** How many of the whole beats in `words` are those of the pattern from a beat on. */
export function countMatching(words: Uint32Array, firstBeat: number): number {
  let matching = 0;
  for (let at = 0, beat = firstBeat; at < words.length; at += WORDS_PER_BEAT, beat++) {
    const equal = words[at] === beat >>> 0 && words[at + 1] === Math.floor(beat / 2 ** 32);
    if (equal && words[at + 2] === 0 && words[at + 3] === 0) matching++;
  }
  return matching;
}
