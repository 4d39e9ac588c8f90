import { PhysicalAddress } from "./address";
import { DmaBuffer } from "./dma-buffer";
import { fail } from "./errors";
import { hex, hex32 } from "./format";
import { refusePartialLine } from "./lent";
import { Logger } from "./log";
import {
  AxiTrafficGenCONFIG_AXI,
  AxiTrafficGenCONTROL,
  AxiTrafficGenRegisters,
  AxiTrafficGenSTATUS,
} from "./registers/axi-traffic-gen";
import { Segment } from "./segment";
import { UioDevice } from "./uio";

const ID_VALUE: u32 = 0xa8172a9e;

const READY: u32 = AxiTrafficGenSTATUS.READY_WR | AxiTrafficGenSTATUS.READY_RD;
const DONE: u32 = AxiTrafficGenSTATUS.DONE_WR | AxiTrafficGenSTATUS.DONE_RD;
const START: u32 = AxiTrafficGenCONTROL.START_WR | AxiTrafficGenCONTROL.START_RD;

const CACHE_MAX: u32 = 0xf;
const PROT_MAX: u32 = 0x7;
const USER_MAX: u32 = 0x3;

/** 4 beats of 16 bytes. */
const BURST_BYTES: u64 = 64;
/** The width of the bus is taken to be the AXI Proxy's: 40 address bits. */
const ADDRESS_LIMIT: u64 = 1 << 40;
const DEFAULT_TIMEOUT_MS: i32 = 1000;

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
  timeoutMs: i32 = DEFAULT_TIMEOUT_MS;

  /**
   * Checks that the device is an AXI Traffic Generator before anything else is touched.
   *
   * @param device an open device; ERR_AXI_WRONG_DEVICE if its ID register says that it is something else
   */
  constructor(device: UioDevice) {
    super(device);
    const id = this.ID_REG;
    if (id != ID_VALUE) {
      fail(
        "ERR_AXI_WRONG_DEVICE",
        `Cannot use device ${device.toString()} as an AXI Traffic Generator: its ID register reads ${hex32(id)}, an AXI Traffic Generator's is ${hex32(ID_VALUE)}.`,
      );
    }
    // The pulse first: when it is gone, STATUS tells.
    device.idleWhen(AxiTrafficGenRegisters.CONTROL_OFFSET, START, 0);
    device.idleWhen(AxiTrafficGenRegisters.STATUS_OFFSET, READY, READY);
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
    if (cache > CACHE_MAX || prot > PROT_MAX || user > USER_MAX) {
      fail(
        "ERR_AXI_BAD_ARGUMENT",
        `Cannot configure ${this.device.toString()}: cache is 0 to 15, prot 0 to 7, user 0 to 3; current values are ${cache}, ${prot}, ${user}.`,
      );
    }
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
    this.device.acquire(this.timeoutMs);
    this.prepare("write", physicalAddress, bursts);
    refusePartialLine(this.device.toString(), physicalAddress, bursts * BURST_BYTES);
    this.transfer(
      "write",
      physicalAddress,
      bursts,
      AxiTrafficGenCONTROL.START_WR,
      AxiTrafficGenSTATUS.READY_WR,
      AxiTrafficGenSTATUS.DONE_WR,
    );
    const cycles = this.CNTR_WR_CYC;
    this.clearDone("write");
    this.device.release();
    return cycles;
  }

  /**
   * Has the FPGA read a range and compare it with the pattern.
   *
   * @param physicalAddress a multiple of 64; the range is contiguous, and ends below 2^40
   * @param bursts how many times 64 bytes, 1 or more
   */
  read(physicalAddress: PhysicalAddress, bursts: u32): TrafficResult {
    this.device.acquire(this.timeoutMs);
    this.prepare("read", physicalAddress, bursts);
    this.transfer(
      "read",
      physicalAddress,
      bursts,
      AxiTrafficGenCONTROL.START_RD,
      AxiTrafficGenSTATUS.READY_RD,
      AxiTrafficGenSTATUS.DONE_RD,
    );
    const result = new TrafficResult(this.CNTR_RD_CYC, this.CNTR_RD_OK);
    this.clearDone("read");
    this.device.release();
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
  private prepare(action: string, physicalAddress: PhysicalAddress, bursts: u32): void {
    if (bursts == 0) {
      fail(
        "ERR_AXI_BAD_ARGUMENT",
        `Cannot ${action} through ${this.device.toString()}: a transfer has 1 burst or more, found 0.`,
      );
    }
    if (physicalAddress % BURST_BYTES != 0) {
      fail(
        "ERR_AXI_UNALIGNED",
        `Cannot ${action} through ${this.device.toString()}: a physical address is a multiple of ${BURST_BYTES} (one burst), current value is ${hex(physicalAddress)}. Use a DmaBuffer.`,
      );
    }
    if (physicalAddress >= ADDRESS_LIMIT || bursts * BURST_BYTES > ADDRESS_LIMIT - physicalAddress) {
      fail(
        "ERR_AXI_ADDRESS_RANGE",
        `Cannot ${action} ${bursts} bursts from ${hex(physicalAddress)} on through ${this.device.toString()}: the core's bus has 40 address bits.`,
      );
    }
  }

  private transfer(
    action: string,
    physicalAddress: PhysicalAddress,
    bursts: u32,
    start: u32,
    ready: u32,
    done: u32,
  ): void {
    // The core takes nothing before DONE is cleared, whoever left it set.
    this.clearDone(action);
    const status = this.STATUS.value;
    if ((status & ready) == 0) {
      fail(
        "ERR_AXI_NOT_READY",
        `Cannot ${action} through ${this.device.toString()}: the device is not ready for a transfer, STATUS reads ${hex32(status)}. Wait for the one that is under way, or program the FPGA again.`,
      );
    }
    this.LENGTH = bursts;
    this.ADDR_HI = <u32>(physicalAddress >> 32);
    this.ADDR_LO = <u32>physicalAddress;
    this.writeCONTROL(start);
    if (!this.pollSTATUS(done, done, this.timeoutMs)) {
      fail(
        "ERR_AXI_TRANSFER_TIMEOUT",
        `Cannot ${action} ${bursts} bursts from ${hex(physicalAddress)} on through ${this.device.toString()}: the transfer did not finish within ${this.timeoutMs} ms, STATUS reads ${hex32(this.STATUS.value)}.`,
      );
    }
  }

  /** Waits until DONE is cleared, so that the pulse is not overtaken by the next one. */
  private clearDone(action: string): void {
    if ((this.STATUS.value & DONE) == 0) return;
    this.pulseCONTROL_DONE_CLEAR();
    if (!this.pollSTATUS(DONE, 0, this.timeoutMs)) {
      fail(
        "ERR_AXI_TRANSFER_TIMEOUT",
        `Cannot ${action} through ${this.device.toString()}: DONE_CLEAR had no effect within ${this.timeoutMs} ms, STATUS reads ${hex32(this.STATUS.value)}.`,
      );
    }
  }
}
