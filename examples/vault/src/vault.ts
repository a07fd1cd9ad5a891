// An encrypted disk in a file, served over NBD, and a client of it: the stack of `npm start` as code.
import { randomBytes } from "node:crypto";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BlockLayer, HostExecutor, Volume } from "@inlinecrypt/blk-core";
import { BlkCryptoFallback } from "@inlinecrypt/blk-crypto-fallback";
import { BlkCryptoKey, blkCryptoEvictKey, blkCryptoStartUsingKey } from "@inlinecrypt/blk-crypto-profile";
import { LoopDevice } from "@inlinecrypt/blk-drivers";
import { NbdClient, NbdServer, nbdUri } from "@inlinecrypt/nbd";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";

const folder = await mkdtemp(join(tmpdir(), "vault-"));
const file = join(folder, "disk.img");
const socket = join(folder, "vault.sock");

// The block layer, with software encryption for every device that has no crypto hardware: a file has none.
const cryptoFallback = new BlkCryptoFallback({ engine: createNodeEngine() });
const layer = new BlockLayer({ executor: new HostExecutor(), cryptoFallback });

// A device, a key made ready for it, and what an upper layer sees: the device through the key.
const loop = await LoopDevice.open(layer, { file, sizeBytes: 16 << 20 });
const bytes = randomBytes(64);
const key = new BlkCryptoKey({ mode: "AES-256-XTS", bytes, dataUnitBytes: 4096, dunBytes: 8 });
bytes.fill(0);
blkCryptoStartUsingKey(loop.bdev, key);
const volume = new Volume(loop.bdev, { key, firstDun: 0n });

// Any NBD client can have it now; this one lives in the same process.
const server = new NbdServer({ exports: [{ name: "vault", volume }] });
await server.listen({ unix: socket });
console.log("serving", nbdUri({ unix: socket }, "vault"));

const secret = Buffer.from("The combination of the safe is 12-34-56.".padEnd(64));
const client = await NbdClient.connect({ unix: socket }, { exportName: "vault" });
await client.write(5000, secret);
await client.flush();
const readBack = Buffer.from(await client.read(5000, secret.length));
await client.close();

const onMedium = Buffer.alloc(secret.length);
await using medium = await open(file);
await medium.read(onMedium, 0, onMedium.length, 5000);

console.log("client sees ", readBack.toString("latin1").slice(0, 40));
console.log("medium holds", onMedium.toString("hex").slice(0, 40));
console.log(
  "keyslots    ",
  cryptoFallback.slotTable().filter((slot) => slot.key !== null),
);

// Down in the reverse order; the key leaves its keyslot before it is wiped.
await server.close();
await volume.flush();
await blkCryptoEvictKey(loop.bdev, key);
key.wipe();
await loop.close();
await rm(folder, { recursive: true });
process.exitCode = readBack.equals(secret) && !onMedium.equals(secret) ? 0 : 1;
