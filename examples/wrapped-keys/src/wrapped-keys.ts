// Keys that software never sees: imported once, prepared at each boot, used in a form that is worth nothing after the next.
import { createCipheriv } from "node:crypto";
import type { BlkError } from "@inlinecrypt/blk-core";
import { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import { EmulatedWrappedKeys } from "@inlinecrypt/blk-crypto-profile/emulated-wrapped-keys";
import { runUntilSettled, SeededRandom, SimMedium } from "@inlinecrypt/blk-sim";
import { inlineEncryptionKey } from "./hw-kdf.js";
import { DATA_UNIT_BYTES, Machine } from "./machine.js";

const WRAPPED = { keyType: "hw-wrapped" } as const;
const executor = new SimExecutor();
const random = new SeededRandom("wrapped keys");
const medium = new SimMedium({ bytes: 1 << 20, blockBytes: 512 });
const hardware = new EmulatedWrappedKeys({ randomBytes: (into) => random.fill(into) }); // anybody can guess these
const rawKey = random.fill(new Uint8Array(32));
const plaintext = random.fill(new Uint8Array(4 * DATA_UNIT_BYTES));
let failures = 0;

function report(what: string, got: string, expected: string): void {
  console.log(`${what.padEnd(58)} ${got}${got === expected ? "" : `, expected ${expected}`}`);
  if (got !== expected) failures++;
}

/** "OK", or the errno. */
async function outcome(attempt: () => Promise<unknown>): Promise<string> {
  try {
    await attempt();
    return "OK";
  } catch (error) {
    return (error as BlkError).code;
  }
}

function same(a: Uint8Array, b: Uint8Array): string {
  return Buffer.compare(a, b) === 0 ? "the same" : "different";
}

/** What OpenSSL makes of the plaintext with the key that the standards derive from the raw key. */
function expectedCiphertext(): Buffer {
  const key = inlineEncryptionKey(rawKey);
  const units: Buffer[] = [];
  for (let dun = 0; dun < plaintext.length / DATA_UNIT_BYTES; dun++) {
    const iv = Buffer.alloc(16);
    iv.writeUInt32LE(dun);
    const unit = plaintext.subarray(dun * DATA_UNIT_BYTES, (dun + 1) * DATA_UNIT_BYTES);
    units.push(createCipheriv("aes-256-xts", key, iv).update(unit));
  }
  return Buffer.concat(units);
}

function atRest(): Uint8Array {
  const stored = new Uint8Array(plaintext.length);
  medium.readDurable(0, stored);
  return stored;
}

async function readWith(machine: Machine, ephKey: Uint8Array): Promise<Uint8Array> {
  const found = new Uint8Array(plaintext.length);
  await machine.withKey(WRAPPED, ephKey, (volume) => volume.read(0, found));
  return found;
}

/** The first boot: import, prepare, write. Returns what survives it, and what does not. */
async function firstBoot(): Promise<{ ltKey: Uint8Array; ephKey: Uint8Array; secret: Uint8Array }> {
  const machine = new Machine(executor, hardware, random.fork("first disk"), medium);
  const ltKey = await machine.importKey(rawKey);
  const ephKey = await machine.prepareKey(ltKey);
  console.log(`first boot: a raw key of ${rawKey.length} bytes, blobs of ${ltKey.length} and ${ephKey.length}`);
  report("the raw key itself", await outcome(() => machine.withKey({ keyType: "raw" }, fullLength(), noIo)), "ENOPKG");
  report("the long-term blob for I/O", await outcome(() => readWith(machine, ltKey)), "EIO");
  const write = () => machine.withKey(WRAPPED, ephKey, (volume) => volume.write(0, plaintext));
  report("writing with the ephemeral blob", await outcome(write), "OK");
  report("reading back", same(await readWith(machine, ephKey), plaintext), "the same");
  report("ciphertext, and AES-256-XTS with the derived key", same(atRest(), expectedCiphertext()), "the same");
  const secret = await machine.deriveSwSecret(ephKey);
  await machine.close();
  return { ltKey, ephKey, secret };
}

/** The second boot: the disk's contents and the long-term blob are all that is left. */
async function secondBoot(ltKey: Uint8Array, oldEphKey: Uint8Array, secret: Uint8Array): Promise<void> {
  hardware.reboot();
  console.log("\nsecond boot");
  const machine = new Machine(executor, hardware, random.fork("second disk"), medium);
  report("reading with the old ephemeral blob", await outcome(() => readWith(machine, oldEphKey)), "EIO");
  report("its software secret", await outcome(() => machine.deriveSwSecret(oldEphKey)), "EBADMSG");
  const ephKey = await machine.prepareKey(ltKey);
  report("the long-term blob prepared again: a blob that is", same(ephKey, oldEphKey), "different");
  report("reading with it", same(await readWith(machine, ephKey), plaintext), "the same");
  report("its software secret", same(await machine.deriveSwSecret(ephKey), secret), "the same");
  ltKey[20]! ^= 1;
  report("a long-term blob with one bit flipped", await outcome(() => machine.prepareKey(ltKey)), "EBADMSG");
  await machine.close();
}

/** A raw key of the mode's length, for a device that takes none. */
function fullLength(): Uint8Array {
  return random.fill(new Uint8Array(64));
}

async function noIo(): Promise<void> {}

async function main(): Promise<void> {
  const { ltKey, ephKey, secret } = await firstBoot();
  await secondBoot(ltKey, ephKey, secret);
  hardware[Symbol.dispose]();
  process.exitCode = failures === 0 ? 0 : 1;
}

await runUntilSettled(executor, main());
