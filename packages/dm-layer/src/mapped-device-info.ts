/** What `dmsetup info` prints. */
export interface MappedDeviceInfo {
  readonly name: string;
  readonly uuid: string;
  readonly state: "ACTIVE" | "SUSPENDED";
  readonly readOnly: boolean;
  readonly liveTable: boolean;
  readonly inactiveTable: boolean;
  /** Tables of other mapped devices that use this one. */
  readonly openCount: number;
  readonly eventNr: number;
  /** Targets of the live table. */
  readonly targetCount: number;
}
