import type { DmaEngine, DmaTransfer, RegisterCondition, RegisterDescription, TransferStart } from "./description";
import type { JsonValue } from "./json-value";
import { ALL_BITS, maskOf, type RegisterTable } from "./register-table";

const ENGINE_KEYS = [
  ...["address", "length", "alignmentBytes", "burstBytes", "parameters", "transfers", "busyWithinUs"],
];
const TRANSFER_KEYS = ["name", "direction", "start", "address", "length", "idle", "done", "busyWithinUs"];
const LENGTH_ENCODINGS = ["units", "units-minus-one"] as const;
const WHAT = "a DMA engine";

/** AXI4: a burst does not cross a boundary of this many bytes. */
const BURST_BOUNDARY_BYTES = 4096;
const MAX_TRANSFER_BYTES = 2 ** 40;
/**
 * A device that shows later that it is at work has to show when it is done. The virtual board lets as much time pass for a
 * core between a start and its answer to it.
 */
export const MAX_BUSY_WITHIN_US = 10;

/**
 * Reads what a description says of a device's bus manager. Address and length stand in the engine, or in a transfer that
 * has its own.
 *
 * @throws AxiscriptError ERR_AXI_DESCRIPTION
 */
export function readDma(value: JsonValue, table: RegisterTable): DmaEngine | "none" | "unchecked" {
  if (value.value === "none" || value.value === "unchecked") return value.value;
  if (typeof value.value === "string") {
    throw value.error(
      `Cannot use ${value.shown} as ${WHAT}: it is an object, "none" for a device without one, or "unchecked" for one ` +
        "that cannot be described, which takes --allow-unchecked-dma.",
    );
  }
  value.properties(WHAT, ENGINE_KEYS);
  const transfers = value
    .need("transfers", WHAT)
    .elements("the transfers")
    .map((inner) => ({ inner, transfer: readTransfer(inner, value, table) }));
  if (transfers.length === 0) throw value.need("transfers", WHAT).error("Cannot use an engine without transfers.");
  for (const [index, { inner, transfer }] of transfers.entries()) {
    if (transfers.slice(0, index).some((before) => before.transfer.name === transfer.name)) {
      throw inner.error(`Cannot use transfer ${transfer.name}: another one has that name.`);
    }
  }
  const own = transfers.flatMap(({ transfer }) => [
    ...[transfer.start.register, transfer.address.low, transfer.address.high, transfer.length.register],
  ]);
  checkStarts(value, transfers);
  return {
    transfers: transfers.map(({ transfer }) => transfer),
    parameters: readParameters(value.get("parameters"), table, own),
    alignmentBytes: readPowerOfTwo(value.need("alignmentBytes", WHAT)),
    burstBytes: readPowerOfTwo(value.need("burstBytes", WHAT)),
  };
}

function readTransfer(value: JsonValue, engine: JsonValue, table: RegisterTable): DmaTransfer {
  value.properties("a transfer", TRANSFER_KEYS);
  const start = readStart(value.need("start", "a transfer"), table);
  return {
    name: value.need("name", "a transfer").text("a transfer's name"),
    direction: value.need("direction", "a transfer").oneOf("a direction", ["reads", "writes"]),
    start,
    address: readAddress(value.get("address") ?? engine.need("address", WHAT), table),
    length: readLength(value.get("length") ?? engine.need("length", WHAT), table),
    idle: readOwnIdle(value.get("idle"), table),
    done: readDone(value.get("done"), table),
    busyWithinUs: readBusyWithin(value.get("busyWithinUs") ?? engine.get("busyWithinUs"), start),
  };
}

function readStart(value: JsonValue, table: RegisterTable): TransferStart {
  const reference = table.find(value);
  const register = writable(value, reference.register);
  const mask = maskOf(reference);
  return {
    ...{ register, mask },
    anyWrite: mask === ALL_BITS,
    isPulse: mask !== ALL_BITS && reference.field?.access === "pulse" && register.access !== "WO",
  };
}

/** Two starts in one register that overlap, and are not one and the same, cannot be told apart. */
function checkStarts(engine: JsonValue, transfers: readonly { inner: JsonValue; transfer: DmaTransfer }[]): void {
  for (const [index, { inner, transfer }] of transfers.entries()) {
    for (const { transfer: before } of transfers.slice(0, index)) {
      const [one, other] = [before.start, transfer.start];
      if (one.register !== other.register || one.mask === other.mask || (one.mask & other.mask) === 0) continue;
      throw (inner.get("start") ?? engine).error(
        `Cannot start transfer ${transfer.name} so: some of the bits start transfer ${before.name}, too.`,
      );
    }
  }
}

function readOwnIdle(list: JsonValue | undefined, table: RegisterTable): readonly RegisterCondition[] | undefined {
  const conditions = list?.elements("a list of conditions").map((condition) => table.readCondition(condition));
  if (list && conditions?.length === 0) throw list.error("Cannot tell when a transfer is idle by no conditions.");
  return conditions;
}

function readDone(value: JsonValue | undefined, table: RegisterTable): DmaTransfer["done"] {
  if (!value) return undefined;
  const { register, masked } = table.readValues(value, "read");
  return { register, value: masked };
}

function readBusyWithin(value: JsonValue | undefined, start: TransferStart): number | undefined {
  if (!value) return undefined;
  const us = value.integer("a number of microseconds", 0, MAX_BUSY_WITHIN_US);
  if (start.isPulse) return us;
  throw value.error(
    `Cannot say how soon the device is at work after a write of ${start.register.name}: that counts from when a start of ` +
      'access "pulse" reads 0 again. Say by "done" how a transfer shows that it has ended.',
  );
}

function readAddress(value: JsonValue, table: RegisterTable): DmaTransfer["address"] {
  value.properties("an address", ["low", "high", "bits"]);
  const lowValue = value.need("low", "an address");
  const highValue = value.get("high");
  const low = addressRegister(lowValue, table);
  const high = highValue && addressRegister(highValue, table);
  if (highValue && high === low) throw highValue.error("Cannot use one register for both halves of an address.");
  const bits = value.need("bits", "an address").integer("a number of address bits", high ? 33 : 1, high ? 64 : 32);
  return { low, high, bits };
}

/** A core whose bus has 32 bits takes the halves of a wider register one after the other, in an order of its own. */
function addressRegister(value: JsonValue, table: RegisterTable): RegisterDescription {
  const register = table.findWhole(value);
  if (register.widthBits === 32) return writable(value, register);
  throw value.error(
    `Cannot use register ${register.name} as an address: it has 64 bits, and in which order a device takes its halves ` +
      'cannot be said. Describe two registers of 32 bits, and name them as "low" and "high".',
  );
}

function readLength(value: JsonValue, table: RegisterTable): DmaTransfer["length"] {
  value.properties("a length", ["bytes", "register", "unitBytes", "encoding"]);
  const registerValue = value.get("register");
  const fixed = value.get("bytes");
  const encoding = value.get("encoding");
  if (fixed && registerValue) throw value.error("Cannot use both bytes and register as a length: it is one of them.");
  if (encoding && !registerValue) throw encoding.error("Cannot encode a length that is in no register.", "key");
  if (fixed) return { register: undefined, bytes: fixed.integer("a length in bytes", 1, MAX_TRANSFER_BYTES) };
  if (!registerValue) throw value.error('Cannot use this as a length: it has "bytes", or "register" and "unitBytes".');
  const reference = table.find(registerValue);
  if ((reference.field?.leastBit ?? 0) !== 0) {
    throw registerValue.error(`Cannot use ${registerValue.shown} as a length: the field does not begin at bit 0.`);
  }
  return {
    register: writable(registerValue, reference.register),
    mask: maskOf(reference),
    unitBytes: value.get("unitBytes")?.integer("a unit in bytes", 1, BURST_BOUNDARY_BYTES) ?? 1,
    extraUnits: encoding?.oneOf("a length's encoding", LENGTH_ENCODINGS) === "units-minus-one" ? 1 : 0,
  };
}

function readParameters(
  list: JsonValue | undefined,
  table: RegisterTable,
  own: readonly (RegisterDescription | undefined)[],
): readonly RegisterDescription[] {
  const found = new Set<RegisterDescription>();
  for (const value of list?.elements("the parameters") ?? []) {
    for (const register of table.findAll(value)) {
      writable(value, register);
      if (own.includes(register)) {
        throw value.error(`Cannot use ${register.name} as a parameter: it is a start, address or length register.`);
      }
      if (found.has(register)) throw value.error(`Cannot use ${register.name} as a parameter twice.`);
      found.add(register);
    }
  }
  return [...found];
}

/** A register of 32 bits that software writes, and that may be read at any time. */
function writable(value: JsonValue, register: RegisterDescription): RegisterDescription {
  const { name, access, widthBits, readSideEffect } = register;
  if (access === "RO") throw value.error(`Cannot use register ${name} in ${WHAT}: it is RO.`);
  // The gate reads what it holds back when the device is opened.
  if (readSideEffect !== undefined) {
    throw value.error(`Cannot use register ${name} in ${WHAT}: reading it has a side effect (${readSideEffect}).`);
  }
  if (widthBits !== 32) throw value.error(`Cannot use register ${name} in ${WHAT}: it has ${widthBits} bits, not 32.`);
  return register;
}

function readPowerOfTwo(value: JsonValue): number {
  const bytes = value.integer("a number of bytes", 1, BURST_BOUNDARY_BYTES);
  if (Number.isInteger(Math.log2(bytes))) return bytes;
  throw value.error(`Cannot use ${value.shown} as a number of bytes: it is a power of two.`);
}
