import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NbdClient, NbdServer } from "../../src/index.js";
import { Fixture, settle, stopFixturesAfterEach } from "../support/fixture.js";
import { CLIENT_FLAGS, exportNameHex, GREETING, hex, optionHex, RawClient, toHex } from "../support/raw-client.js";

stopFixturesAfterEach();

const REPLY = "0003e889045565a9";
/** HAS_FLAGS, SEND_FLUSH, SEND_FUA, SEND_TRIM, SEND_WRITE_ZEROES, CAN_MULTI_CONN. */
const FLAGS = "016d";
/** Size of the test disk: 1 MiB. */
const SIZE = "0000000000100000";
const BLOCK_SIZES = `${REPLY}00000007 00000003 0000000e 0003 00000001 00000200 02000000`;

function flat(text: string): string {
  return text.replaceAll(/\s/g, "");
}

describe("handshake", () => {
  it("greets as fixed newstyle", async () => {
    const fixture = await Fixture.start();
    const client = new RawClient(fixture.address);
    expect(await client.readHex(18)).toBe(GREETING);
    await client.destroy();
  });

  it("answers EXPORT_NAME with and without zeroes", async () => {
    const fixture = await Fixture.start();
    const short = await fixture.greeted();
    short.send(`${CLIENT_FLAGS}${exportNameHex("disk")}`);
    expect(await short.readHex(10)).toBe(SIZE + FLAGS);
    const long = await fixture.greeted();
    long.send(`00000001${exportNameHex("disk")}25609513 0000 0003 0000000000000009 0000000000000000 00000000`);
    expect(await long.readHex(10 + 124)).toBe(`${SIZE}${FLAGS}${"00".repeat(124)}`);
    expect(await long.readHex(16)).toBe(flat("67446698 00000000 0000000000000009"));
  });

  it("answers GO with the export, its block sizes and what was asked for", async () => {
    const fixture = await Fixture.start();
    const client = await fixture.greeted();
    client.send(`${CLIENT_FLAGS}${optionHex(7, "00000004 6469736b 0003 0001 0002 0003")}`);
    const expected = flat(`
      ${REPLY} 00000007 00000003 0000000c 0000 ${SIZE} ${FLAGS}
      ${BLOCK_SIZES}
      ${REPLY} 00000007 00000003 00000006 0001 6469736b
      ${REPLY} 00000007 00000003 0000000d 0002 612074657374206469736b
      ${REPLY} 00000007 00000001 00000000`);
    expect(await client.readHex(expected.length / 2)).toBe(expected);
    const { error } = await client.request({ type: 3 });
    expect(error).toBe(0);
    expect(await fixture.event("negotiated")).toMatchObject({ exportName: "disk" });
  });

  it("takes an export's name as it is, a byte order mark too", async () => {
    const fixture = await Fixture.start();
    const marked = "\ufeffdisk";
    const server = new NbdServer({ exports: [{ name: marked, volume: fixture.volume }] });
    const address = await server.listen({ unix: `${fixture.folder}/marked.sock` });
    try {
      expect(await NbdClient.list(address)).toEqual([{ name: marked, description: "" }]);
      await (await NbdClient.connect(address, { exportName: marked })).close();
      await expect(NbdClient.connect(address, { exportName: "disk" })).rejects.toMatchObject({ code: "ENOENT" });
    } finally {
      await server.close();
    }
  });

  it("prefers no block that is larger than a request may be", async () => {
    const fixture = await Fixture.start({ disk: { limits: { ioMinBytes: 64 << 20 } } });
    const client = await fixture.client();
    expect(client.blockSizes).toEqual({ minimum: 1, preferred: 32 << 20, maximum: 32 << 20 });
  });

  it("prefers the data unit as block size", async () => {
    const fixture = await Fixture.start({ dataUnitBytes: 4096 });
    const client = await fixture.greeted();
    client.send(`${CLIENT_FLAGS}${optionHex(6, "00000000 0000")}`);
    await client.read(20 + 12);
    expect((await client.readHex(20 + 14)).slice(-24)).toBe(flat("00000001 00001000 02000000"));
  });

  it("answers INFO and goes on haggling; the empty name is the first export", async () => {
    const fixture = await Fixture.start();
    const client = await fixture.greeted();
    client.send(`${CLIENT_FLAGS}${optionHex(6, "00000000 0001 0001")}`);
    const info = flat(`
      ${REPLY} 00000006 00000003 0000000c 0000 ${SIZE} ${FLAGS}
      ${REPLY} 00000006 00000003 0000000e 0003 00000001 00000200 02000000
      ${REPLY} 00000006 00000003 00000006 0001 6469736b
      ${REPLY} 00000006 00000001 00000000`);
    expect(await client.readHex(info.length / 2)).toBe(info);
    client.send(optionHex(3));
    const list = flat(`
      ${REPLY} 00000003 00000002 00000013 00000004 6469736b 612074657374206469736b
      ${REPLY} 00000003 00000002 00000009 00000005 6f74686572
      ${REPLY} 00000003 00000001 00000000`);
    expect(await client.readHex(list.length / 2)).toBe(list);
    client.send(optionHex(2));
    expect(toHex(await client.readToEnd())).toBe(flat(`${REPLY} 00000002 00000001 00000000`));
    expect(await fixture.event("disconnect")).toMatchObject({ reason: "the client aborted the handshake" });
  });

  it.each([
    ["STARTTLS", optionHex(5), "80000001"],
    ["STRUCTURED_REPLY", optionHex(8), "80000001"],
    ["an option nobody knows", optionHex(0x7777, "0102"), "80000001"],
    ["an unknown export", optionHex(7, "00000004 6e6f7065 0000"), "80000006"],
    ["malformed GO data", optionHex(7, "000000ff 0000"), "80000003"],
    ["LIST with data", optionHex(3, "00"), "80000003"],
    ["an option too long", optionHex(6, "41".repeat(8193)), "80000009"],
  ])("refuses %s and goes on", async (_what, option, replyType) => {
    const fixture = await Fixture.start();
    const client = await fixture.greeted();
    client.send(`${CLIENT_FLAGS}${option}`);
    const header = await client.read(20);
    expect(toHex(header.subarray(0, 8))).toBe(REPLY);
    expect(toHex(header.subarray(12, 16))).toBe(replyType);
    await client.read(header.readUInt32BE(16));
    client.send(optionHex(7, "00000000 0000"));
    expect((await client.readHex(20 + 12)).slice(-20)).toBe(SIZE + FLAGS);
  });

  it.each([
    ["a bad option magic", `${CLIENT_FLAGS}49484156454f5055 00000003 00000000`, "bad option magic"],
    ["unknown client flags", "00000007", "unknown client flags 0x4"],
    ["an export name too long", `${CLIENT_FLAGS}${optionHex(1, "41".repeat(8193))}`, "export name too long"],
    ["options without end", `${CLIENT_FLAGS}${optionHex(3).repeat(65)}`, "more than 64 options"],
  ])("closes on %s", async (_what, bytes, detail) => {
    const fixture = await Fixture.start();
    const client = await fixture.greeted();
    client.send(bytes);
    await client.readToEnd();
    expect(await fixture.event("violation")).toMatchObject({ connection: 1, detail });
    expect(await fixture.event("disconnect")).toMatchObject({ connection: 1, reason: detail });
  });

  it("closes on EXPORT_NAME of an unknown export, which the protocol cannot refuse otherwise", async () => {
    const fixture = await Fixture.start();
    const client = await fixture.greeted();
    client.send(`${CLIENT_FLAGS}${exportNameHex("nope")}`);
    expect((await client.readToEnd()).length).toBe(0);
    expect(await fixture.event("disconnect")).toMatchObject({ reason: "unknown export" });
  });

  it("sends away a client that says nothing", async () => {
    const fixture = await Fixture.start({ handshakeTimeoutMs: 1000 });
    const silent = await fixture.greeted();
    const working = await fixture.raw();
    fixture.executor.advance(999);
    await settle();
    expect(fixture.server.connectionCount).toBe(2);
    fixture.executor.advance(1);
    expect((await silent.readToEnd()).length).toBe(0);
    expect(await fixture.event("disconnect")).toMatchObject({ connection: 1, reason: "the handshake took too long" });
    expect((await working.request({ type: 3 })).error).toBe(0);
  });

  it("keeps TRIM and the flags of writers from exports that cannot", async () => {
    const readOnly = await Fixture.start({ readOnly: true });
    const client = await readOnly.greeted();
    client.send(`${CLIENT_FLAGS}${exportNameHex("disk")}`);
    expect(await client.readHex(10)).toBe(`${SIZE}010f`);
    const noTrim = await Fixture.start({ disk: { limits: { maxDiscardSectors: 0 } } });
    const other = await noTrim.greeted();
    other.send(`${CLIENT_FLAGS}${exportNameHex("disk")}`);
    expect(await other.readHex(10)).toBe(`${SIZE}014d`);
  });

  it("survives arbitrary bytes in arbitrary pieces", async () => {
    const fixture = await Fixture.start();
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc
        .constantFrom(CLIENT_FLAGS, optionHex(3), optionHex(7, "00000000 0000"), optionHex(6, "00"), "25609513")
        .map((text) => new Uint8Array(hex(text))),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 6 }), async (pieces) => {
        const client = new RawClient(fixture.address);
        for (const bytes of pieces) {
          client.send(bytes);
          await settle(2);
        }
        client.socket.end();
        await client.readToEnd();
      }),
      { seed: 7, numRuns: 100 },
    );
    await fixture.until(() => fixture.server.connectionCount === 0);
    expect(fixture.server.inFlightBytes).toBe(0);
    expect((await (await fixture.raw()).request({ type: 3 })).error).toBe(0);
  });
});
