/** How a device calls itself, in INQUIRY data and string descriptors. ASCII. */
export interface DeviceIdentity {
  /** At most 8 characters count. */
  readonly manufacturer: string;
  /** At most 16 characters count. */
  readonly product: string;
  /** At most 4 characters count. */
  readonly revision: string;
  /** At most 64 characters. */
  readonly serial: string;
}

/** The identity of a device that was given none. */
export const DEFAULT_IDENTITY: DeviceIdentity = {
  manufacturer: "INLINECR",
  product: "UFS EMULATOR",
  revision: "0100",
  serial: "0000000000000001",
};
