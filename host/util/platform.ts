import { AxiscriptError } from "./errors";

const ARCHITECTURES = ["x64", "arm64"];
const OLDEST_NODE = [20, 19] as const;

/** What {@link checkPlatform} looks at; `process` is one. */
export interface Platform {
  readonly platform: string;
  readonly arch: string;
  readonly versions: { readonly node: string };
}

/**
 * Refuses every system but Linux on x86-64 and arm64 with Node 20.19 or newer.
 *
 * @throws AxiscriptError ERR_AXI_UNSUPPORTED_PLATFORM
 */
export function checkPlatform({ platform, arch, versions }: Platform): void {
  const [major = 0, minor = 0] = versions.node.split(".").map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_NODE;
  const nodeIsNewEnough = major > oldestMajor || (major === oldestMajor && minor >= oldestMinor);
  if (platform === "linux" && ARCHITECTURES.includes(arch) && nodeIsNewEnough) return;
  throw new AxiscriptError(
    "ERR_AXI_UNSUPPORTED_PLATFORM",
    `Cannot run on ${platform} ${arch} with Node ${versions.node}: axiscript needs Linux on x86-64 or arm64 and ` +
      `Node ${OLDEST_NODE.join(".")} or newer. On other systems use a virtual machine or a container.`,
  );
}

/**
 * Refuses a Node that was started with options under which scripts cannot run.
 *
 * @throws AxiscriptError ERR_AXI_NODE_OPTIONS
 */
export function checkNodeOptions(): void {
  if (typeof WebAssembly === "undefined") {
    throw nodeOptions("it has no WebAssembly. Start node without --jitless and --no-expose-wasm");
  }
  // The depth of stack traces is set for each run.
  if (Object.isFrozen(Error))
    throw nodeOptions("its built-in objects are frozen. Start node without --frozen-intrinsics");
}

function nodeOptions(because: string): AxiscriptError {
  return new AxiscriptError("ERR_AXI_NODE_OPTIONS", `Cannot run on this Node: ${because}.`);
}
