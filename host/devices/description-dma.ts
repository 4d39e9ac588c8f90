import type { DmaEngine, DmaTransfer, RegisterDescription } from "./description";
import type { JsonValue } from "./json-value";
import { maskOf, type RegisterTable } from "./register-table";

const ENGINE_KEYS = ["address", "length", "alignmentBytes", "burstBytes", "parameters", "transfers"];
const TRANSFER_KEYS = ["name", "direction", "start", "address", "length"];
const WHAT = "a DMA engine";

/** AXI4: a burst does not cross a boundary of this many bytes. */
const BURST_BOUNDARY_BYTES = 4096;
const MAX_TRANSFER_BYTES = 2 ** 40;

/**
 * Reads what a description says of a device's bus manager. Address and length stand in the engine, or in a transfer that
 * has its own.
 *
 * @throws AxiscriptError ERR_AXI_DESCRIPTION
 */
export function readDma(value: JsonValue, table: RegisterTable): DmaEngine | "none" {
  if (value.value === "none") return "none";
  if (typeof value.value === "string") {
    throw value.error(`Cannot use ${value.shown} as ${WHAT}: it is an object, or "none" for a device without one.`);
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
  return {
    transfers: transfers.map(({ transfer }) => transfer),
    parameters: readParameters(value.get("parameters"), table, own),
    alignmentBytes: readPowerOfTwo(value.need("alignmentBytes", WHAT)),
    burstBytes: readPowerOfTwo(value.need("burstBytes", WHAT)),
  };
}

function readTransfer(value: JsonValue, engine: JsonValue, table: RegisterTable): DmaTransfer {
  value.properties("a transfer", TRANSFER_KEYS);
  const start = value.need("start", "a transfer");
  const reference = table.find(start);
  writable(start, reference.register);
  return {
    name: value.need("name", "a transfer").text("a transfer's name"),
    direction: value.need("direction", "a transfer").oneOf("a direction", ["reads", "writes"]),
    start: { register: reference.register, mask: maskOf(reference) },
    address: readAddress(value.get("address") ?? engine.need("address", WHAT), table),
    length: readLength(value.get("length") ?? engine.need("length", WHAT), table),
  };
}

function readAddress(value: JsonValue, table: RegisterTable): DmaTransfer["address"] {
  value.properties("an address", ["low", "high", "bits"]);
  const lowValue = value.need("low", "an address");
  const highValue = value.get("high");
  const low = writable(lowValue, table.findWhole(lowValue), highValue ? [32] : [32, 64]);
  const high = highValue && writable(highValue, table.findWhole(highValue));
  if (highValue && high === low) throw highValue.error("Cannot use one register for both halves of an address.");
  const bits = value
    .need("bits", "an address")
    .integer("a number of address bits", high ? 33 : 1, high || low.widthBits === 64 ? 64 : 32);
  return { low, high, bits };
}

function readLength(value: JsonValue, table: RegisterTable): DmaTransfer["length"] {
  value.properties("a length", ["bytes", "register", "unitBytes"]);
  const registerValue = value.get("register");
  const fixed = value.get("bytes");
  if (fixed && registerValue) throw value.error("Cannot use both bytes and register as a length: it is one of them.");
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

/** A register that software writes, and that may be read at any time; of 32 bits unless other widths are named. */
function writable(
  value: JsonValue,
  register: RegisterDescription,
  widths: readonly number[] = [32],
): RegisterDescription {
  const { name, access, widthBits, readSideEffect } = register;
  if (access === "RO") throw value.error(`Cannot use register ${name} in ${WHAT}: it is RO.`);
  // The gate reads what it holds back when the device is opened.
  if (readSideEffect !== undefined) {
    throw value.error(`Cannot use register ${name} in ${WHAT}: reading it has a side effect (${readSideEffect}).`);
  }
  if (!widths.includes(widthBits)) {
    throw value.error(`Cannot use register ${name} in ${WHAT}: it has ${widthBits} bits, not ${widths.join(" or ")}.`);
  }
  return register;
}

function readPowerOfTwo(value: JsonValue): number {
  const bytes = value.integer("a number of bytes", 1, BURST_BOUNDARY_BYTES);
  if (Number.isInteger(Math.log2(bytes))) return bytes;
  throw value.error(`Cannot use ${value.shown} as a number of bytes: it is a power of two.`);
}
