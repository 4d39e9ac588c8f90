import { PhysicalAddress } from "./address";
import { DmaBuffer } from "./dma-buffer";
import { fail } from "./errors";
import { hex, hex32 } from "./format";
import { refusePartialLine } from "./lent";
import { Logger } from "./log";
import { AxiTrafficGenCONFIG_AXI, AxiTrafficGenRegisters } from "./registers/axi-traffic-gen";
import { Segment } from "./segment";
import * as core from "./transfer-core";
import { UioDevice } from "./uio";

const ID_VALUE: u32 = 0xa8172a9e;

/** 4 beats of 16 bytes. */
const BURST_BYTES: u64 = 64;

const logger = new Logger("AxiTrafficGen");

/** What one transfer, or several, came to. */
export class TrafficResult {
  constructor(
    /** How long it took, in clock cycles of the core (4 ns). */
    public cycles: u64 = 0,
    /** Of a read: how many beats of 16 bytes equalled the pattern. */
    public beatsOk: u64 = 0,
  ) {}
}

/**
 * Driver for the AXI Traffic Generator: has the FPGA write a counting pattern over a range of memory, or read a range and
 * count what matches. Beat k of a transfer, 16 bytes, is the 128-bit number k. The core's registers are members.
 * Source: the IP's register description and state machines.
 *
 * @example
 * const generator = new AxiTrafficGen(UioDevice.open("AxiTrafficGen", "hpc"));
 * generator.configAxi(0xf, 0x2, 0x1);
 * const buffer = DmaBuffer.alloc(1 << 20);
 * const written = generator.writeBuffer(buffer);
 * const read = generator.readBuffer(buffer);
 */
export class AxiTrafficGen extends AxiTrafficGenRegisters {
  /** How long a transfer may take before the script ends with ERR_AXI_TRANSFER_TIMEOUT. */
  timeoutMs: i32 = core.DEFAULT_TIMEOUT_MS;

  /**
   * Checks that the device is an AXI Traffic Generator before anything else is touched.
   *
   * @param device an open device; ERR_AXI_WRONG_DEVICE if its ID register says that it is something else
   */
  constructor(device: UioDevice) {
    super(device);
    core.requireCore(device, "an AXI Traffic Generator", ID_VALUE);
  }

  /** Logs ID and version. */
  printInfo(): void {
    logger.info("id  = " + hex32(this.ID_REG));
    logger.info("ver = " + hex32(this.VERSION.value));
  }

  /**
   * Sets the side-band signals of all further transfers. Used so far: HP 0, 0, 0; HPC and ACP 15, 2, 1.
   *
   * @param cache AxCACHE, 0 to 15
   * @param prot AxPROT, 0 to 7
   * @param user AxUSER, 0 to 3
   */
  configAxi(cache: u32, prot: u32, user: u32): void {
    core.requireSideBand(this.device, cache, prot, user);
    this.writeCONFIG_AXI(
      AxiTrafficGenCONFIG_AXI.CACHE(cache) | AxiTrafficGenCONFIG_AXI.PROT(prot) | AxiTrafficGenCONFIG_AXI.USER(user),
    );
  }

  /**
   * Has the FPGA write the pattern. Lines that an array has only in part are refused: see `CacheLineArray` and `DmaBuffer`.
   *
   * @param physicalAddress a multiple of 64; the range is contiguous, and ends below 2^40
   * @param bursts how many times 64 bytes, 1 or more
   * @returns how long it took, in clock cycles of the core
   */
  write(physicalAddress: PhysicalAddress, bursts: u32): u32 {
    this.requireRange("write", physicalAddress, bursts);
    refusePartialLine(this.device, physicalAddress, bursts * BURST_BYTES);
    this.transfer("write", physicalAddress, bursts, core.START_WR, core.READY_WR, core.DONE_WR);
    const cycles = this.CNTR_WR_CYC;
    this.end("write");
    return cycles;
  }

  /**
   * Has the FPGA read a range and compare it with the pattern.
   *
   * @param physicalAddress a multiple of 64; the range is contiguous, and ends below 2^40
   * @param bursts how many times 64 bytes, 1 or more
   */
  read(physicalAddress: PhysicalAddress, bursts: u32): TrafficResult {
    this.requireRange("read", physicalAddress, bursts);
    this.transfer("read", physicalAddress, bursts, core.START_RD, core.READY_RD, core.DONE_RD);
    const result = new TrafficResult(this.CNTR_RD_CYC, this.CNTR_RD_OK);
    this.end("read");
    return result;
  }

  /**
   * As `write`, over the segments of a buffer, one after the other. The pattern begins anew in each.
   *
   * @param buffer its segments are whole cache lines: what `DmaBuffer.alloc` gives
   */
  writeBuffer(buffer: DmaBuffer): TrafficResult {
    const result = new TrafficResult();
    const segments = buffer.segments;
    for (let i = 0; i < segments.length; i++) {
      result.cycles += this.write(segments[i].physicalAddress, this.burstsOf(segments[i]));
    }
    return result;
  }

  /** As `read`, over the segments of a buffer that `writeBuffer` has filled. */
  readBuffer(buffer: DmaBuffer): TrafficResult {
    const result = new TrafficResult();
    const segments = buffer.segments;
    for (let i = 0; i < segments.length; i++) {
      const part = this.read(segments[i].physicalAddress, this.burstsOf(segments[i]));
      result.cycles += part.cycles;
      result.beatsOk += part.beatsOk;
    }
    return result;
  }

  private burstsOf(segment: Segment): u32 {
    if (segment.lengthBytes % BURST_BYTES != 0) {
      fail(
        "ERR_AXI_UNALIGNED",
        `Cannot use a segment of ${segment.lengthBytes} bytes with ${this.device.toString()}: a transfer has whole bursts of ${BURST_BYTES}. Allocate the buffer with DmaBuffer.alloc.`,
      );
    }
    return <u32>(segment.lengthBytes / BURST_BYTES);
  }

  /** Refuses what the core or the bus cannot do. */
  private requireRange(action: string, physicalAddress: PhysicalAddress, bursts: u32): void {
    if (bursts == 0) {
      fail(
        "ERR_AXI_BAD_ARGUMENT",
        `Cannot ${action} through ${this.device.toString()}: a transfer has 1 burst or more, found 0.`,
      );
    }
    const lengthBytes = bursts * BURST_BYTES;
    if (core.isTransferable(physicalAddress, lengthBytes, BURST_BYTES)) return;
    core.refuseRange(this.device, action, physicalAddress, lengthBytes, BURST_BYTES, " (one burst; use a DmaBuffer)");
  }

  /** Takes the device and makes a transfer. */
  private transfer(
    action: string,
    physicalAddress: PhysicalAddress,
    bursts: u32,
    start: u32,
    ready: u32,
    done: u32,
  ): void {
    this.device.acquire(this.timeoutMs);
    const window = this.device.window;
    this.check(action, core.makeReady(window, ready, this.timeoutMs));
    this.LENGTH = bursts;
    const outcome = core.transfer(window, physicalAddress, start, done, this.timeoutMs);
    this.check(`${action} ${bursts} bursts from ${hex(physicalAddress)} on`, outcome);
  }

  private end(action: string): void {
    this.check(action, core.clearDone(this.device.window, this.timeoutMs));
    this.device.release();
  }

  private check(what: string, outcome: i32): void {
    if (outcome != core.OK) core.failTransfer(this.device, what, outcome, this.timeoutMs);
  }
}
