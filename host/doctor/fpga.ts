import { accessSync, constants } from "node:fs";
import { FIRMWARE, FpgaManager, MANAGER } from "../linux/fpga-manager";
import { overlayDirectories } from "../linux/overlay-directory";
import { messageOf } from "../util/errors";
import { asRoot, quote, runWith } from "./commands";
import type { Place, Verdict } from "./finding";
import type { Machine } from "./machine";

const CONFIGFS = "/sys/kernel/config";
const MODEL = "/sys/firmware/devicetree/base/compatible";
/** Drivers by what the device tree calls the chip. Source: kernel `drivers/fpga/`. */
const DRIVERS = [
  ["xlnx,zynqmp", "zynqmp-fpga"],
  ["xlnx,versal", "versal-fpga"],
  ["altr,socfpga-stratix10", "stratix10-soc"],
  ["intel,socfpga-agilex", "stratix10-soc"],
] as const;

export function fpgaManager({ target, machine }: Place): Verdict {
  if (!target.exists(MANAGER)) {
    const compatible = (target.readText(MODEL) ?? "").split("\0");
    const [, driver] = DRIVERS.find(([chip]) => compatible.some((name) => name.startsWith(chip))) ?? [];
    return {
      status: "missing",
      found:
        driver === undefined ? "none: this is no FPGA SoC that we know" : `none: its driver ${driver} is not loaded`,
      fix: driver === undefined ? undefined : asRoot(machine, `modprobe ${driver}`),
    };
  }
  const state = new FpgaManager(target).state();
  const name = target.readText(`${MANAGER}/name`) ?? "unnamed";
  const status = target.readText(`${MANAGER}/status`);
  const found = `${name}, state "${state}"${status ? `, status "${status}"` : ""}`;
  if (state.includes("error")) {
    return { status: "warning", found: `${found}: the last bitstream was refused (the kernel log says why)` };
  }
  return { status: "ok", found: state.startsWith("operating") ? found : `${found}: not programmed yet` };
}

/** Where device-tree overlays are applied, from which devices come. */
export function overlays({ target, machine }: Place): Verdict {
  const [path] = overlayDirectories(target);
  if (path === undefined) return { status: "missing", ...mendOverlays({ target, machine }) };
  const refusal = whyNotWritable(path);
  if (refusal === undefined) return { status: "ok", found: path };
  return {
    status: "warning",
    found: `${path} is not writable (${refusal}): programming the FPGA needs root`,
    fix: machine.userId === 0 ? undefined : runWith(machine, "SYS_ADMIN"),
  };
}

function mendOverlays({ target, machine }: Place): Pick<Verdict, "found" | "fix"> {
  const mounted = isMounted(machine, target.path(CONFIGFS)) || target.list(CONFIGFS).length > 0;
  if (mounted) {
    return { found: `${target.path(CONFIGFS)} has no device-tree/overlays: the kernel needs CONFIG_OF_CONFIGFS` };
  }
  const mount = `mount -t configfs configfs ${quote(target.path(CONFIGFS))}`;
  if (target.exists(CONFIGFS)) return { found: "configfs is not mounted", fix: asRoot(machine, mount) };
  return { found: "configfs is not loaded", fix: asRoot(machine, "modprobe configfs", mount) };
}

function isMounted({ files }: Machine, path: string): boolean {
  return (files.readText("/proc/self/mounts") ?? "").split("\n").some((line) => line.split(" ")[1] === path);
}

/** Where bitstreams and overlays are linked to, since the kernel looks for them there. */
export function firmware({ target, machine }: Place): Verdict {
  const path = target.path(FIRMWARE);
  const refusal = whyNotWritable(path);
  if (refusal === undefined) return { status: "ok", found: path };
  const found = `${path} is not writable (${refusal}), and programming links files into it`;
  if (refusal === "ENOENT") return { status: "warning", found, fix: asRoot(machine, `mkdir -p ${quote(path)}`) };
  if (refusal === "EROFS") return { status: "warning", found, fix: asRoot(machine, "mount -o remount,rw /") };
  return { status: "warning", found, fix: machine.userId === 0 ? undefined : runWith(machine, "SYS_ADMIN") };
}

function whyNotWritable(path: string): string | undefined {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? messageOf(error);
  }
}
