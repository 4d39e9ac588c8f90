import { PhysicalAddress } from "./address";
import { CACHE_LINE_BYTES } from "./cache-line";
import { fail } from "./errors";
import { hex, hex32 } from "./format";
import { refusePartialLine } from "./lent";
import { Logger } from "./log";
import { AxiProxyCONFIG_AXI, AxiProxyCONTROL, AxiProxyRegisters, AxiProxySTATUS } from "./registers/axi-proxy";
import { UioDevice } from "./uio";

const ID_VALUE: u32 = 0xa8122081;

const DONE: u32 = AxiProxySTATUS.DONE_WR | AxiProxySTATUS.DONE_RD;
const READY: u32 = AxiProxySTATUS.READY_WR | AxiProxySTATUS.READY_RD;
const START: u32 = AxiProxyCONTROL.START_WR | AxiProxyCONTROL.START_RD;

const CACHE_MAX: u32 = 0xf;
const PROT_MAX: u32 = 0x7;
const USER_MAX: u32 = 0x3;

/** The core's bus has 40 address bits. */
const ADDRESS_LIMIT: u64 = 1 << 40;
/** 128 bits. */
const DATA_WORDS: i32 = 4;
const DEFAULT_TIMEOUT_MS: i32 = 1000;

const logger = new Logger("AxiProxy");

/** What a read brought. */
export class ReadResult {
  constructor(
    /** The first 16 bytes at the address: 4 words of 32 bits. */
    readonly words: StaticArray<u32>,
    /** How long the transfer took, in clock cycles of the core (4 ns); the counter has 10 bits and wraps. */
    readonly cycles: i32,
  ) {}
}

/**
 * Driver for the AXI Proxy: has the FPGA read or write one cache line of memory. The core's registers are members.
 * Source: the IP's register description and state machine.
 *
 * @example
 * const proxy = new AxiProxy(UioDevice.open("AxiProxy", "hpc"));
 * proxy.configAxi(0xf, 0x2, 0x1);
 * const data = proxy.read(paddr);
 */
export class AxiProxy extends AxiProxyRegisters {
  /** How long a transfer may take before the script ends with ERR_AXI_TRANSFER_TIMEOUT. */
  timeoutMs: i32 = DEFAULT_TIMEOUT_MS;

  /**
   * Checks that the device is an AXI Proxy before anything else is touched.
   *
   * @param device an open device; ERR_AXI_WRONG_DEVICE if its ID register says that it is something else
   */
  constructor(device: UioDevice) {
    super(device);
    const id = this.ID_REG;
    if (id != ID_VALUE) {
      fail(
        "ERR_AXI_WRONG_DEVICE",
        `Cannot use device ${device.toString()} as an AXI Proxy: its ID register reads ${hex32(id)}, an AXI Proxy's is ${hex32(ID_VALUE)}.`,
      );
    }
    // The pulse first: when it is gone, STATUS tells.
    device.idleWhen(AxiProxyRegisters.CONTROL_OFFSET, START, 0);
    device.idleWhen(AxiProxyRegisters.STATUS_OFFSET, READY, READY);
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
      AxiProxyCONFIG_AXI.CACHE(cache) | AxiProxyCONFIG_AXI.PROT(prot) | AxiProxyCONFIG_AXI.USER(user),
    );
  }

  /**
   * Has the FPGA read 64 bytes; the first 16 come back.
   *
   * @param physicalAddress a multiple of 64, below 2^40
   */
  read(physicalAddress: PhysicalAddress): ReadResult {
    this.device.acquire(this.timeoutMs);
    this.prepare("read", physicalAddress);
    this.transfer("read", physicalAddress, AxiProxyCONTROL.START_RD, AxiProxySTATUS.DONE_RD);
    const words = new StaticArray<u32>(DATA_WORDS);
    for (let i = 0; i < DATA_WORDS; i++) words[i] = this.readDATA_RD(i);
    const cycles = this.STATS.CNTR_RD;
    this.clearDone();
    this.device.release();
    return new ReadResult(words, cycles);
  }

  /**
   * Has the FPGA write 64 bytes: the words, then 48 bytes of zeros. A line that an array has only in part is refused: see
   * `CacheLineArray` and `DmaBuffer`.
   *
   * @param physicalAddress a multiple of 64, below 2^40
   * @param words exactly 4 numbers, in any kind of array of 32-bit integers
   * @returns how long the transfer took, in clock cycles of the core (4 ns)
   */
  write<T extends ArrayLike<number>>(physicalAddress: PhysicalAddress, words: T): i32 {
    if (words.length != DATA_WORDS) {
      fail(
        "ERR_AXI_WORD_COUNT",
        `Cannot write through ${this.device.toString()}: a write takes exactly ${DATA_WORDS} words of 32 bits, found ${words.length}.`,
      );
    }
    refusePartialLine(this.device.toString(), physicalAddress);
    this.device.acquire(this.timeoutMs);
    this.prepare("write", physicalAddress);
    for (let i = 0; i < DATA_WORDS; i++) this.writeDATA_WR(i, <u32>words[i]);
    this.transfer("write", physicalAddress, AxiProxyCONTROL.START_WR, AxiProxySTATUS.DONE_WR);
    const cycles = this.STATS.CNTR_WR;
    this.clearDone();
    this.device.release();
    return cycles;
  }

  /** Refuses what the core or the bus cannot do, and sets the address. */
  private prepare(action: string, physicalAddress: PhysicalAddress): void {
    if (physicalAddress % CACHE_LINE_BYTES != 0) {
      fail(
        "ERR_AXI_UNALIGNED",
        `Cannot ${action} through ${this.device.toString()}: a physical address is a multiple of ${CACHE_LINE_BYTES} (one cache line), current value is ${hex(physicalAddress)}. Use a CacheLineArray.`,
      );
    }
    if (physicalAddress >= ADDRESS_LIMIT) {
      fail(
        "ERR_AXI_ADDRESS_RANGE",
        `Cannot ${action} through ${this.device.toString()}: the core's bus has 40 address bits, current value is ${hex(physicalAddress)}.`,
      );
    }
    const status = this.STATUS.value;
    if ((status & READY) != READY) {
      fail(
        "ERR_AXI_NOT_READY",
        `Cannot ${action} through ${this.device.toString()}: the device is not ready for a transfer, STATUS reads ${hex32(status)}. Wait for the one that is under way, or program the FPGA again.`,
      );
    }
    // A DONE bit that somebody left set would make this transfer look done before it began.
    this.clearDone();
    this.ADDR_HI = <u32>(physicalAddress >> 32);
    this.ADDR_LO = <u32>physicalAddress;
  }

  private transfer(action: string, physicalAddress: PhysicalAddress, start: u32, done: u32): void {
    this.writeCONTROL(start);
    if (!this.pollSTATUS(done, done, this.timeoutMs)) {
      fail(
        "ERR_AXI_TRANSFER_TIMEOUT",
        `Cannot ${action} ${hex(physicalAddress)} through ${this.device.toString()}: the transfer did not finish within ${this.timeoutMs} ms, STATUS reads ${hex32(this.STATUS.value)}.`,
      );
    }
  }

  /** DONE stays set until it is cleared. Waits until it is, so that the pulse is not overtaken by the next one. */
  private clearDone(): void {
    if ((this.STATUS.value & DONE) == 0) return;
    this.pulseCONTROL_DONE_CLEAR();
    if (!this.pollSTATUS(DONE, 0, this.timeoutMs)) {
      fail(
        "ERR_AXI_TRANSFER_TIMEOUT",
        `Cannot use ${this.device.toString()}: DONE_CLEAR had no effect within ${this.timeoutMs} ms, STATUS reads ${hex32(this.STATUS.value)}.`,
      );
    }
  }
}
