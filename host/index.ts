import { checkNodeOptions, checkPlatform } from "./platform";

// Before anything else is loaded: elsewhere the native parts would fail in ways that explain nothing.
checkPlatform(process);
checkNodeOptions();

export type { Bus, Response as BusResponse } from "./board/bus";
export type { DeviceModel, DeviceModelContext, DeviceModelCore, DeviceModelDescription } from "./board/device-model";
export type { Faults } from "./board/fabric";
export type { Coherency } from "./board/main-memory";
export type { Port } from "./board/port-timing";
export type {
  DeviceDescription,
  DeviceMatch,
  DmaEngine,
  DmaTransfer,
  FieldDescription,
  MaskedValue,
  MemoryWindow,
  RegisterAccess,
  RegisterCondition,
  RegisterDescription,
  RegisterWrite,
  VersionRange,
} from "./devices/description";
export type { GenerateOptions } from "./devices/generate/registers";
export type { Fault } from "./board/transfer-core";
export { type ExamineOptions, examineSystem, type Finding, type FindingGroup, type FindingStatus } from "./doctor";
export {
  AxiscriptError,
  ERROR_KINDS,
  type ErrorCode,
  type ErrorKind,
  InterruptedError,
  type SourcePosition,
} from "./errors";
export { PIN_MECHANISMS, type PinMechanism } from "./memory/pins";
export { type CompileOptions, compileScript, OPTIMIZATION_LEVELS, type OptimizationLevel } from "./runtime/compile";
export {
  type DeviceOptions,
  type DeviceRegisters,
  type FileUser,
  generateRegisters,
  type ListedDevice,
  type ListedMap,
  listDevices,
  openDeviceRegisters,
  readDeviceDescription,
  type RegisterReading,
  type RegisterWriting,
  type WriteRegisterOptions,
} from "./runtime/devices";
export { executeOnBoard } from "./runtime/execute-on-board";
export { packageVersion } from "./runtime/installation";
export { type AskedPermission, type Inspection, inspectScript } from "./runtime/inspect";
export {
  loadProfile,
  type PermissionLists,
  type PermissionOptions,
  type PermissionProfile,
  type PermissionRules,
} from "./runtime/permissions";
export type { RunResult } from "./runtime/run";
export {
  type BoardChoice,
  createRuntime,
  type RunOptions,
  type RunSyncOptions,
  type Runtime,
  type RuntimeOptions,
} from "./runtime/runtime";
export { type CompiledScript, writeScript } from "./runtime/script";
export { holdTermination, type TerminationHold } from "./runtime/termination";
export { prepareVirtualBoard } from "./runtime/prepare";
export { type BoardOptions, startBoard, type StandaloneBoard } from "./runtime/standalone-board";
