import { existsSync } from "node:fs";

/** Where the packages of SeaBIOS (Debian) and QEMU put it. */
const PLACES = ["/usr/share/seabios/bios.bin", "/usr/share/qemu/bios.bin"];

/** The BIOS of the virtual machine; undefined: there is none installed. */
export function findBios(): string | undefined {
  return PLACES.find((path) => existsSync(path));
}
