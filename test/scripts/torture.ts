/**
 * Transfers without end between an AXI Proxy and every kind of memory that a device may be given, each of them checked.
 * Arguments: seconds, most transfers, `read-only` to have the device write nothing, `until-moved` to end when a page was
 * found elsewhere. Prints one line of JSON.
 */
import {
  AxiProxy,
  CacheLineArray,
  DmaBuffer,
  FpgaManager,
  note,
  Segment,
  UioDevice,
  virtualAddressOf,
} from "axiscript/assembly";
import { regionVerify } from "../../assembly/abi";

const LINE_BYTES: usize = 64;
const PAGE_BYTES: usize = 4096;
const WORDS: i32 = 4;
/** Targets that live at the same time. */
const POOL: i32 = 24;
const FENCE_BYTES: i32 = 192;
const KINDS: StaticArray<string> = [
  "StaticArray",
  "ArrayBuffer",
  "Uint8Array",
  "CacheLineArray",
  "pages",
  "transparent huge pages",
  "hugetlb",
  "u-dma-buf",
];
const FIRST_BACKED: i32 = 4;
const GROWTH_LIMIT_PAGES: i32 = 8192;
const PROGRESS_MS: i64 = 1000;
const TIMEOUT_MS: i32 = 30_000;

const seconds = <i64>parseInt(process.argv[1]);
const mostTransfers = <i32>parseInt(process.argv[2]);
const readOnly = process.argv.length > 3 && process.argv[3] == "read-only";

const fpga = new FpgaManager();
const firmware = "/lib/firmware/xilinx/axi_proxy/axi_proxy";
if (fpga.isPresent && !fpga.isProgrammed()) fpga.programBitstream(firmware + ".bit.bin", firmware + ".dtbo");
const proxies: StaticArray<AxiProxy> = [
  new AxiProxy(UioDevice.open("AxiProxy", "hp")),
  new AxiProxy(UioDevice.open("AxiProxy", "hpc")),
  new AxiProxy(UioDevice.open("AxiProxy", "acp")),
];

// What is tortured is memory: a machine in such a state, or one that is virtual itself, may leave the thread behind these
// devices without a core for seconds.
for (let i = 0; i < proxies.length; i++) proxies[i].timeoutMs = TIMEOUT_MS;

const untilMoved = process.argv.includes("until-moved");

let randomState: u32 = 0x9e3779b9;
function random(below: u32): u32 {
  randomState ^= randomState << 13;
  randomState ^= randomState >> 17;
  randomState ^= randomState << 5;
  return randomState % below;
}

let transfers: i32 = 0;
let wrongBytes: i32 = 0;
let movedPages: i32 = 0;
let allocations: i32 = 0;
let growths: i32 = 0;
let collections: i32 = 0;
let longestMs: i64 = 0;
const perKind = new StaticArray<i32>(KINDS.length);
const available = new StaticArray<bool>(KINDS.length).fill(true);

/** A piece of memory that the device is given, between two fences, and what should be in it. */
class Target {
  before: StaticArray<u8> = fence();
  after: StaticArray<u8>;
  shadow: Uint8Array;
  /** Physical address of each page that holds a byte of it, by pages from the first. */
  pages: StaticArray<u64>;

  constructor(
    readonly kind: i32,
    readonly buffer: DmaBuffer,
    readonly keeper: Object,
    public transfersLeft: i32,
  ) {
    const start = buffer.dataStart;
    const length = buffer.lengthBytes;
    this.after = fence();
    this.shadow = new Uint8Array(length);
    this.pages = pagesOf(start, buffer.segments);
    for (let i = 0; i < length; i++) store<u8>(start + i, <u8>random(256));
    memory.copy(this.shadow.dataStart, start, length);
  }

  /** Compares every byte with what it should be. */
  check(): void {
    const length = this.buffer.lengthBytes;
    if (memory.compare(this.buffer.dataStart, this.shadow.dataStart, length) != 0) {
      for (let i = 0; i < length; i++) {
        if (load<u8>(this.buffer.dataStart + i) != this.shadow[i]) wrongBytes++;
      }
      memory.copy(this.shadow.dataStart, this.buffer.dataStart, length);
    }
    this.checkFences();
  }

  checkFences(): void {
    wrongBytes += damageOf(this.before) + damageOf(this.after);
  }
}

function fence(): StaticArray<u8> {
  return new StaticArray<u8>(FENCE_BYTES).fill(0xa5);
}

function damageOf(bytes: StaticArray<u8>): i32 {
  let damage = 0;
  for (let i = 0; i < bytes.length; i++) if (unchecked(bytes[i]) != 0xa5) damage++;
  return damage;
}

function pagesOf(start: usize, segments: StaticArray<Segment>): StaticArray<u64> {
  const pages: u64[] = [];
  let at = start;
  for (let i = 0; i < segments.length; i++) {
    const end = at + <usize>segments[i].lengthBytes;
    let physical = segments[i].physicalAddress;
    while (at < end) {
      pages.push(physical - (at % PAGE_BYTES));
      const step = min<usize>(PAGE_BYTES - (at % PAGE_BYTES), end - at);
      at += step;
      physical += step;
    }
  }
  return StaticArray.fromArray<u64>(pages);
}

function create(wanted: i32): Target {
  let kind = wanted;
  while (!available[kind]) kind = <i32>random(KINDS.length);
  const length = 64 * (2 + <i32>random(300)) + <i32>random(64);
  const lifetime = 1 + <i32>random(800);
  allocations++;
  if (kind >= FIRST_BACKED) {
    // Under pressure there may be no huge page now.
    const buffer = DmaBuffer.alloc(length, { backing: kind - FIRST_BACKED, fallback: true });
    return new Target(FIRST_BACKED + buffer.backing, buffer, changetype<Object>(buffer), lifetime);
  }
  if (kind == 0) return lent<StaticArray<u8>>(kind, new StaticArray<u8>(length), lifetime);
  if (kind == 1) return lent<ArrayBuffer>(kind, new ArrayBuffer(length), lifetime);
  if (kind == 2) return lent<Uint8Array>(kind, new Uint8Array(length), lifetime);
  const lines = new CacheLineArray<u8>(length);
  return new Target(kind, DmaBuffer.of(lines), changetype<Object>(lines), lifetime);
}

/** The array itself is dropped here: only the DmaBuffer keeps it from the collector. */
function lent<T>(kind: i32, array: T, lifetime: i32): Target {
  const buffer = DmaBuffer.of<T>(array);
  return new Target(kind, buffer, changetype<Object>(buffer), lifetime);
}

function destroy(target: Target): void {
  target.check();
  target.buffer.free();
  if (target.kind == 3) changetype<CacheLineArray<u8>>(target.keeper).free();
}

/** One transfer to or from a random line that lies within the target; every address is verified before and after. */
function transfer(target: Target): void {
  const start = target.buffer.dataStart;
  const firstLine = (start + LINE_BYTES - 1) & ~(LINE_BYTES - 1);
  const lines = (start + target.buffer.lengthBytes - firstLine) / LINE_BYTES;
  const line = firstLine + <usize>random(<u32>lines) * LINE_BYTES;
  const page = <i32>(line / PAGE_BYTES - start / PAGE_BYTES);
  const physical = target.pages[page] + (line % PAGE_BYTES);
  const proxy = proxies[random(proxies.length)];
  const shadow = target.shadow.dataStart + (line - start);
  const started = Date.now();
  if (!readOnly && random(2) == 0) {
    const words: StaticArray<u32> = [random(u32.MAX_VALUE), random(u32.MAX_VALUE), random(u32.MAX_VALUE), transfers];
    proxy.write(physical, words);
    memory.fill(shadow, 0, LINE_BYTES);
    memory.copy(shadow, changetype<usize>(words), WORDS * sizeof<u32>());
  } else {
    const found = proxy.read(physical).words;
    if (memory.compare(changetype<usize>(found), shadow, WORDS * sizeof<u32>()) != 0 && !readOnly) wrongBytes++;
  }
  longestMs = max(longestMs, Date.now() - started);
  // The line itself and, where they are the target's, its neighbours.
  const from = max(line - LINE_BYTES, start);
  const to = min(line + 2 * LINE_BYTES, start + target.buffer.lengthBytes);
  if (memory.compare(from, target.shadow.dataStart + (from - start), to - from) != 0) target.check();
  target.checkFences();
  transfers++;
  perKind[target.kind] = perKind[target.kind] + 1;
}

/** Whether every page of a target is where it was. A moved one is counted, and the target replaced. */
function verified(target: Target): bool {
  // @ts-ignore: the region's number is the buffer's own business otherwise
  const result = regionVerify(load<i32>(changetype<usize>(target.buffer), offsetof<DmaBuffer>("region")));
  if (result == 0) return true;
  movedPages++;
  return false;
}

/** What the host counts of this process: told with where the memory lies. */
function takeStock(when: string): void {
  note(`${when} ${virtualAddressOf<usize>(0)} ${(<u64>memory.size()) << 16}`);
}

// Once each, so that what is opened once and stays is open. What this machine cannot provide is left out, and said.
for (let backing = 0; backing < KINDS.length - FIRST_BACKED; backing++) {
  const probe = DmaBuffer.alloc(64, { backing, fallback: true });
  available[FIRST_BACKED + backing] = probe.backing == backing;
  probe.free();
}
__collect();
takeStock("before");

const pool = new Array<Target>(0);
for (let i = 0; i < POOL; i++) pool.push(create(i % KINDS.length));

const started = Date.now();
let reported = started;
while (transfers < mostTransfers) {
  const now = Date.now();
  if (now - started >= seconds * 1000 || (untilMoved && movedPages > 0)) break;
  if (now - reported >= PROGRESS_MS) {
    reported = now;
    note(`progress ${transfers}`);
  }
  for (let i = 0; i < 100; i++) {
    const index = <i32>random(POOL);
    const target = pool[index];
    if (!verified(target)) {
      target.transfersLeft = 0;
    } else {
      transfer(target);
      if (!verified(target)) target.transfersLeft = 0;
    }
    if (--target.transfersLeft <= 0) {
      destroy(target);
      pool[index] = create(<i32>random(KINDS.length));
    }
  }
  // Garbage, collections and growth in between.
  for (let i = 0; i < 20; i++) new StaticArray<u8>(16 + <i32>random(2000)).fill(0x5a);
  if (random(50) == 0) {
    __collect();
    collections++;
  }
  if (random(50) == 0 && memory.size() < GROWTH_LIMIT_PAGES) {
    memory.grow(1);
    growths++;
  }
}

for (let i = 0; i < POOL; i++) destroy(pool[i]);
takeStock("after");

let kinds = "";
for (let i = 0; i < KINDS.length; i++) kinds += (i > 0 ? ", " : "") + '"' + KINDS[i] + '": ' + perKind[i].toString();
console.log(
  `{ "transfers": ${transfers}, "wrongBytes": ${wrongBytes}, "movedPages": ${movedPages}, "allocations": ${allocations}, "growths": ${growths}, "collections": ${collections}, "longestMs": ${longestMs}, "byKind": { ${kinds} } }`,
);
