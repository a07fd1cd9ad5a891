import {
  BLK_ENCRYPTION_MODE_MAX,
  cryptoModeByName,
  cryptoModeByNum,
  cryptoModes,
} from "@inlinecrypt/blk-crypto-profile";
import { describe, expect, it } from "vitest";

describe("the modes table", () => {
  it("has the kernel's numbers, names, ciphers and lengths", () => {
    const rows = cryptoModes.map((m) => [m.num, m.name, m.cipher, m.keyBytes, m.strengthBytes, m.ivBytes]);
    expect(rows).toEqual([
      [1, "AES-256-XTS", "xts(aes)", 64, 32, 16],
      [2, "AES-128-CBC-ESSIV", "essiv(cbc(aes),sha256)", 16, 16, 16],
      [3, "Adiantum", "adiantum(xchacha12,aes)", 32, 32, 32],
      [4, "SM4-XTS", "xts(sm4)", 32, 16, 16],
    ]);
    expect(BLK_ENCRYPTION_MODE_MAX).toBe(5);
  });

  it("finds modes by name and by number", () => {
    for (const mode of cryptoModes) {
      expect(cryptoModeByName(mode.name)).toBe(mode);
      expect(cryptoModeByNum(mode.num)).toBe(mode);
    }
  });

  it("answers an unknown name with the names there are", () => {
    expect(() => cryptoModeByName("aes-xts-plain64")).toThrow(
      expect.objectContaining({
        code: "EINVAL",
        message: expect.stringContaining(
          '"aes-xts-plain64", expected AES-256-XTS, AES-128-CBC-ESSIV, Adiantum, SM4-XTS',
        ),
      }),
    );
  });

  it("has no mode 0 (INVALID) and none from 5 up", () => {
    for (const num of [0, 5, -1, 1.5]) {
      expect(() => cryptoModeByNum(num)).toThrow(expect.objectContaining({ code: "EINVAL" }));
    }
  });
});
