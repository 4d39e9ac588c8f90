import { checkNodeOptions, checkPlatform } from "./util/platform";

// Before anything else is loaded: elsewhere the native parts would fail in ways that explain nothing.
checkPlatform(process);
checkNodeOptions();

export type { Bus, Response as BusResponse } from "./board/fabric/bus";
export type {
  DeviceModel,
  DeviceModelContext,
  DeviceModelCore,
  DeviceModelDescription,
} from "./board/cores/device-model";
export type { Faults } from "./board/fabric/fabric";
export type { Coherency } from "./board/memory/main-memory";
export type { Port } from "./board/fabric/port-timing";
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
} from "./description/description";
export type { GenerateOptions } from "./description/generate/registers";
export type { Fault } from "./board/cores/transfer-core";
export { type ExamineOptions, examineSystem, type Finding, type FindingGroup, type FindingStatus } from "./doctor";
export {
  AxiscriptError,
  ERROR_KINDS,
  type ErrorCode,
  type ErrorKind,
  InterruptedError,
  type SourcePosition,
} from "./util/errors";
export { PIN_MECHANISMS, type PinMechanism } from "./memory/pins";
export {
  type CompileOptions,
  compileScript,
  OPTIMIZATION_LEVELS,
  type OptimizationLevel,
} from "./runtime/compile/compile";
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
export { executeOnBoard } from "./runtime/boards/execute-on-board";
export { packageVersion } from "./runtime/installation";
export { inspectScript } from "./runtime/module/inspect";
export type { AskedPermission, Inspection } from "./runtime/module/inspection";
export { loadProfile } from "./runtime/permissions/create";
export type {
  PermissionLists,
  PermissionOptions,
  PermissionProfile,
  PermissionRules,
} from "./runtime/permissions/permission";
export type { RunResult } from "./runtime/run/run";
export {
  type BoardChoice,
  createRuntime,
  type RunOptions,
  type RunSyncOptions,
  type Runtime,
  type RuntimeOptions,
} from "./runtime/runtime";
export { type CompiledScript, writeScript } from "./runtime/module/script";
export { holdTermination, type TerminationHold } from "./runtime/run/termination";
export { prepareVirtualBoard } from "./runtime/run/prepare";
export { type BoardOptions, startBoard, type StandaloneBoard } from "./runtime/boards/standalone-board";
