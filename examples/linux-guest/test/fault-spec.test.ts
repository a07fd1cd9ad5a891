import { describe, expect, it } from "vitest";
import { parseFault } from "../src/fault-spec.js";

describe("--fault", () => {
  it.each([
    ["engineFault", { kind: "engineFault" }],
    ["engineFault,on=write,skip=20,times=3", { kind: "engineFault", opcode: 0x2a, skip: 20, times: 3 }],
    ["lostCompletion,on=read,slot=0", { kind: "lostCompletion", opcode: 0x28, slotIndex: 0 }],
  ])("understands %s", (spec, rule) => {
    expect(parseFault(spec)).toEqual(rule);
  });

  it.each(["", "fire", "engineFault,on=format", "engineFault,skip", "engineFault,skip=-1", "engineFault,colour=2"])(
    "refuses %j and says what it expects",
    (spec) => {
      expect(() => parseFault(spec)).toThrow(/expected/);
    },
  );
});
