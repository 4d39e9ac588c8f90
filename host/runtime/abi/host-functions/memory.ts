import { CACHE_MODES } from "../../../linux/u-dma-buf";
import { DEVICE_USES } from "../../../memory/device-memory";
import { BACKINGS } from "../../../memory/overlays";
import type { ScatterGatherList } from "../../../memory/scatter-gather";
import type { HostFunctions } from "../abi";
import type { Permission, Recorded } from "../../permissions/permission";
import { choose, type HostResults } from "./results";
import type { HostServices } from "./services";

const DMA: Permission = { name: "dma" };
const PHYSICAL_ADDRESSES: Permission = { name: "physical-addresses" };
const SIDES = ["cpu", "device"] as const;

/** Bytes of a segment as scripts see it: physicalAddress and lengthBytes, 64 bits each. */
const SEGMENT_BYTES = 16;

/** The script's own memory, as devices see it. */
export function memoryFunctions(
  { memory, permissions, deviceMemory }: HostServices,
  { number, done, address }: HostResults,
): HostFunctions["axiscript:memory@1"] {
  const requireDma = (recorded: Recorded = "first") => permissions.require(DMA, recorded);
  const pinnedMemory = () => {
    requireDma();
    return deviceMemory();
  };
  // Asked at every address: recorded once.
  const requireAddresses = () => permissions.require(PHYSICAL_ADDRESSES, "first");
  const writeSegments = (list: () => ScatterGatherList, segmentsPtr: number, capacity: number) =>
    number(() => {
      const count = capacity >>> 0;
      const target = memory.view(segmentsPtr, count * SEGMENT_BYTES);
      const segments = list();
      // Growth in between, by a mechanism that needs room, detaches the first view.
      const view = target.byteLength > 0 || count === 0 ? target : memory.view(segmentsPtr, count * SEGMENT_BYTES);
      const data = new DataView(view.buffer, view.byteOffset, view.byteLength);
      for (let index = 0; index < Math.min(count, segments.length); index++) {
        const { physicalAddress, lengthBytes } = segments.at(index);
        data.setBigUint64(index * SEGMENT_BYTES, physicalAddress, true);
        data.setBigUint64(index * SEGMENT_BYTES + 8, BigInt(lengthBytes), true);
      }
      return segments.length;
    });

  return {
    virtual_address: (guestPtr: number) =>
      address(() => {
        requireAddresses();
        memory.view(guestPtr, 1);
        return memory.baseAddress + BigInt(guestPtr >>> 0);
      }),
    physical_address: (virtualAddress: bigint) =>
      address(() => {
        requireAddresses();
        return pinnedMemory().physicalAddressOf(BigInt.asUintN(64, virtualAddress));
      }),
    translate: (guestPtr: number, lengthBytes: number, segmentsPtr: number, capacity: number) =>
      writeSegments(
        () => {
          requireAddresses();
          return pinnedMemory().translate(guestPtr >>> 0, lengthBytes >>> 0);
        },
        segmentsPtr,
        capacity,
      ),
    block_bytes: (backing: number) => number(() => pinnedMemory().blockBytes(choose("backing", BACKINGS, backing))),
    region_create: (guestPtr: number, lengthBytes: number, backing: number, alignment: number, cache: number) =>
      number(() => {
        requireDma("each");
        return deviceMemory().create({
          guestPtr: guestPtr >>> 0,
          lengthBytes: lengthBytes >>> 0,
          backing: choose("backing", BACKINGS, backing),
          alignment: alignment >>> 0,
          cache: choose("cache mode", CACHE_MODES, cache),
        });
      }),
    region_segments: (region: number, segmentsPtr: number, capacity: number) =>
      writeSegments(
        () => {
          requireAddresses();
          return pinnedMemory().segments(region);
        },
        segmentsPtr,
        capacity,
      ),
    region_verify: (region: number) => done(() => pinnedMemory().verify(region)),
    region_sync: (region: number, side: number) => done(() => pinnedMemory().sync(region, choose("side", SIDES, side))),
    region_restrict: (region: number, use: number) =>
      done(() => pinnedMemory().restrict(region, choose("use", DEVICE_USES, use))),
    region_free: (region: number) => number(() => (pinnedMemory().free(region) ? 0 : 1)),
  };
}
