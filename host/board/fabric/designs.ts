import { type FabricCore, type FabricDesign, writeBitstream } from "../kernel/fpga/bitstream";
import type { DeviceModelCore, DeviceModelDescription } from "../cores/device-model";
import { cells, node, strings, writeDeviceTree } from "../kernel/fpga/device-tree";

const REGISTER_BYTES = 0x1000;

/** A design, and the devices that its overlay adds for its cores. */
export interface Design {
  readonly design: FabricDesign;
  /** What the devices are called. */
  readonly deviceName: string;
  /** The length of their registers. */
  readonly registerBytes: number;
}

/** What every board finds in its firmware directory. Addresses lie in the MPSoC's LPD-to-PL window. */
export const BUILT_IN_DESIGNS: readonly Design[] = [
  {
    design: {
      name: "axi_proxy",
      cores: [
        { kind: "axi-proxy", address: 0xa0000000, port: "hp" },
        { kind: "axi-proxy", address: 0xa0010000, port: "hpc" },
        { kind: "axi-proxy", address: 0xa0020000, port: "acp" },
      ],
    },
    ...{ deviceName: "AxiProxy", registerBytes: REGISTER_BYTES },
  },
  {
    design: {
      name: "axi_traffic_gen",
      cores: [
        { kind: "axi-traffic-gen", address: 0xa0040000, port: "hp" },
        { kind: "axi-traffic-gen", address: 0xa0050000, port: "hpc" },
        { kind: "axi-traffic-gen", address: 0xa0060000, port: "acp" },
      ],
    },
    ...{ deviceName: "AxiTrafficGen", registerBytes: REGISTER_BYTES },
  },
  {
    // pl_ps_irq0[0] is shared peripheral interrupt 89. Source: Zynq UltraScale+ TRM (UG1085), system interrupts.
    design: { name: "axi_timer", cores: [{ kind: "axi-timer", address: 0xa0080000, interrupt: 89 }] },
    ...{ deviceName: "AxiTimer", registerBytes: REGISTER_BYTES },
  },
];
/** Of the property `interrupts`. Source: kernel, bindings of the ARM GIC. */
const SHARED_PERIPHERAL_INTERRUPT = 0;
const LEVEL_HIGH = 4;

/** The design that a model of the user's own asks for. */
export function designOf({ kind, uioName, registerBytes, cores }: DeviceModelDescription): Design {
  return {
    design: { name: kind, cores: cores.map((core) => ({ ...core, kind: "user", model: kind })) },
    deviceName: uioName,
    registerBytes,
  };
}

/** The firmware files of designs, by name: `DESIGN.bit.bin` and `DESIGN.dtbo`. */
export function firmware(designs: readonly Design[]): ReadonlyMap<string, Buffer> {
  const files = designs.flatMap((each): [string, Buffer][] => [
    [`${each.design.name}.bit.bin`, writeBitstream(each.design)],
    [`${each.design.name}.dtbo`, overlay(each)],
  ]);
  return new Map(files);
}

/** The overlay's source, as dtc would print it: fragment 0 programs the region, fragment 1 adds the devices. */
function overlay(design: Design): Buffer {
  const { name, cores } = design.design;
  const root = node("", {}, [
    node("fragment@0", { "target-path": strings("/fpga-full") }, [
      node("__overlay__", { "firmware-name": strings(`${name}.bit.bin`) }),
    ]),
    node("fragment@1", { "target-path": strings("/axi") }, [
      node(
        "__overlay__",
        { "#address-cells": cells(2), "#size-cells": cells(2) },
        cores.map((core) => device(design, core)),
      ),
    ]),
  ]);
  return writeDeviceTree(root);
}

function device({ deviceName, registerBytes }: Design, core: FabricCore) {
  const { interrupt, port, note = port }: Partial<DeviceModelCore> = core;
  return node(`${deviceName}@${core.address.toString(16)}`, {
    compatible: strings("generic-uio"),
    // Without it today's kernels put the unit address into the device's name.
    "linux,uio-name": strings(deviceName),
    reg: cells(0, core.address, 0, registerBytes),
    ...(interrupt !== undefined && { interrupts: cells(SHARED_PERIPHERAL_INTERRUPT, interrupt, LEVEL_HIGH) }),
    ...(note !== undefined && { "jan-note": strings(note) }),
  });
}
