// The parsers against arbitrary bytes in arbitrary pieces: no throw, no hang, and the pieces never matter.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OptionEvent, OptionParser } from "../../src/protocol/option.js";
import { RequestEvent, RequestParser } from "../../src/protocol/request.js";
import { ReplyEvent, ReplyParser } from "../../src/protocol/simple-reply.js";
import { hex, optionHex, requestHex } from "../support/raw-client.js";

const SEED = 20_240_601;
const BIG_OPTION_BYTES = 100_000;

/** Valid messages and noise, in any order. */
function stream(...valid: string[]): fc.Arbitrary<Uint8Array> {
  const message = fc.constantFrom(...valid).map((text) => new Uint8Array(hex(text)));
  const noise = fc.uint8Array({ maxLength: 40 });
  return fc
    .array(fc.oneof({ weight: 4, arbitrary: message }, { weight: 1, arbitrary: noise }), { maxLength: 8 })
    .map((parts) => new Uint8Array(Buffer.concat(parts)));
}

/** The same bytes cut at arbitrary places; the second member repeats the cuts on one stream. */
function cut(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [0, ...cuts.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, index) => bytes.subarray(places[index]!, end));
}

function requestEvents(chunks: readonly Uint8Array[]): string[] {
  const parser = new RequestParser();
  const events: string[] = [];
  let payload = "";
  for (const chunk of chunks) {
    parser.feed(chunk);
    for (let steps = 0; ; steps++) {
      expect(steps).toBeLessThanOrEqual(chunk.length + 1);
      const event = parser.next();
      if (event === RequestEvent.NEED_DATA) break;
      if (event === RequestEvent.BAD_MAGIC) return [...events, "bad"];
      if (event === RequestEvent.REQUEST) events.push(JSON.stringify(parser.header));
      if (event !== RequestEvent.PAYLOAD) continue;
      payload += Buffer.from(parser.chunk.subarray(parser.payloadStart, parser.payloadEnd)).toString("hex");
      if (parser.payloadLeft > 0) continue;
      events.push(payload);
      payload = "";
    }
  }
  return events;
}

function optionEvents(chunks: readonly Uint8Array[]): string[] {
  const parser = new OptionParser();
  const events: string[] = [];
  for (const chunk of chunks) {
    parser.feed(chunk);
    for (let steps = 0; ; steps++) {
      expect(steps).toBeLessThanOrEqual(chunk.length + 1);
      const event = parser.next();
      if (event === OptionEvent.NEED_DATA) break;
      if (event === OptionEvent.BAD_MAGIC) return [...events, "bad"];
      if (event === OptionEvent.CLIENT_FLAGS) events.push(`flags ${parser.clientFlags}`);
      if (event === OptionEvent.TOO_BIG) events.push(`too big ${parser.option}`);
      if (event === OptionEvent.OPTION) events.push(`${parser.option} ${Buffer.from(parser.data).toString("hex")}`);
    }
  }
  return events;
}

function replyEvents(chunks: readonly Uint8Array[]): string[] {
  const parser = new ReplyParser();
  const events: string[] = [];
  for (const chunk of chunks) {
    parser.feed(chunk);
    for (let steps = 0; ; steps++) {
      expect(steps).toBeLessThanOrEqual(chunk.length + 1);
      const event = parser.next();
      if (event === ReplyEvent.NEED_DATA) break;
      if (event === ReplyEvent.BAD_MAGIC) return [...events, "bad"];
      if (event !== ReplyEvent.REPLY) continue;
      events.push(JSON.stringify(parser.reply));
      parser.payloadLeft = parser.reply.error === 0 ? 3 : 0;
    }
  }
  return events;
}

const cuts = fc.array(fc.nat(), { maxLength: 12 });

describe("parsers", () => {
  it("cut requests the same way however they arrive", () => {
    const write = `${requestHex({ type: 1, offset: 4096, bytes: 5 })}0102030405`;
    const read = requestHex({ type: 0, offset: 512, bytes: 0xffff_ffff });
    fc.assert(
      fc.property(stream(write, read, requestHex({ type: 99 })), cuts, (bytes, places) => {
        expect(requestEvents(cut(bytes, places))).toEqual(requestEvents([bytes]));
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  it("cut options the same way however they arrive", () => {
    const big = optionHex(8, "00".repeat(BIG_OPTION_BYTES));
    fc.assert(
      fc.property(stream("00000003", optionHex(7, "00000000 0000"), optionHex(3), big), cuts, (bytes, places) => {
        expect(optionEvents(cut(bytes, places))).toEqual(optionEvents([bytes]));
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  it("cut replies the same way however they arrive", () => {
    const good = "67446698 00000000 0000000100000002 aabbcc";
    fc.assert(
      fc.property(stream(good, "67446698 00000005 0000000100000002"), cuts, (bytes, places) => {
        expect(replyEvents(cut(bytes, places))).toEqual(replyEvents([bytes]));
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  it("find what was sent", () => {
    const write = `${requestHex({ type: 1, offset: 4096, bytes: 5 })}0102030405`;
    const events = requestEvents([hex(write + requestHex({ type: 3 }))]);
    expect(events).toEqual([
      expect.stringContaining('"offset":4096'),
      "0102030405",
      expect.stringContaining('"type":3'),
    ]);
    const big = optionHex(8, "00".repeat(BIG_OPTION_BYTES));
    expect(optionEvents([hex(`00000003${big}${optionHex(3)}`)])).toEqual(["flags 3", "too big 8", "3 "]);
  });
});
