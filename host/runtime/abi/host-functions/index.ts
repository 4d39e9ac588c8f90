import type { HostFunctions } from "../abi";
import { abortFunction, errorFunctions } from "./error";
import { fpgaFunctions } from "./fpga";
import { memoryFunctions } from "./memory";
import { HostResults } from "./results";
import type { HostServices } from "./services";
import { uioFunctions } from "./uio";

export type { HostServices } from "./services";

/** The functions behind the ABI's host modules, for one run of one script. */
export function hostFunctions(services: HostServices): HostFunctions {
  const results = new HostResults();
  return {
    "axiscript:uio@1": uioFunctions(services, results),
    "axiscript:memory@1": memoryFunctions(services, results),
    "axiscript:fpga@1": fpgaFunctions(services, results),
    "axiscript:error@1": errorFunctions(services, results),
    env: abortFunction(services),
  };
}
