import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { basename, join } from "node:path";
import { suite } from "uvu";
import { messageOf } from "../../host/util/errors";
import { compileScript } from "../../host/index";
import { PACKAGE } from "../support/cli";
import { exitAtSignals } from "../support/exit-at-signals";
import { testWhere } from "../support/rights";
import { signalAtParentsEnd } from "../torture/hostility/syscalls";
import type { ArchiveEntry } from "./cpio";
import { GuestFabric, IVSHMEM_ID, type PciCore, pciAddressOf, REGISTERS_BAR } from "./fabric";
import { Guest, type GuestOptions } from "./guest";
import { findBusybox, imageEntries } from "./image";
import { type Kernel, type KernelSeries, stockKernel } from "./kernel-package";

/** Where the guest has descriptions of its PCI devices, for `--devices`. */
export const GUEST_DEVICES = "/etc/axiscript/devices";

/** Gives the guest's cores to a driver that offers their registers. */
export const BIND_CORES = 'echo "1af4 1110" > /sys/bus/pci/drivers/hilscher/new_id';

/** Where a guest has QEMU's device for teaching, if it has it. */
export const EDU_ADDRESS = "0000:00:08.0";
/** A guest with that device, and its description. */
export const WITH_EDU = {
  devices: ["edu,addr=8"],
  files: [
    {
      ...{ path: `${GUEST_DEVICES}/edu.json`, mode: 0o644 },
      content: () => readFileSync(join(PACKAGE, "test/kernel/edu.json")),
    },
  ],
} as const satisfies Partial<GuestOptions>;

interface Tools {
  readonly busybox: string;
  readonly kernel: Kernel;
}

/** What it takes to boot a guest; a text: what of it is missing. */
export function findTools(series?: KernelSeries): Tools | string {
  if (process.arch !== "x64") return "the guests are x86-64, and run this Node";
  if (spawnSync("qemu-system-x86_64", ["--version"]).status !== 0) return "no QEMU: apt-get install qemu-system-x86";
  const busybox = findBusybox();
  if (busybox === undefined) return "no busybox without libraries: apt-get install busybox-static";
  try {
    return { busybox, kernel: stockKernel(series) };
  } catch (error) {
    return `no kernel: ${messageOf(error)}`;
  }
}

/** What a guest has beside the package. */
export interface GuestPlan extends Partial<GuestOptions> {
  /** Absent: the release's own kernel. */
  readonly series?: KernelSeries;
  /** Cores of the virtual board that it sees as PCI devices. */
  readonly cores?: readonly PciCore[];
  /** Sources that the guest finds compiled: `/root/NAME.wasm`. */
  readonly scripts?: readonly string[];
}

/** A guest, and the devices that are outside of it. */
export class Machine {
  readonly guest: Guest;
  readonly fabric: GuestFabric;

  private constructor(guest: Guest, fabric: GuestFabric) {
    this.guest = guest;
    this.fabric = fabric;
  }

  /** Boots a guest with this package. */
  static async boot({ busybox, kernel }: Tools, { cores = [], scripts = [], ...plan }: GuestPlan): Promise<Machine> {
    const own = [...descriptionsFor(cores), ...(await compiled(scripts)), ...(plan.files ?? [])];
    const files = [...imageEntries(kernel, busybox), ...own];
    const fabric = new GuestFabric(cores);
    try {
      const { registerFiles } = fabric;
      const guest = await Guest.boot({ ...plan, registerFiles, kernel: kernel.image, files });
      const machine = new Machine(guest, fabric);
      await fabric.start(guest.memoryFd, guest.memoryBytes);
      return machine;
    } catch (error) {
      await fabric.stop();
      throw error;
    }
  }

  /** Powers it off; throws if the kernel has complained of anything. */
  async powerOff(): Promise<void> {
    await this.fabric.stop();
    await this.guest.powerOff();
  }

  /** Ends it as it is. */
  async kill(): Promise<void> {
    await this.fabric.stop();
    await this.guest.kill();
  }
}

/** The package's descriptions, with the guest's PCI devices added. */
function descriptionsFor(cores: readonly PciCore[]): ArchiveEntry[] {
  return [...new Set(cores.map(({ kind }) => kind))].map((kind) => {
    const text = readFileSync(join(PACKAGE, "devices", `${kind}.json`), "utf8");
    const description = JSON.parse(text) as { match: Record<string, unknown> };
    description.match["pci"] = cores
      .filter((core) => core.kind === kind)
      .map((core) => ({ id: IVSHMEM_ID, bar: REGISTERS_BAR, address: pciAddressOf(core), note: core.port }));
    const content = Buffer.from(JSON.stringify(description));
    return { path: `${GUEST_DEVICES}/${kind}.json`, mode: 0o644, content: () => content };
  });
}

function compiled(scripts: readonly string[]): Promise<ArchiveEntry[]> {
  return Promise.all(
    scripts.map(async (script) => {
      const { wasm } = await compileScript(join(PACKAGE, script));
      return { path: `/root/${basename(script, ".ts")}.wasm`, mode: 0o644, content: () => wasm };
    }),
  );
}

/** Tests that share a guest. */
export interface GuestSuite {
  /**
   * Adds a test; left out, with a line that says why, where no guest can be booted, or its kernel is older than `since`,
   * `"6.6"`.
   */
  readonly test: (name: string, body: (guest: Guest, fabric: GuestFabric) => Promise<void>, since?: string) => void;
  /** Adds the last test, that the kernel has nothing to complain of, and has all of them run. */
  readonly run: () => void;
  /** Has the tests run that were added; the guest is ended as it is. */
  readonly runWithoutPowerOff: () => void;
}

// Who is stopped leaves nothing behind either: directories are removed at the exit, and guests end with this process.
exitAtSignals();
// The runner may be killed, too.
signalAtParentsEnd(constants.signals.SIGTERM);

/** Makes a suite whose first test boots a guest for all of them. */
export function guestSuite(name: string, plan: GuestPlan): GuestSuite {
  const tests = suite(name);
  const tools = findTools(plan.series);
  const where = testWhere(tests, typeof tools === "object", typeof tools === "string" ? tools : "");
  const isOlder = (since: string) => typeof tools === "object" && compareVersions(tools.kernel.release, since) < 0;
  let booting: Promise<Machine> | undefined;
  const booted = () =>
    (booting ??= typeof tools === "string" ? Promise.reject(new Error(tools)) : Machine.boot(tools, plan));
  let isOff = false;
  tests.after(async () => {
    const machine = await booting?.catch(() => undefined);
    if (machine && !isOff) await machine.kill();
  });
  return {
    test: (title, body, since = "0.0") => {
      const add = isOlder(since) ? testWhere(tests, false, `the kernel is older than ${since}`) : where;
      add(title, async () => {
        const { guest, fabric } = await booted();
        await body(guest, fabric);
      });
    },
    run: () => {
      where("the kernel has nothing to complain of", async () => {
        const machine = await booted();
        isOff = true;
        await machine.powerOff();
      });
      tests.run();
    },
    runWithoutPowerOff: () => tests.run(),
  };
}

/** Below 0 if a release `6.1.0-56-amd64` is older than a version `6.6`. */
function compareVersions(release: string, version: string): number {
  const [[major = 0, minor = 0], [otherMajor = 0, otherMinor = 0]] = [release, version].map((text) =>
    text.split(".", 2).map(Number),
  ) as [number[], number[]];
  return major - otherMajor || minor - otherMinor;
}

/** What a promise says that is rejected. */
export async function failureOf(promise: Promise<unknown>): Promise<string> {
  const failure = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (failure instanceof Error) return failure.message;
  throw new Error("it did not fail");
}
