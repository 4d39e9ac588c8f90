import { uioPoll32, uioRead32, uioWrite32 } from "./abi";
import { PhysicalAddress } from "./address";
import { fail } from "./errors";
import { hex, hex32 } from "./format";
import { UioDevice } from "./uio";

/**
 * What the AXI Proxy and the AXI Traffic Generator have in common: a start bit, a DONE bit and a READY bit for each
 * direction, and the address of a transfer, in the same registers.
 *
 * ```
 *   0x00  ID_REG   0x10  STATUS       0x20  CONFIG_AXI   0x40  ADDR_LO
 *   0x04  VERSION  0x14  CONTROL                         0x44  ADDR_HI
 * ```
 *
 * What runs in each transfer takes a device's window: for an object, a function keeps book for the garbage collector, and
 * that takes longer than a register access. What ends the script is in functions of its own for the same reason.
 */
const ID_REG: u32 = 0x00;
const STATUS: u32 = 0x10;
const CONTROL: u32 = 0x14;
const ADDR_LO: u32 = 0x40;
const ADDR_HI: u32 = 0x44;

/** Bits of CONTROL (START, DONE_CLEAR) and of STATUS (DONE, READY). */
export const START_WR: u32 = 1 << 0;
export const START_RD: u32 = 1 << 1;
export const DONE_WR: u32 = 1 << 0;
export const DONE_RD: u32 = 1 << 1;
export const READY_WR: u32 = 1 << 8;
export const READY_RD: u32 = 1 << 9;
const DONE_CLEAR: u32 = 1 << 8;

const CACHE_MAX: u32 = 0xf;
const PROT_MAX: u32 = 0x7;
const USER_MAX: u32 = 0x3;

/** The cores' bus has 40 address bits. */
const ADDRESS_LIMIT: u64 = 1 << 40;

/** Result of a poll that took too long: -ETIMEDOUT. */
const TIMED_OUT: i32 = -110;

/** How long a transfer may take unless the script says so. */
export const DEFAULT_TIMEOUT_MS: i32 = 1000;

/** What came of a step of a transfer. */
export const OK: i32 = 0;
const NOT_READY: i32 = 1;
const NOT_DONE: i32 = 2;
const NOT_CLEARED: i32 = 3;

/**
 * Ends the script unless a device is what its driver is for; says how it shows that it is idle, for the case that it has no
 * description.
 *
 * @param kind `an AXI Proxy`
 * @param expected what its ID register reads
 */
export function requireCore(device: UioDevice, kind: string, expected: u32): void {
  const id = device.read32(ID_REG);
  if (id != expected) {
    fail(
      "ERR_AXI_WRONG_DEVICE",
      `Cannot use device ${device.toString()} as ${kind}: its ID register reads ${hex32(id)}, ${kind}'s is ${hex32(expected)}.`,
    );
  }
  // The pulse first: when it is gone, STATUS tells.
  device.idleWhen(CONTROL, START_WR | START_RD, 0);
  device.idleWhen(STATUS, READY_WR | READY_RD, READY_WR | READY_RD);
}

/** Ends the script unless the side-band signals of transfers have no more bits than the bus. */
export function requireSideBand(device: UioDevice, cache: u32, prot: u32, user: u32): void {
  if (cache > CACHE_MAX || prot > PROT_MAX || user > USER_MAX) {
    fail(
      "ERR_AXI_BAD_ARGUMENT",
      `Cannot configure ${device.toString()}: cache is 0 to 15, prot 0 to 7, user 0 to 3; current values are ${cache}, ${prot}, ${user}.`,
    );
  }
}

/** Whether a range of bursts is one that the bus can do. */
export function isTransferable(physicalAddress: PhysicalAddress, lengthBytes: u64, burstBytes: u64): bool {
  return (
    physicalAddress % burstBytes == 0 &&
    physicalAddress < ADDRESS_LIMIT &&
    lengthBytes <= ADDRESS_LIMIT - physicalAddress
  );
}

/**
 * Ends the script because of a range that is not `isTransferable`.
 *
 * @param action `read`
 * @param advice where good addresses come from
 */
export function refuseRange(
  device: UioDevice,
  action: string,
  physicalAddress: PhysicalAddress,
  lengthBytes: u64,
  burstBytes: u64,
  advice: string,
): void {
  if (physicalAddress % burstBytes != 0) {
    fail(
      "ERR_AXI_UNALIGNED",
      `Cannot ${action} through ${device.toString()}: a physical address is a multiple of ${burstBytes}${advice}, current value is ${hex(physicalAddress)}.`,
    );
  }
  fail(
    "ERR_AXI_ADDRESS_RANGE",
    `Cannot ${action} ${lengthBytes} bytes through ${device.toString()}: the core's bus has 40 address bits, and they begin at ${hex(physicalAddress)}.`,
  );
}

/**
 * Sees that the core takes a transfer. A DONE bit that somebody left set would make it look done before it began, and some
 * cores take nothing before it is cleared.
 *
 * @param ready the bits of STATUS that must be set
 * @returns `OK`, or what to `failTransfer` with
 */
export function makeReady(window: i32, ready: u32, timeoutMs: i32): i32 {
  let status = uioRead32(window, STATUS);
  if ((status & (DONE_WR | DONE_RD)) != 0) {
    if (clearDone(window, timeoutMs) != OK) return NOT_CLEARED;
    status = uioRead32(window, STATUS);
  }
  return (status & ready) == ready ? OK : NOT_READY;
}

/** Starts a transfer and waits until it is done. The result is that of `makeReady`. */
export function transfer(window: i32, physicalAddress: PhysicalAddress, start: u32, done: u32, timeoutMs: i32): i32 {
  uioWrite32(window, ADDR_HI, <u32>(physicalAddress >> 32));
  uioWrite32(window, ADDR_LO, <u32>physicalAddress);
  uioWrite32(window, CONTROL, start);
  return uioPoll32(window, STATUS, done, done, timeoutMs) == TIMED_OUT ? NOT_DONE : OK;
}

/**
 * Clears DONE, which stays set until then. Waits until it is gone, so that the pulse is not overtaken by the next one. The
 * result is that of `makeReady`.
 */
export function clearDone(window: i32, timeoutMs: i32): i32 {
  uioWrite32(window, CONTROL, DONE_CLEAR);
  return uioPoll32(window, STATUS, DONE_WR | DONE_RD, 0, timeoutMs) == TIMED_OUT ? NOT_CLEARED : OK;
}

/**
 * Ends the script because of a transfer that went wrong.
 *
 * @param what `read 0x1000`
 * @param outcome what came of a step of it
 */
export function failTransfer(device: UioDevice, what: string, outcome: i32, timeoutMs: i32): void {
  const status = `STATUS reads ${hex32(device.read32(STATUS))}`;
  const cannot = `Cannot ${what} through ${device.toString()}: `;
  if (outcome == NOT_READY) {
    fail(
      "ERR_AXI_NOT_READY",
      `${cannot}the device is not ready for a transfer, ${status}. Wait for the one that is under way, or program the FPGA again.`,
    );
  }
  const reason = outcome == NOT_DONE ? "the transfer did not finish" : "DONE_CLEAR had no effect";
  // A pulse that is still there has not been taken by the core.
  const control = `CONTROL ${hex32(device.read32(CONTROL))}`;
  fail("ERR_AXI_TRANSFER_TIMEOUT", `${cannot}${reason} within ${timeoutMs} ms, ${status} and ${control}.`);
}
