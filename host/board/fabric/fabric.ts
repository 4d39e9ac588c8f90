import { AxiProxyModel } from "../cores/axi-proxy";
import { BitstreamError, type FabricCore, type FabricDesign, type UserCoreWiring } from "../kernel/fpga/bitstream";
import type { BurstBus } from "./bus";
import type { MainMemory } from "../memory/main-memory";
import type { BoardRecord } from "./record";
import type { CoreModel } from "../cores/core-model";
import type { BoardInterrupt } from "./interrupt";
import { PortBus, type SideBand, snoops } from "./port";
import { type Port, PortTimer } from "./port-timing";
import { type Fault, sideBandOf } from "../cores/transfer-core";
import type { LoadedModel } from "../cores/user-core";

/** Faults by the port of the cores that have them. */
export type Faults = Partial<Record<Port, Fault>>;

/** How transfers of a user's core are marked: write-back, not secure. */
const COHERENT: SideBand = { cache: 0xf, prot: 2 };

/** A device that software has, as the fabric sees it. */
export interface FabricDevice {
  readonly device: {
    readonly nodeName: string;
    /** The shared peripheral interrupt that it waits for. */
    readonly interrupt: number | undefined;
  };
  /** Where software finds the registers at a bus address. */
  readonly maps: readonly { readonly range: { readonly address: number }; readonly registers: Int32Array }[];
  readonly interrupt: BoardInterrupt | undefined;
}

/** What the cores have in common. */
export interface FabricOptions {
  readonly bus: BurstBus;
  /** What ports see that do not snoop the processor's caches; absent: what the processor sees. */
  readonly mainMemory?: MainMemory | undefined;
  readonly faults: Faults;
  /** Gives numbers from 0 up to, not including, 1. */
  readonly random: () => number;
  /** Changes when another process may use the board; absent: there is one. */
  readonly openings?: () => number;
  /** Where transfers and writes to registers are put on record. */
  readonly record: BoardRecord | undefined;
  /** What the user brought, by kind. */
  readonly models?: ReadonlyMap<string, LoadedModel>;
  /** Takes a line for the kernel's log. */
  readonly log?: (message: string) => void;
}

/** A core that serves a device's registers. */
interface ConnectedCore {
  readonly core: FabricCore;
  readonly registers: Int32Array;
  readonly model: CoreModel;
  /** As the record calls it. */
  readonly name: string;
  /** What its interrupt line ends in, while that device is there. */
  interrupt: BoardInterrupt | undefined;
}

/** The FPGA: the cores that a bitstream configured, each serving the register file at its address. */
export class Fabric {
  readonly #options: FabricOptions;
  #cores: readonly FabricCore[] = [];
  /** By bus address. */
  #connected = new Map<number, ConnectedCore>();

  constructor(options: FabricOptions) {
    this.#options = options;
  }

  /** Whether there are registers at which software could write. */
  get hasCores(): boolean {
    return this.#connected.size > 0;
  }

  /** Whether a core is at work by itself. */
  get underWay(): boolean {
    for (const { model } of this.#connected.values()) if (model.underWay) return true;
    return false;
  }

  /**
   * Replaces the whole configuration. Registers are connected by {@link connect}.
   *
   * @throws BitstreamError for a core of which there is no model
   */
  configure(design: FabricDesign): void {
    for (const core of design.cores) if (core.kind === "user") this.#userModel(core);
    this.#cores = design.cores;
    this.#connected = new Map();
  }

  /**
   * Puts the register files of these devices on the bus. A device whose address holds no core reads as zeros. A core
   * whose device was removed goes on serving whoever has it mapped: an overlay that goes does not unprogram the FPGA.
   *
   * @param nodes all devices that there are
   */
  connect(nodes: readonly FabricDevice[]): void {
    this.#options.record?.devices(nodes.map(({ device }) => device.nodeName));
    for (const { range, registers } of nodes.flatMap(({ maps }) => maps)) {
      const core = this.#cores.find(({ address }) => address === range.address);
      if (!core) continue;
      const before = this.#connected.get(core.address);
      const connected = before?.registers === registers ? before : this.#tryConnect(core, registers);
      if (connected) this.#connected.set(core.address, connected);
    }
    for (const connected of this.#connected.values()) connected.interrupt = interruptOf(connected.core, nodes);
  }

  /** A model that has no room for its registers in a device's is left out. */
  #tryConnect(core: FabricCore, registers: Int32Array): ConnectedCore | undefined {
    try {
      return { ...this.#connect(core, registers), core, registers, interrupt: undefined };
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#options.log?.(
        `${nameOf(core)} does not answer: its device has ${registers.byteLength} bytes of registers, too few`,
      );
      return undefined;
    }
  }

  /** Lets every core look at its registers. True if one of them had something to do. */
  poll(): boolean {
    let active = false;
    for (const connected of this.#connected.values()) active = this.#pollOne(connected) || active;
    return active;
  }

  #pollOne({ model, interrupt, name }: ConnectedCore): boolean {
    let active = model.poll();
    if (!interrupt) return active;
    // What software wrote into the registers before it enabled or disabled the interrupt comes first: looking at the
    // registers again after each of these writes sees to that.
    while (interrupt.takeControl()) {
      model.poll();
      active = true;
    }
    if (!model.interrupt || !interrupt.handle()) return active;
    this.#options.record?.interrupt(name);
    return true;
  }

  /** Lets every core restore what software cannot write. */
  settle(): void {
    for (const { model } of this.#connected.values()) model.settle();
  }

  #connect(core: FabricCore, registers: Int32Array): Pick<ConnectedCore, "model" | "name"> {
    const { record } = this.#options;
    const model = this.#model(core, registers);
    const name = nameOf(core);
    if (record) model.onWrite((offset, value) => record.register({ core: name, offset, value }));
    return { model, name };
  }

  /** The models that a board without the design in question never needs are loaded here. */
  #model(core: FabricCore, registers: Int32Array): CoreModel {
    const { faults, random, openings } = this.#options;
    if (core.kind === "axi-timer") {
      const { AxiTimerModel } = require("../cores/axi-timer") as typeof import("../cores/axi-timer");
      return new AxiTimerModel(registers);
    }
    if (core.kind === "user") return this.#userCore(core, registers);
    const bus = this.#port(core.port, nameOf(core), () => sideBandOf(registers));
    if (core.kind === "axi-proxy") {
      return new AxiProxyModel(registers, bus, new PortTimer(core.port, random, openings), faults[core.port]);
    }
    const { AxiTrafficGenModel } = require("../cores/axi-traffic-gen") as typeof import("../cores/axi-traffic-gen");
    const { ThroughputTimer } = require("./throughput") as typeof import("./throughput");
    return new AxiTrafficGenModel(registers, bus, new ThroughputTimer(core.port, random), faults[core.port]);
  }

  #userCore(core: UserCoreWiring, registers: Int32Array): CoreModel {
    const { UserCore } = require("../cores/user-core") as typeof import("../cores/user-core");
    const { UserBus } = require("./user-bus") as typeof import("./user-bus");
    const { log = () => {} } = this.#options;
    const name = nameOf(core);
    const bus = new UserBus(core.port && this.#port(core.port, name, () => COHERENT));
    const context = { core, bus, log: (message: string) => log(`${name}: ${message}`) };
    return new UserCore(registers, { ...this.#userModel(core), name, context, log });
  }

  #userModel(core: UserCoreWiring): LoadedModel {
    const model = this.#options.models?.get(core.model);
    if (model) return model;
    throw new BitstreamError(
      "write error",
      `ERR_AXI_MODEL: the bitstream configures core ${nameOf(core)}, of which this board has no model: start the board with it (--model)`,
    );
  }

  #port(port: Port, core: string, sideBand: () => SideBand): PortBus {
    return new PortBus(this.#memory(port, sideBand), { port, core, record: this.#options.record });
  }

  #memory(port: Port, sideBand: () => SideBand): BurstBus {
    const { bus, mainMemory } = this.#options;
    if (!mainMemory) return bus;
    const { PortMemory } = require("./port-memory") as typeof import("./port-memory");
    return new PortMemory({ seen: bus, main: mainMemory, snoops: () => snoops(port, sideBand()) });
  }
}

/** Where a core's interrupt line ends: in the device whose node has its number, whichever has its registers. */
function interruptOf(core: FabricCore, nodes: readonly FabricDevice[]): BoardInterrupt | undefined {
  if (!("interrupt" in core)) return undefined;
  return nodes.find(({ device }) => device.interrupt === core.interrupt)?.interrupt;
}

/** As the record calls a core: `axi-proxy@a0000000`. */
function nameOf(core: FabricCore): string {
  return `${core.kind === "user" ? core.model : core.kind}@${core.address.toString(16)}`;
}
