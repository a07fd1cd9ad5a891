import { type BlockDevice, Volume } from "@inlinecrypt/blk-core";
import {
  BlkCryptoKey,
  blkCryptoEvictKey,
  blkCryptoProfileOf,
  blkCryptoStartUsingKey,
} from "@inlinecrypt/blk-crypto-profile";
import { SeededRandom } from "@inlinecrypt/blk-sim";
import { blockDeviceSuite } from "@inlinecrypt/conformance";
import { referenceEncrypt } from "@inlinecrypt/reference-crypto";
import { describe, expect, it } from "vitest";
import { firstDifference, noise } from "./support/bytes.js";
import { DeepStack, type Leaf } from "./support/deep-stack.js";

/**
 * Stacks of everything, three levels and more: each is a block device like any other, and what is encrypted at its top is
 * on the medium as the oracle says, whoever encrypts it.
 */
const BLOCK = 4096;
const FIRST_DUN = 2n ** 32n - 20n;
const KEY = noise(64, 1);
/** In tables. */
const TABLE_KEY = noise(64, 2);
const TABLE_KEY_HEX = Buffer.from(TABLE_KEY).toString("hex");
const UNITS = "sector_size:4096 iv_large_sectors";

/** Where a block of the top lies, and under which DUN a target has encrypted it with the key of its table. */
interface Place {
  readonly leaf: Leaf;
  readonly block: number;
  readonly tableDun?: number;
}

interface Stack {
  /** For `DeepStack`. */
  readonly devices: readonly string[];
  /** @default false */
  readonly discardZeroes?: boolean;
  /** Who encrypts what has a context at the top. */
  readonly contextBy: "hardware" | "fallback";
  /** Who encrypts with the key of a table. */
  readonly tableKeyBy?: "hardware" | "target";
  readonly place: (block: number) => Place;
}

const stacks: Readonly<Record<string, Stack>> = {
  "linear over striped over UFS": {
    devices: ["0 $ striped 2 64 ufs0 0 ufs1 4096", "0 8192 linear dev0 0\n8192 8192 linear dev0 8192"],
    discardZeroes: true,
    contextBy: "hardware",
    place(block) {
      const onFirst = Math.floor(block / 8) % 2 === 0;
      const inStripe = Math.floor(block / 16) * 8 + (block % 8);
      return onFirst ? { leaf: "ufs0", block: inStripe } : { leaf: "ufs1", block: 512 + inStripe };
    },
  },
  "linear over multipath over UFS": {
    devices: ["0 $ multipath 0 0 1 1 round-robin 0 2 1 path0 1 path1 1", "0 $ linear dev0 0"],
    discardZeroes: true,
    contextBy: "hardware",
    place: (block) => ({ leaf: "path0", block }),
  },
  "inlinecrypt over linear over UFS": {
    devices: ["0 $ linear ufs0 800", `0 $ inlinecrypt aes-xts-plain64 ${TABLE_KEY_HEX} 0 dev0 0 2 ${UNITS}`],
    contextBy: "fallback",
    tableKeyBy: "hardware",
    place: (block) => ({ leaf: "ufs0", block: 100 + block, tableDun: block }),
  },
  "delay over default-key over UFS, which passes what is encrypted": {
    devices: [
      `0 $ default-key aes-xts-plain64 ${TABLE_KEY_HEX} 80 ufs0 8 3 ${UNITS} allow_discards`,
      "0 $ delay dev0 0 0 dev0 0 1",
    ],
    contextBy: "fallback",
    place: (block) => ({ leaf: "ufs0", block: 1 + block }),
  },
  "linear over default-key over UFS, which passes what is encrypted": {
    devices: [`0 $ default-key aes-xts-plain64 ${TABLE_KEY_HEX} 0 ufs0 0 2 ${UNITS}`, "0 $ linear dev0 0"],
    contextBy: "hardware",
    place: (block) => ({ leaf: "ufs0", block }),
  },
  "crypt over multipath over UFS": {
    devices: [
      "0 $ multipath 0 0 1 1 service-time 0 2 2 path0 1 1 path1 1 1",
      `0 $ crypt aes-xts-plain64 ${TABLE_KEY_HEX} 0 dev0 0 2 ${UNITS}`,
    ],
    contextBy: "fallback",
    tableKeyBy: "target",
    place: (block) => ({ leaf: "path0", block, tableDun: block }),
  },
  "striped over crypt and linear over a file and RAM": {
    devices: [
      `0 8192 crypt aes-xts-plain64 ${TABLE_KEY_HEX} 0 file 0 2 ${UNITS}`,
      "0 8192 linear ram 16",
      "0 $ striped 2 64 dev0 0 dev1 0",
    ],
    contextBy: "fallback",
    tableKeyBy: "target",
    place(block) {
      const inStripe = Math.floor(block / 16) * 8 + (block % 8);
      const isEncrypted = Math.floor(block / 8) % 2 === 0;
      return isEncrypted ? { leaf: "file", block: inStripe, tableDun: inStripe } : { leaf: "ram", block: 2 + inStripe };
    },
  },
  "linear over flakey, always up, over a file": {
    devices: ["0 $ flakey file 8 1 0", "0 $ linear dev0 0"],
    discardZeroes: true,
    contextBy: "fallback",
    place: (block) => ({ leaf: "file", block: 1 + block }),
  },
  "striped over linear over a UFS disk and a file": {
    devices: ["0 8192 linear ufs0 0", "0 8192 linear file 0", "0 $ striped 2 8 dev0 0 dev1 0"],
    discardZeroes: true,
    contextBy: "fallback",
    place: (block) => ({ leaf: block % 2 === 0 ? "ufs0" : "file", block: Math.floor(block / 2) }),
  },
  "loop over linear over UFS": {
    devices: ["0 $ linear ufs0 8", "loop dev0"],
    discardZeroes: true,
    contextBy: "fallback",
    place: (block) => ({ leaf: "ufs0", block: 1 + block }),
  },
  "linear over loop over inlinecrypt over UFS": {
    devices: [`0 $ inlinecrypt aes-xts-plain64 ${TABLE_KEY_HEX} 0 ufs0 0 2 ${UNITS}`, "loop dev0", "0 $ linear dev1 0"],
    contextBy: "fallback",
    tableKeyBy: "hardware",
    place: (block) => ({ leaf: "ufs0", block, tableDun: block }),
  },
};

for (const [name, { devices, place, discardZeroes = false }] of Object.entries(stacks)) {
  const storesPlain = !devices.join().includes(TABLE_KEY_HEX);
  blockDeviceSuite(name, {
    discardZeroes,
    randomRuns: 12,
    async setup({ readOnly }) {
      const stack = await DeepStack.open(devices, readOnly);
      return {
        layer: stack.layer,
        bdev: stack.top,
        ...(storesPlain && { readMedium: (byteOffset, into) => readMedium(stack, place, byteOffset, into) }),
        teardown: () => stack.close(),
      };
    },
  });
}

function readMedium(stack: DeepStack, place: Stack["place"], byteOffset: number, into: Uint8Array): void {
  for (let done = 0; done < into.length; ) {
    const inBlock = (byteOffset + done) % BLOCK;
    const { leaf, block } = place((byteOffset + done - inBlock) / BLOCK);
    const bytes = Math.min(BLOCK - inBlock, into.length - done);
    into.set(stack.medium(leaf, block * BLOCK + inBlock, bytes), done);
    done += bytes;
  }
}

const REGION_BLOCKS = 96;
const ROUNDS = 6;

/** Writes blocks in random pieces, many at a time, and reads them back in others. @returns what was written last */
async function useVolume(volume: Volume): Promise<Uint8Array> {
  const random = new SeededRandom("three levels");
  const content = new Uint8Array(REGION_BLOCKS * BLOCK);
  for (let round = 0; round < ROUNDS; round++) {
    content.set(noise(content.length, 10 + round));
    await Promise.all(pieces(random).map(([from, to]) => volume.write(from, content.subarray(from, to))));
    const back = new Uint8Array(content.length);
    await Promise.all(pieces(random).map(([from, to]) => volume.read(from, back.subarray(from, to))));
    expect(firstDifference(back, content)).toBe(-1);
  }
  return content;
}

/** The region cut at random places, in random order: from and to in bytes. */
function pieces(random: SeededRandom): [number, number][] {
  const all: [number, number][] = [];
  for (let block = 0; block < REGION_BLOCKS; ) {
    const end = Math.min(REGION_BLOCKS, block + 1 + random.below(12));
    all.splice(random.below(all.length + 1), 0, [block * BLOCK, end * BLOCK]);
    block = end;
  }
  return all;
}

/** Blocks that are not on the medium as the oracle says. */
function wrongBlocks(stack: DeepStack, place: Stack["place"], content: Uint8Array): number[] {
  return Array.from({ length: REGION_BLOCKS }, (_, block) => block).filter((block) => {
    const { leaf, block: at, tableDun } = place(block);
    const plaintext = content.subarray(block * BLOCK, (block + 1) * BLOCK);
    let expected = referenceEncrypt("xts(aes)", KEY, BLOCK, FIRST_DUN + BigInt(block), plaintext);
    if (tableDun !== undefined) expected = referenceEncrypt("xts(aes)", TABLE_KEY, BLOCK, BigInt(tableDun), expected);
    return firstDifference(stack.medium(leaf, at * BLOCK, BLOCK), expected) !== -1;
  });
}

function newKey(bdev: BlockDevice): BlkCryptoKey {
  const key = new BlkCryptoKey({ mode: "AES-256-XTS", bytes: KEY, dataUnitBytes: BLOCK, dunBytes: 8 });
  blkCryptoStartUsingKey(bdev, key);
  return key;
}

function keysIn(slots: readonly { readonly key: unknown }[]): number {
  return slots.filter(({ key }) => key !== null).length;
}

/** Keyslots with a key, on each UFS disk. */
function hardwareKeys(stack: DeepStack): number[] {
  return [...stack.ufsDisks.values()].map(({ profile }) => keysIn(profile!.slotTable()));
}

function expectHardwareToEncrypt(stack: DeepStack, encrypts: boolean): void {
  for (const { encrypted, plain } of stack.dataCommands.values()) {
    expect({ encrypted: encrypted > 0, plain: plain > 0 }).toEqual({ encrypted: encrypts, plain: !encrypts });
  }
  const each = encrypts ? 1 : 0;
  expect(hardwareKeys(stack)).toEqual(Array.from(stack.ufsDisks, () => each));
}

describe("[INT-1] [DM-24] what is encrypted at the top of a stack is on the medium as the oracle says", () => {
  const byWhom = (contextBy: Stack["contextBy"]) =>
    Object.entries(stacks).filter(([, it]) => it.contextBy === contextBy);

  it.each(byWhom("hardware"))("[DM-15] by the hardware below: %s", (_name, stack) => check(stack));

  it.each(byWhom("fallback"))("[DM-16] by the fallback above: %s", (_name, stack) => check(stack));

  async function check({ devices, contextBy, tableKeyBy, place }: Stack): Promise<void> {
    const stack = await DeepStack.open(devices);
    const key = newKey(stack.top);
    const content = await useVolume(new Volume(stack.top, { key, firstDun: FIRST_DUN }));
    expect(wrongBlocks(stack, place, content)).toEqual([]);

    expectHardwareToEncrypt(stack, contextBy === "hardware" || tableKeyBy === "hardware");
    expect(keysIn(stack.fallback.slotTable())).toBe(contextBy === "fallback" ? 1 : 0);
    await blkCryptoEvictKey(stack.top, key);
    const left = tableKeyBy === "hardware" ? 1 : 0;
    expect(hardwareKeys(stack)).toEqual(Array.from(stack.ufsDisks, () => left));
    expect(keysIn(stack.fallback.slotTable())).toBe(0);
    key.wipe();
    await stack.close();
  }
});

describe("[INT-3] a loop device in a file", () => {
  it("has no profile, so the fallback serves it, bare and under dm", async () => {
    const stack = await DeepStack.open(["0 $ linear file 2048"]);
    for (const [index, name] of ["file", "dev0"].entries()) {
      const bdev = stack.device(name);
      expect(blkCryptoProfileOf(bdev.queue)).toBeNull();
      const key = newKey(bdev);
      const content = await useVolume(new Volume(bdev, { key, firstDun: FIRST_DUN }));
      const place = (block: number): Place => ({ leaf: "file", block: 256 * index + block });
      expect(wrongBlocks(stack, place, content)).toEqual([]);
      expect(keysIn(stack.fallback.slotTable())).toBe(1);
      await blkCryptoEvictKey(bdev, key);
    }
    await stack.close();
  });

  it("is served by the fallback, and a UFS disk under dm beside it by its own hardware", async () => {
    const stack = await DeepStack.open(["0 $ linear file 0", "0 $ linear ufs0 0"]);
    const profile = blkCryptoProfileOf(stack.top.queue)!;
    expect(profile.slotTable()).toEqual([]);
    const key = newKey(stack.top);
    const content = await useVolume(new Volume(stack.top, { key, firstDun: FIRST_DUN }));
    expect(wrongBlocks(stack, (block) => ({ leaf: "ufs0", block }), content)).toEqual([]);
    expectHardwareToEncrypt(stack, true);
    expect(keysIn(stack.fallback.slotTable())).toBe(0);
    await blkCryptoEvictKey(stack.top, key);

    const before = { ...stack.dataCommands.get("ufs0")! };
    const onFile = stack.device("dev0");
    blkCryptoStartUsingKey(onFile, key);
    const stored = await useVolume(new Volume(onFile, { key, firstDun: FIRST_DUN }));
    expect(wrongBlocks(stack, (block) => ({ leaf: "file", block }), stored)).toEqual([]);
    expect(stack.dataCommands.get("ufs0")).toEqual(before);
    expect(keysIn(stack.fallback.slotTable())).toBe(1);
    await blkCryptoEvictKey(onFile, key);
    await stack.close();
  });
});
