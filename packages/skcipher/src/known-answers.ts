/** A data unit whose ciphertext is published. */
export interface KnownAnswer {
  readonly source: string;
  readonly keyHex: string;
  /** Up to 256 bits, the least significant digit last. */
  readonly dunHex: string;
  /** What the data unit begins with; the rest of it is zero. */
  readonly plaintextHex: string;
  /** What its ciphertext begins with, or the SHA-256 of all of it. */
  readonly ciphertext: { readonly startHex: string } | { readonly sha256Hex: string };
  /** Data unit sizes that this is an answer for. The smallest and the largest, if it can be: they may be computed in different ways. */
  readonly dataUnitBytes: readonly number[];
}

/** In these modes a block's ciphertext does not depend on what follows, so an answer holds for longer data units as well. */
const ANY_DATA_UNIT = [512, 65536];

const XTS_AES: KnownAnswer = {
  source: "IEEE Std 1619-2007, annex B, vector 10",
  keyHex:
    "2718281828459045235360287471352662497757247093699959574966967627" +
    "3141592653589793238462643383279502884197169399375105820974944592",
  dunHex: "ff",
  plaintextHex: Array.from({ length: 512 }, (_, i) => (i % 256).toString(16).padStart(2, "0")).join(""),
  ciphertext: {
    startHex:
      "1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b5d31e276f8fe4a8d66b317f9ac683f44" +
      "680a86ac35adfc3345befecb4bb188fd5776926c49a3095eb108fd1098baec70aaa66999a72a82f27d848b21d4a741b0" +
      "c5cd4d5fff9dac89aeba122961d03a757123e9870f8acf1000020887891429ca2a3e7a7d7df7b10355165c8b9a6d0a7d" +
      "e8b062c4500dc4cd120c0f7418dae3d0b5781c34803fa75421c790dfe1de1834f280d7667b327f6c8cd7557e12ac3a0f" +
      "93ec05c52e0493ef31a12d3d9260f79a289d6a379bc70c50841473d1a8cc81ec583e9645e07b8d9670655ba5bbcfecc6" +
      "dc3966380ad8fecb17b6ba02469a020a84e18e8f84252070c13e9f1f289be54fbc481457778f616015e1327a02b140f1" +
      "505eb309326d68378f8374595c849d84f4c333ec4423885143cb47bd71c5edae9be69a2ffeceb1bec9de244fbe15992b" +
      "11b77c040f12bd8f6a975a44a0f90c29a9abc3d4d893927284c58754cce294529f8614dcd2aba991925fedc4ae74ffac" +
      "6e333b93eb4aff0479da9a410e4450e0dd7ae4c6e2910900575da401fc07059f645e8b7e9bfdef33943054ff84011493" +
      "c27b3429eaedb4ed5376441a77ed43851ad77f16f541dfd269d50d6a5f14fb0aab1cbb4c1550be97f7ab4066193c4caa" +
      "773dad38014bd2092fa755c824bb5e54c4f36ffda9fcea70b9c6e693e148c151",
  },
  dataUnitBytes: ANY_DATA_UNIT,
};

const XTS_SM4: KnownAnswer = {
  source: "Linux crypto/testmgr.h, sm4_xts_tv_template",
  keyHex: "11".repeat(16) + "22".repeat(16),
  dunHex: "3333333333",
  plaintextHex: "44".repeat(32),
  ciphertext: { startHex: "a74d726c11196a32be04e001ff29d0c7932f9f3ec29bfcb64dd17f63cbd3ea31" },
  dataUnitBytes: ANY_DATA_UNIT,
};

const ESSIV_CBC_AES: KnownAnswer = {
  source: "Linux crypto/testmgr.h, essiv_aes_cbc_tv_template, vector 2",
  keyHex: "c286696d887c9aa0611bbb3e2025a45a",
  dunHex: "283d096d99172e56",
  plaintextHex: "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
  ciphertext: { startHex: "c8599afe79e67b20067d550a5ec7b5a70b9c80d215a1b86dc6ab7b65d9fd88eb" },
  dataUnitBytes: ANY_DATA_UNIT,
};

const ADIANTUM: KnownAnswer = {
  source: "an fscrypt file of Linux 6.1, policy with DIRECT_KEY, its block 3",
  keyHex: "3c818720a831d032ab28a25bf0e204058c10bcb690cfe6a0d11be0a3ea8ccef9",
  dunHex: "47a85307b88e1182ac494c89dffe72550000000000000003",
  plaintextHex:
    "00".repeat(100) +
    "e61b1c8fdf76b1ec552e8eb4a92567cbe419a8944a845c8609b65d7ac8339870c1366822e6d6a2acc6c839634819820cf186" +
    "c633362582fba5acc651f3a0cd7d832a65cdf02bd6e5c6fdadbd6537f09c705a39feedc14d7938cc3b3fd5cb54e2f0b58bc5" +
    "54288c65957428799764840c05e3fe4329307556f0a01b7023f7f2b4d1c50f75b8adf5a097a1698ed6e0cdc7ec8c82f7784d" +
    "c96ebed04320df8ffdc228a76071cd0a608f4966a43caee635137e760a8c3d6d5ab95df54b1ace2fa795079e0e6f7301f217" +
    "37193dfe640b634ce9981833465fc1a09d25bd7024ba33f7450f4a405dd5fa3cfee64785e627fae41fd28fdd9753784d6be1" +
    "090612554b51a4a9e75fdd2e71a84303966f363c21f597dc8cd0b6eb225042205980b1a88f214019e4235b381df7ba90dcfe",
  ciphertext: { sha256Hex: "ba0c9f4b0501be32386fca91acd175aca5529b6e95685e6fc44628544f378d14" },
  dataUnitBytes: [4096],
};

/** What each cipher must answer in its self-test, by crypto-API name. */
export const KNOWN_ANSWERS: Readonly<Record<string, KnownAnswer>> = {
  "xts(aes)": XTS_AES,
  "xts(sm4)": XTS_SM4,
  "essiv(cbc(aes),sha256)": ESSIV_CBC_AES,
  "adiantum(xchacha12,aes)": ADIANTUM,
};
