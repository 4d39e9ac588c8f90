/** A device that may be using memory. `unknown`: nobody has said how it shows that it is idle. */
export interface ActiveDevice {
  readonly deviceName: string;
  readonly state: "busy" | "unknown";
}
