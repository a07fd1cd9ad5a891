/** The polynomial x^8 + x^4 + x^3 + x + 1 of FIPS-197 section 4.2. */
export const AES_POLYNOMIAL = 0x11b;

/** The product of two bytes in GF(2^8): shift and add, reduced by a polynomial of degree 8. */
export function multiply(a: number, b: number, polynomial: number = AES_POLYNOMIAL): number {
  let product = 0;
  let shifted = a;
  for (let bit = 0; bit < 8; bit++) {
    if ((b >> bit) & 1) product ^= shifted;
    shifted <<= 1;
    if (shifted & 0x100) shifted ^= polynomial;
  }
  return product;
}

/** The byte whose product with `a` is 1, by trying them all; 0 for 0, as FIPS-197 section 5.1.1 defines. */
export function inverse(a: number, polynomial: number = AES_POLYNOMIAL): number {
  for (let candidate = 1; candidate < 256; candidate++) {
    if (multiply(a, candidate, polynomial) === 1) return candidate;
  }
  return 0;
}
