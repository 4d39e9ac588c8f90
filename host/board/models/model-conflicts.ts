import { hex } from "../../util/errors";
import { BUILT_IN_DESIGNS } from "../fabric/designs";
import type { DeviceModelDescription } from "../cores/device-model";
import { cannotUse, PAGE_BYTES } from "./model-description";
import type { LoadedModel } from "../cores/user-core";

/** The bus addresses of a core. */
interface Window {
  readonly owner: string;
  readonly address: number;
  readonly lengthBytes: number;
}

/**
 * Sees that a model can be beside the board's own cores and other models: each kind and each address has one owner.
 *
 * @throws AxiscriptError ERR_AXI_MODEL
 */
export function checkBeside({ path, description }: LoadedModel, others: readonly LoadedModel[]): void {
  const { kind } = description;
  const owner = isBuiltIn(kind) ? "the board" : others.find((other) => other.description.kind === kind)?.path;
  if (owner !== undefined) {
    throw cannotUse(path, `its "kind" is "${kind}", which is the name of a core of ${owner}. Give it another name`);
  }
  const taken = [...builtInWindows(), ...others.flatMap((other) => windowsOf(other.description))];
  for (const window of windowsOf(description)) {
    const there = taken.find((each) => overlap(each, window));
    if (there) {
      const where = `its core at ${hex(window.address)} collides with the core of ${there.owner} at ${hex(there.address)}`;
      throw cannotUse(path, `${where}. Give it another "address"`);
    }
    taken.push(window);
  }
  const interrupts = description.cores.flatMap(({ interrupt }) => interrupt ?? []);
  const shared = interrupts.find((interrupt, at) => interrupts.indexOf(interrupt) !== at);
  if (shared !== undefined) throw cannotUse(path, `two of its cores have interrupt ${shared}. Give one another`);
}

function isBuiltIn(kind: string): boolean {
  return BUILT_IN_DESIGNS.some(({ design }) => design.name === kind || design.cores.some((core) => core.kind === kind));
}

function builtInWindows(): Window[] {
  return BUILT_IN_DESIGNS.flatMap(({ design, registerBytes }) =>
    design.cores.map(({ kind, address }) => ({ owner: kind, address, lengthBytes: registerBytes })),
  );
}

function windowsOf({ kind, registerBytes, cores }: DeviceModelDescription): Window[] {
  return cores.map(({ address }) => {
    const offset = address % PAGE_BYTES;
    const lengthBytes = Math.ceil((offset + registerBytes) / PAGE_BYTES) * PAGE_BYTES;
    return { owner: kind, address: address - offset, lengthBytes };
  });
}

function overlap(one: Window, other: Window): boolean {
  return one.address < other.address + other.lengthBytes && other.address < one.address + one.lengthBytes;
}
