import { spawnSync } from "node:child_process";
import type * as uvu from "uvu";
import { messageOf } from "../../host/errors";
import { testWhere } from "../support/rights";
import { Guest, type GuestOptions } from "./guest";
import { findBusybox, imageEntries } from "./image";
import { type Kernel, stockKernel } from "./kernel-package";

interface Tools {
  readonly busybox: string;
  readonly kernel: Kernel;
}

/** What it takes to boot a guest; a text: what of it is missing. */
function findTools(): Tools | string {
  if (process.arch !== "x64") return "the guests are x86-64, and run this Node";
  if (spawnSync("qemu-system-x86_64", ["--version"]).status !== 0) return "no QEMU: apt-get install qemu-system-x86";
  const busybox = findBusybox();
  if (busybox === undefined) return "no busybox without libraries: apt-get install busybox-static";
  try {
    return { busybox, kernel: stockKernel() };
  } catch (error) {
    return `no kernel: ${messageOf(error)}`;
  }
}

const tools = findTools();

/** Defines tests that need a guest: left out, with a line that says why, where none can be booted. */
export function testInGuest(test: uvu.Test): ReturnType<typeof testWhere> {
  return testWhere(test, typeof tools === "object", typeof tools === "string" ? tools : "");
}

/** Boots a guest of this package for `body`, and powers it off; a complaint of its kernel is an error. */
export async function withGuest(options: Partial<GuestOptions>, body: (guest: Guest) => Promise<void>): Promise<void> {
  if (typeof tools === "string") throw new Error(tools);
  const files = [...imageEntries(tools.kernel, tools.busybox), ...(options.files ?? [])];
  const guest = await Guest.boot({ ...options, kernel: tools.kernel.image, files });
  try {
    await body(guest);
  } catch (error) {
    await guest.kill();
    throw error;
  }
  await guest.powerOff();
}
