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
const DEFAULT_IDENTITY: DeviceIdentity = {
  manufacturer: "INLINECR",
  product: "UFS EMULATOR",
  revision: "0100",
  serial: "0000000000000001",
};

/** The identity of a device that was given some of it, as much as counts. */
export function completeIdentity(given: Partial<DeviceIdentity>): DeviceIdentity {
  const { manufacturer, product, revision, serial } = { ...DEFAULT_IDENTITY, ...given };
  return {
    manufacturer: manufacturer.slice(0, 8),
    product: product.slice(0, 16),
    revision: revision.slice(0, 4),
    serial,
  };
}
