import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Pagemap } from "../../host/memory/pagemap";
import { pageSizeBytes } from "../../host/native/libc";
import { rejectsWith } from "../support/expect";
import { temporaryFile } from "../support/temporary";

const test = suite("pagemap");
const PAGE = BigInt(pageSizeBytes);

/** A pagemap with these entries from page 0 on. */
function pagemapOf(...entries: bigint[]): Pagemap {
  return new Pagemap(temporaryFile("pagemap", new Uint8Array(new BigUint64Array(entries).buffer)));
}

const PRESENT = 1n << 63n;

test("takes the page frame number out of an entry, all 55 bits, and nothing else", () => {
  const flags = (1n << 55n) | (1n << 56n) | (1n << 61n);
  const pagemap = pagemapOf(PRESENT | 0x1234n, PRESENT | flags | 0x7abcdef01234n, PRESENT | ((1n << 53n) - 1n));
  assert.is(pagemap.frameOf(0n), 0x1234);
  assert.is(pagemap.frameOf(PAGE + 5n), 0x7abcdef01234);
  assert.is(pagemap.frameOf(2n * PAGE), 2 ** 53 - 1);
  pagemap.close();
});

test("refuses a page that is not present", async () => {
  const pagemap = pagemapOf(0n, 1n << 62n);
  for (const address of [0n, PAGE, 2n * PAGE, 1n << 46n]) {
    const { message } = await rejectsWith("ERR_AXI_PAGE_NOT_PRESENT", () => pagemap.frameOf(address));
    assert.match(message, `0x${address.toString(16)}`);
  }
  pagemap.close();
});

test("refuses a page whose number is hidden, and says how to see it", async () => {
  const pagemap = pagemapOf(PRESENT);
  const { message } = await rejectsWith("ERR_AXI_NO_PAGE_FRAME_NUMBERS", () => pagemap.frameOf(0n));
  assert.match(message, "CAP_SYS_ADMIN");
  pagemap.close();
});

test("refuses a pagemap that is not there", async () => {
  await rejectsWith("ERR_AXI_NO_PAGEMAP", () => new Pagemap("/nonexistent/pagemap"));
});

test("reads many entries at once, and calls those past the end absent", () => {
  const pagemap = pagemapOf(PRESENT | 7n, 0n, PRESENT | 9n);
  assert.equal(pagemap.framesOf(0n, 5), [7, undefined, 9, undefined, undefined]);
  pagemap.close();
});

test.run();
