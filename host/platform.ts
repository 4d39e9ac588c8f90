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
