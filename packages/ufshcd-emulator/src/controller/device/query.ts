import {
  DescriptorIdn,
  FlagIdn,
  type QueryFields,
  QueryFunction,
  QueryOpcode,
  QueryResult,
  WellKnownLun,
} from "../../ufshci/index.js";
import type { ControllerClock } from "../clock.js";
import { Attributes } from "./attributes.js";
import * as descriptors from "./descriptors.js";
import type { DeviceIdentity } from "./device-identity.js";
import { Flags } from "./flags.js";
import type { ScsiUnit } from "./scsi-unit.js";

/** How long a device initialises itself after fDeviceInit was set. */
const INIT_NS = 100_000;
const CONFIGURATION_DESCRIPTORS = 4;
const NO_DATA = new Uint8Array(0);

/** Opcodes of write requests; all others belong into read requests. */
const WRITES: readonly number[] = [
  QueryOpcode.WRITE_DESC,
  QueryOpcode.WRITE_ATTR,
  QueryOpcode.SET_FLAG,
  QueryOpcode.CLEAR_FLAG,
  QueryOpcode.TOGGLE_FLAG,
];

/** The device's query interface: descriptors, attributes, flags. */
export class DeviceQuery {
  readonly attributes: Attributes = new Attributes();
  readonly flags: Flags = new Flags();
  /** The data of the last answer: a descriptor, as much of it as was asked for. */
  data: Uint8Array = NO_DATA;
  readonly #units: ReadonlyMap<number, ScsiUnit>;
  readonly #identity: DeviceIdentity;
  readonly #clock: ControllerClock;
  #cancelInit: (() => void) | null = null;

  constructor(units: ReadonlyMap<number, ScsiUnit>, identity: DeviceIdentity, clock: ControllerClock) {
    this.#units = units;
    this.#identity = identity;
    this.#clock = clock;
  }

  /**
   * Answers a query: `query` becomes the response's fields, {@link DeviceQuery.data} its data segment.
   *
   * @param func - the query function of the request's header
   */
  answer(func: number, query: QueryFields): QueryResult {
    this.data = NO_DATA;
    const wanted = WRITES.includes(query.opcode)
      ? QueryFunction.STANDARD_WRITE_REQUEST
      : QueryFunction.STANDARD_READ_REQUEST;
    if (func !== wanted) return QueryResult.INVALID_OPCODE;
    return this.#answer(query);
  }

  /** A device reset. */
  reset(): void {
    this.#cancelInit?.();
    this.#cancelInit = null;
    this.attributes.reset();
    this.flags.reset();
  }

  #answer(query: QueryFields): QueryResult {
    switch (query.opcode) {
      case QueryOpcode.NOP:
        return QueryResult.SUCCESS;
      case QueryOpcode.READ_DESC:
        return this.#readDescriptor(query);
      case QueryOpcode.WRITE_DESC:
        return QueryResult.NOT_WRITEABLE; // the configuration is locked
      case QueryOpcode.READ_ATTR:
        return found(query, this.attributes.get(query.idn));
      case QueryOpcode.WRITE_ATTR:
        return this.attributes.write(query.idn, query.value);
      case QueryOpcode.READ_FLAG:
        return found(query, this.#flag(query.idn));
      case QueryOpcode.SET_FLAG:
      case QueryOpcode.CLEAR_FLAG:
      case QueryOpcode.TOGGLE_FLAG:
        return this.#writeFlag(query);
      default:
        return QueryResult.INVALID_OPCODE;
    }
  }

  #readDescriptor(query: QueryFields): QueryResult {
    const { idn, index } = query;
    if (!Object.values<number>(DescriptorIdn).includes(idn)) return QueryResult.INVALID_IDN;
    const whole = this.#descriptor(idn, index);
    if (whole === undefined) return QueryResult.INVALID_INDEX;
    this.data = whole.subarray(0, query.bytes);
    query.bytes = this.data.length;
    return QueryResult.SUCCESS;
  }

  #descriptor(idn: number, index: number): Uint8Array | undefined {
    if (idn === DescriptorIdn.UNIT) return this.#unitDescriptor(index);
    if (idn === DescriptorIdn.STRING) return descriptors.stringDescriptor(this.#identity, index);
    if (idn === DescriptorIdn.CONFIGURATION) {
      return index < CONFIGURATION_DESCRIPTORS ? descriptors.configurationDescriptor(this.#units, index) : undefined;
    }
    return index === 0 ? this.#singleDescriptor(idn) : undefined;
  }

  #singleDescriptor(idn: number): Uint8Array {
    const units = [...this.#units.values()];
    switch (idn) {
      case DescriptorIdn.DEVICE:
        return descriptors.deviceDescriptor(units.filter((unit) => !unit.isWellKnown).length);
      case DescriptorIdn.GEOMETRY:
        return descriptors.geometryDescriptor(units);
      case DescriptorIdn.INTERCONNECT:
        return descriptors.interconnectDescriptor();
      case DescriptorIdn.POWER:
        return descriptors.powerDescriptor();
      default:
        return descriptors.healthDescriptor();
    }
  }

  #unitDescriptor(lun: number): Uint8Array | undefined {
    if (lun === WellKnownLun.RPMB) return descriptors.rpmbUnitDescriptor();
    const unit = this.#units.get(lun);
    return unit === undefined || unit.isWellKnown ? undefined : descriptors.unitDescriptor(unit);
  }

  #flag(idn: number): number | undefined {
    const value = this.flags.get(idn);
    return value === undefined ? undefined : Number(value);
  }

  #writeFlag(query: QueryFields): QueryResult {
    const result = this.flags.write(query.idn, query.opcode);
    if (result !== QueryResult.SUCCESS) return result;
    query.value = this.#flag(query.idn)!;
    if (query.idn === FlagIdn.FDEVICEINIT) this.#initialise();
    return result;
  }

  /** The device clears fDeviceInit when it has initialised itself. */
  #initialise(): void {
    this.#cancelInit?.();
    this.#cancelInit = this.#clock.after(INIT_NS, () => {
      this.#cancelInit = null;
      this.flags.set(FlagIdn.FDEVICEINIT, false);
    });
  }
}

function found(query: QueryFields, value: number | undefined): QueryResult {
  if (value === undefined) return QueryResult.INVALID_IDN;
  query.value = value;
  return QueryResult.SUCCESS;
}
