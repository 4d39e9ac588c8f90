/** What accelerator scripts import. */
export { AxiProxy, ReadResult } from "./axi-proxy";
export { AxiTrafficGen, TrafficResult } from "./axi-traffic-gen";
export { AxiTimer } from "./axi-timer";
export { PhysicalAddress, VirtualAddress } from "./address";
export { CACHE_LINE_BYTES } from "./cache-line";
export { CacheLineArray } from "./cache-line-array";
export { Backing, Cache, Contiguous, DeviceUse, DmaBuffer, DmaOptions } from "./dma-buffer";
export { DmaView } from "./dma-view";
export { check, fail, note } from "./errors";
export { readFile, readText, writeFile, writeText } from "./files";
export { hex, hex32, list } from "./format";
export { FpgaManager } from "./fpga-manager";
export { Logger, logging } from "./log";
export { translate, VirtualToPhysical, virtualAddressOf } from "./memory";
export { Segment } from "./segment";
export { UioDevice } from "./uio";
export {
  AxiProxyCONFIG_AXI,
  AxiProxyCONTROL,
  AxiProxyRegisters,
  AxiProxySTATS,
  AxiProxySTATUS,
  AxiProxyVERSION,
} from "./registers/axi-proxy";
export { AxiTimerRegisters, AxiTimerTCSR0, AxiTimerTCSR1 } from "./registers/axi-timer";
export {
  AxiTrafficGenCONFIG,
  AxiTrafficGenCONFIG_AXI,
  AxiTrafficGenCONTROL,
  AxiTrafficGenRegisters,
  AxiTrafficGenSTATUS,
  AxiTrafficGenVERSION,
} from "./registers/axi-traffic-gen";
