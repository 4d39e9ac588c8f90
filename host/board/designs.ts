import { type FabricCore, type FabricDesign, writeBitstream } from "./bitstream";
import { cells, node, strings, writeDeviceTree } from "./device-tree";

/** What a board finds in its firmware directory. Addresses lie in the MPSoC's LPD-to-PL window. */
const DESIGNS: readonly FabricDesign[] = [
  {
    name: "axi_proxy",
    cores: [
      { kind: "axi-proxy", address: 0xa0000000, port: "hp" },
      { kind: "axi-proxy", address: 0xa0010000, port: "hpc" },
      { kind: "axi-proxy", address: 0xa0020000, port: "acp" },
    ],
  },
  {
    name: "axi_traffic_gen",
    cores: [
      { kind: "axi-traffic-gen", address: 0xa0040000, port: "hp" },
      { kind: "axi-traffic-gen", address: 0xa0050000, port: "hpc" },
      { kind: "axi-traffic-gen", address: 0xa0060000, port: "acp" },
    ],
  },
  // pl_ps_irq0[0] is shared peripheral interrupt 89. Source: Zynq UltraScale+ TRM (UG1085), system interrupts.
  { name: "axi_timer", cores: [{ kind: "axi-timer", address: 0xa0080000, interrupt: 89 }] },
];
const NODE_NAMES = { "axi-proxy": "AxiProxy", "axi-traffic-gen": "AxiTrafficGen", "axi-timer": "AxiTimer" } as const;
const REGISTER_BYTES = 0x1000;
/** Of the property `interrupts`. Source: kernel, bindings of the ARM GIC. */
const SHARED_PERIPHERAL_INTERRUPT = 0;
const LEVEL_HIGH = 4;

/** The firmware files of every design, by name: `DESIGN.bit.bin` and `DESIGN.dtbo`. */
export function firmware(): ReadonlyMap<string, Buffer> {
  const files = DESIGNS.flatMap((design): [string, Buffer][] => [
    [`${design.name}.bit.bin`, writeBitstream(design)],
    [`${design.name}.dtbo`, overlay(design)],
  ]);
  return new Map(files);
}

/** The overlay's source, as dtc would print it: fragment 0 programs the region, fragment 1 adds the devices. */
function overlay({ name, cores }: FabricDesign): Buffer {
  const root = node("", {}, [
    node("fragment@0", { "target-path": strings("/fpga-full") }, [
      node("__overlay__", { "firmware-name": strings(`${name}.bit.bin`) }),
    ]),
    node("fragment@1", { "target-path": strings("/axi") }, [
      node("__overlay__", { "#address-cells": cells(2), "#size-cells": cells(2) }, cores.map(device)),
    ]),
  ]);
  return writeDeviceTree(root);
}

function device(core: FabricCore) {
  return node(`${NODE_NAMES[core.kind]}@${core.address.toString(16)}`, {
    compatible: strings("generic-uio"),
    reg: cells(0, core.address, 0, REGISTER_BYTES),
    ...(core.kind === "axi-timer"
      ? { interrupts: cells(SHARED_PERIPHERAL_INTERRUPT, core.interrupt, LEVEL_HIGH) }
      : { "jan-note": strings(core.port) }),
  });
}
