import { uioRead32, uioWrite32 } from "./abi";
import { PhysicalAddress } from "./address";
import { CACHE_LINE_BYTES } from "./cache-line";
import { fail } from "./errors";
import { hex, hex32 } from "./format";
import { refusePartialLine } from "./lent";
import { Logger } from "./log";
import { AxiProxyCONFIG_AXI, AxiProxyRegisters, AxiProxySTATS } from "./registers/axi-proxy";
import * as core from "./transfer-core";
import { UioDevice } from "./uio";

const ID_VALUE: u32 = 0xa8122081;
const READY: u32 = core.READY_WR | core.READY_RD;
/** 128 bits. */
const DATA_WORDS: i32 = 4;

const logger = new Logger("AxiProxy");

/** What a read brought. */
export class ReadResult {
  /** The first 16 bytes at the address: 4 words of 32 bits. */
  readonly words: StaticArray<u32> = new StaticArray<u32>(DATA_WORDS);
  /** How long the transfer took, in clock cycles of the core (4 ns); the counter has 10 bits and wraps. */
  cycles: i32 = 0;
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
  timeoutMs: i32 = core.DEFAULT_TIMEOUT_MS;

  /**
   * Checks that the device is an AXI Proxy before anything else is touched.
   *
   * @param device an open device; ERR_AXI_WRONG_DEVICE if its ID register says that it is something else
   */
  constructor(device: UioDevice) {
    super(device);
    core.requireCore(device, "an AXI Proxy", ID_VALUE);
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
      AxiProxyCONFIG_AXI.CACHE(cache) | AxiProxyCONFIG_AXI.PROT(prot) | AxiProxyCONFIG_AXI.USER(user),
    );
  }

  /**
   * Has the FPGA read 64 bytes; the first 16 come back.
   *
   * @param physicalAddress a multiple of 64, below 2^40
   * @param into a result to fill, for loops that read often: to make one takes as long as the register accesses. Absent:
   *   a new one
   */
  read(physicalAddress: PhysicalAddress, into: ReadResult | null = null): ReadResult {
    const window = this.begin("read", physicalAddress);
    const outcome = core.transfer(window, physicalAddress, core.START_RD, core.DONE_RD, this.timeoutMs);
    this.check("read", physicalAddress, outcome);
    const result = into ? into : new ReadResult();
    result.cycles = readData(window, changetype<usize>(result.words));
    this.end("read", physicalAddress, window);
    return result;
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
    refusePartialLine(this.device, physicalAddress);
    const window = this.begin("write", physicalAddress);
    for (let i = 0; i < DATA_WORDS; i++) {
      const offset = AxiProxyRegisters.DATA_WR_OFFSET + <u32>i * AxiProxyRegisters.DATA_WR_STRIDE;
      uioWrite32(window, offset, <u32>words[i]);
    }
    this.check(
      "write",
      physicalAddress,
      core.transfer(window, physicalAddress, core.START_WR, core.DONE_WR, this.timeoutMs),
    );
    const stats = changetype<AxiProxySTATS>(<usize>uioRead32(window, AxiProxyRegisters.STATS_OFFSET));
    this.end("write", physicalAddress, window);
    return stats.CNTR_WR;
  }

  /** Takes the device for a transfer that the core and the bus can do; gives its window. */
  private begin(action: string, physicalAddress: PhysicalAddress): i32 {
    if (!core.isTransferable(physicalAddress, CACHE_LINE_BYTES, CACHE_LINE_BYTES)) this.refuse(action, physicalAddress);
    this.device.acquire(this.timeoutMs);
    const window = this.device.window;
    this.check(action, physicalAddress, core.makeReady(window, READY, this.timeoutMs));
    return window;
  }

  private end(action: string, physicalAddress: PhysicalAddress, window: i32): void {
    this.check(action, physicalAddress, core.clearDone(window, this.timeoutMs));
    this.device.release();
  }

  private check(action: string, physicalAddress: PhysicalAddress, outcome: i32): void {
    if (outcome != core.OK) this.failed(action, physicalAddress, outcome);
  }

  private failed(action: string, physicalAddress: PhysicalAddress, outcome: i32): void {
    core.failTransfer(this.device, action + " " + hex(physicalAddress), outcome, this.timeoutMs);
  }

  private refuse(action: string, physicalAddress: PhysicalAddress): void {
    const advice = " (one cache line; use a CacheLineArray)";
    core.refuseRange(this.device, action, physicalAddress, CACHE_LINE_BYTES, CACHE_LINE_BYTES, advice);
  }
}

/** Stores the words of a read at `words`; gives how long it took. */
function readData(window: i32, words: usize): i32 {
  for (let i: u32 = 0; i < <u32>DATA_WORDS; i++) {
    const word = uioRead32(window, AxiProxyRegisters.DATA_RD_OFFSET + i * AxiProxyRegisters.DATA_RD_STRIDE);
    store<u32>(words + i * sizeof<u32>(), word);
  }
  return changetype<AxiProxySTATS>(<usize>uioRead32(window, AxiProxyRegisters.STATS_OFFSET)).CNTR_RD;
}
