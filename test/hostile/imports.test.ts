import { closeSync, mkdirSync, openSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { VirtualBoard } from "../../host/board/board";
import { FpgaManager } from "../../host/linux/fpga-manager";
import { Sysroot } from "../../host/linux/sysroot";
import { checkWaitsWith } from "../../host/util/wait";
import { AxiscriptError } from "../../host/util/errors";
import { pageSizeBytes } from "../../host/native/libc";
import { ABI_TABLE } from "../../host/runtime/abi/abi";
import { ScriptExit } from "../../host/runtime/run/run-guard";
import { firmwareOf, HostInstance } from "../support/host-instance";
import { Random, scaled } from "../support/random";
import { settledResources } from "../support/resources";
import { temporaryDirectory } from "../support/temporary";

const test = suite("every import, with every kind of wrong argument");

const CALLS = scaled(110_000);
const CALLS_OF_AN_INSTANCE = 400;
/** After a refusal the gate is shut: what is called then is called a few times only. */
const CALLS_AFTER_A_REFUSAL = 10;
/** What a wait may take, as of a script that is stopped. */
const DEADLINE_MS = 10;
const WASI = "wasi_snapshot_preview1";
/** -errno that the ABI's functions answer. */
const ERRNO = new Set([1, 2, 5, 12, 13, 14, 16, 17, 19, 22, 24, 95, 110, 116]);
const LAST_WASI_ERRNO = 76;
/** What V8 and Node throw where this package's own code is wrong. */
const PROGRAMMING_ERRORS = [TypeError, RangeError, ReferenceError, SyntaxError, EvalError, URIError];

/** Texts that lie in the memory, for names, notes and paths. */
const TEXTS = [
  ...["AxiTrafficGen", "hpc", "hp", "acp", "AxiProxy", "AxiTimer", "uio0", "uio1", "uio99", ""],
  ...firmwareOf("axi_traffic_gen"),
  ...["/etc/passwd", "../../../../etc/passwd", "/", ".", "..", "a\0b", "\ud800", "%s%n", "x".repeat(300)],
  ...["ERR_AXI_TIMEOUT", "ERR_AXI_INTERRUPTED", "__proto__", "constructor", "note"],
  ...["file", "directory", "directory/file", "link", "loop", "directory/../file", "./file", "new", "granted"],
] as const;
const NUMBERS = [
  ...[0, 1, -1, 2, 3, 4, 5, 7, 8, 15, 16, 31, 32, 63, 64, 65, 127, 128, 255, 256, 257, 1023, 1024],
  ...[4095, 4096, 4097, 8192, 65535, 65536, 65537, 0x7fffffff, -0x80000000, -0x7fffffff, -2, -4, -64, -4096, -65536],
];
const REGISTERS = [0x00, 0x04, 0x08, 0x0c, 0x10, 0x14, 0x20, 0x30, 0x40, 0x44, 0x50, 0x54, 0x58];

/** Names of parameters by what a script gives for them; the others are numbers. */
const POINTERS =
  /Ptr$|^(argv|argvBuffer|environ|environBuffer|count|bufferSize|resolution|time|buffer|stat|iovs|read|written|position|prestat|path|newPath|oldPath|used|opened|subscriptions|events|occurred|message|file|accepted|received|outFlags|data)$/;
const LENGTHS = /(Length|lengthBytes|capacity|iovsLength|bufferLength)$/;

interface Function {
  readonly module: string;
  readonly name: string;
  readonly parameters: readonly { readonly name: string; readonly type: string }[];
  readonly result: string | undefined;
  /** How many times less often than others it is called. */
  readonly rarity: number;
}

const RARE: Record<string, number> = {
  // What the gate refuses ends a script's life, and a new one takes time to make.
  ...Object.fromEntries(
    ["read32", "write32", "read64", "write64", "poll32", "idle_when"].map((name) => [`axiscript:uio@1.${name}`, 8]),
  ),
  "axiscript:fpga@1.program": 40,
  "axiscript:fpga@1.remove": 40,
  "axiscript:error@1.note": 2,
};

const FUNCTIONS: readonly Function[] = [...ABI_TABLE].flatMap(([module, functions]) =>
  [...functions].map(([name, { signature, parameters }]) => ({
    ...{ module, name, result: signature.results[0] },
    parameters: parameters.map((parameter, index) => ({
      name: parameter,
      type: signature.parameters[index] ?? "",
    })),
    rarity: RARE[`${module}.${name}`] ?? 1,
  })),
);

/** What one script knows: what it has open, and what it was given. */
class Attacker {
  readonly #random: Random;
  readonly #host: HostInstance;
  readonly #texts: [pointer: number, length: number][];
  readonly #windows: number[] = [];
  readonly #regions: number[] = [];

  constructor(random: Random, host: HostInstance) {
    this.#random = random;
    this.#host = host;
    let at = 64;
    this.#texts = TEXTS.map((text) => {
      const placed = host.text(at, text);
      at += placed[1];
      return placed;
    });
  }

  /** Arguments for a function. Names come with their lengths, as a rule. */
  arguments({ parameters }: Function): (number | bigint)[] {
    this.#prepareMemory();
    let text: number | undefined;
    return parameters.map(({ name, type }, index) => {
      if (text !== undefined) {
        const length = text;
        text = undefined;
        return length;
      }
      const next = parameters[index + 1]?.name ?? "";
      if (POINTERS.test(name) && /(name|note|path|code|message|bitstream|overlay)(Ptr)?$/i.test(name)) {
        if (LENGTHS.test(next) && !this.#random.oneIn(4)) {
          const [pointer, length] = this.#random.pick(this.#texts);
          text = length;
          return pointer;
        }
      }
      return type === "i64" ? this.#long() : this.#number(name);
    });
  }

  /** Remembers what it was given. */
  learn({ name }: Function, args: readonly (number | bigint)[], result: number | bigint | undefined): void {
    if (["open", "open_shared", "open_map"].includes(name) && Number(result) >= 0) this.#windows.push(Number(result));
    if (name === "region_create" && Number(result) > 0) this.#regions.push(Number(result));
    if (name === "region_free" && this.#random.oneIn(2)) this.#regions.splice(0, this.#regions.length - 8);
    if (name === "close" && args.length > 1) this.#windows.splice(0, this.#windows.length - 8);
  }

  #number(name: string): number {
    const random = this.#random;
    if (random.oneIn(12)) return random.oneIn(2) ? random.int32() : random.pick(NUMBERS);
    const usual = this.#usual(name);
    return random.oneIn(10) ? (usual + random.pick([-1, 1, 4, -4, 64, 256])) | 0 : usual;
  }

  #usual(name: string): number {
    const random = this.#random;
    if (name === "window") return this.#windows.length > 0 ? random.pick(this.#windows) : random.pick([0, 1, 256]);
    if (name === "region") return this.#regions.length > 0 ? random.pick(this.#regions) : 1;
    if (name === "offset") return random.pick(REGISTERS);
    if (name === "timeoutMs") return random.pick([0, 1, 2, -1, 0x80000000 | 0]);
    if (name === "backing") return random.pick([0, 0, 0, 1, 2, 3, 3]);
    if (name === "alignment") return random.pick([1, 64, 4096, 3, 0]);
    if (name === "fd" || name === "newFd" || name === "from" || name === "to") return random.below(9);
    if (POINTERS.test(name)) return this.#pointer();
    if (LENGTHS.test(name)) return this.#length();
    return random.pick(NUMBERS);
  }

  #pointer(): number {
    const random = this.#random;
    const end = this.#host.memory.bytes.byteLength;
    const whole = pageSizeBytes * random.below(end / pageSizeBytes);
    return random.pick([
      whole,
      whole + 64 * random.below(64),
      whole + random.below(pageSizeBytes),
      end - random.below(80),
    ]);
  }

  #length(): number {
    const random = this.#random;
    return random.pick([
      0,
      1,
      4,
      16,
      48,
      64,
      64 * random.below(200),
      pageSizeBytes * random.below(20),
      random.below(70000),
    ]);
  }

  #long(): bigint {
    const random = this.#random;
    const { baseAddress, bytes } = this.#host.memory;
    const near = baseAddress + BigInt(random.below(bytes.byteLength));
    return random.pick([
      ...[near, near, near, baseAddress - 1n, baseAddress + BigInt(bytes.byteLength)],
      ...[0n, 1n, -1n, -(2n ** 63n), 2n ** 63n - 1n, 1n << 40n, random.int64(), BigInt(random.below(1000))],
    ]);
  }

  /** Puts numbers into memory that mean something to functions which read from it. */
  #prepareMemory(): void {
    const random = this.#random;
    const { memory } = this.#host;
    if (random.oneIn(200) && memory.bytes.byteLength < 24 * 65536) memory.memory.grow(1);
    const data = new DataView(memory.memory.buffer);
    for (let words = random.below(6); words > 0; words--) {
      const at = 8 * random.below(data.byteLength / 8 - 1);
      data.setInt32(at, this.#pointer(), true);
      data.setInt32(at + 4, this.#length(), true);
    }
  }
}

/** Why an outcome is none of those that are documented; `undefined`: it is. */
function objection({ module, result: type }: Function, outcome: { result: unknown } | { thrown: unknown }): unknown {
  if ("thrown" in outcome) {
    const { thrown } = outcome;
    if (thrown instanceof ScriptExit) return undefined;
    if (!(thrown instanceof AxiscriptError)) return thrown;
    return isProgrammingError(thrown.cause) ? thrown.cause : undefined;
  }
  const { result } = outcome;
  const isWasiErrno = Number(result) >= 0 && Number(result) <= LAST_WASI_ERRNO;
  const expected = type === undefined ? "undefined" : type === "i64" ? "bigint" : "number";
  return typeof result === expected && (module !== WASI || type === undefined || isWasiErrno)
    ? undefined
    : { gave: result };
}

function isProgrammingError(error: unknown): boolean {
  return PROGRAMMING_ERRORS.some((kind) => error instanceof kind);
}

/** Registers hold any number; every other function of the ABI gives what is not negative, or -errno. */
function isErrno({ module, name }: Function, result: number | bigint | undefined): boolean {
  const isRegister = ["read32", "read64"].includes(name);
  return module !== WASI && !isRegister && result !== undefined && result < 0;
}

/** Files that a script may use: one of each sort. */
function grantedFiles(): string {
  const directory = join(temporaryDirectory(), "granted");
  mkdirSync(join(directory, "directory"), { recursive: true });
  writeFileSync(join(directory, "file"), "content");
  writeFileSync(join(directory, "directory/file"), Buffer.alloc(10_000, 1));
  symlinkSync("../../../etc/passwd", join(directory, "link"));
  symlinkSync("loop", join(directory, "loop"));
  return directory;
}

test("the host answers with a result, a documented errno, or an error of its own, and touches nothing else", async () => {
  const random = new Random();
  const directory = grantedFiles();
  const stream = openSync("/dev/null", "r+");
  const board = new VirtualBoard();
  const fpga = new FpgaManager(new Sysroot(board.sysroot));
  fpga.program(...firmwareOf("axi_traffic_gen"));
  const bystander = new HostInstance(board, { stream });
  bystander.memory.bytes.fill(0xa5);
  bystander.deviceMemory.translate(0, bystander.memory.bytes.byteLength);
  const untouched = Buffer.from(bystander.memory.bytes);
  const called = new Map<string, number>(FUNCTIONS.map(({ module, name }) => [`${module}.${name}`, 0]));
  let total = 0;
  let instances = 0;

  /** One script's life; how many calls it made. */
  const live = () => {
    // Files only below a directory that is made for it: the calls are random.
    const devices = { device: true, uncheckedDma: true, fpga: true, dma: true, physicalAddresses: true } as const;
    const permissions = { allow: { ...devices, env: true, read: [directory], write: [directory] } } as const;
    const host = new HostInstance(board, { stream, permissions, pages: 8 });
    const attacker = new Attacker(random, host);
    let left = CALLS_OF_AN_INSTANCE;
    try {
      while (left-- > 0) {
        const call = random.pick(FUNCTIONS);
        if (!random.oneIn(call.rarity)) continue;
        const args = attacker.arguments(call);
        const name = `${call.module}.${call.name}`;
        called.set(name, (called.get(name) ?? 0) + 1);
        total++;
        const fail = (what: unknown) => {
          const shown = args.map(String).join(", ");
          const reason = what instanceof Error ? (what.stack ?? what.message) : String(what);
          throw new Error(`${name}(${shown}), call ${total}, ${random.seed}: ${reason}`);
        };
        const deadline = performance.now() + (call.name === "program" ? 3000 : DEADLINE_MS);
        checkWaitsWith(() => {
          if (performance.now() > deadline) throw new AxiscriptError("ERR_AXI_ABORTED", "the deadline has passed");
        });
        let outcome: { result: number | bigint | undefined } | { thrown: unknown };
        try {
          outcome = { result: host.call(call.module, call.name, ...args) };
        } catch (thrown) {
          outcome = { thrown };
        }
        const wrong = objection(call, outcome);
        if (wrong !== undefined) fail(wrong);
        if ("result" in outcome) attacker.learn(call, args, outcome.result);
        if ("result" in outcome && isErrno(call, outcome.result)) {
          if (!ERRNO.has(-Number(outcome.result))) fail(`gave ${outcome.result}`);
          try {
            host.call("axiscript:error@1", "raise");
          } catch (reason) {
            if (!(reason instanceof AxiscriptError) || isProgrammingError(reason.cause)) {
              fail(reason instanceof AxiscriptError ? reason.cause : reason);
            }
          }
        }
        if (host.gate.refusal) left = Math.min(left, CALLS_AFTER_A_REFUSAL);
      }
    } finally {
      checkWaitsWith();
      host.close();
    }
  };

  live();
  const before = await settledResources();
  while (total < CALLS) {
    live();
    if (++instances % 100 === 0 && !fpga.isProgrammed()) fpga.program(...firmwareOf("axi_traffic_gen"));
  }
  assert.equal(await settledResources(), before);
  assert.is(Buffer.compare(bystander.memory.bytes, untouched), 0, "memory of another script has changed");
  const least = CALLS / 500 / Math.max(...FUNCTIONS.map(({ rarity }) => rarity));
  const seldom = [...called].filter(([, count]) => count < least);
  assert.equal(seldom, [], "functions that were hardly called");
  bystander.close();
  await board.stop();
  closeSync(stream);
});

test.run();
