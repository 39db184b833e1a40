// Computes transforms and products in Z_q[X]/(X^N+1) with Microsoft SEAL (its WebAssembly build, npm package node-seal)
// and writes their fingerprints to answers.h, which seal_crosscheck_test.cc compares with this library's.
//
//   npm ci && node crosscheck.mjs           writes answers.h
//   npm ci && node crosscheck.mjs --check   fails if answers.h is not what SEAL computes
//
// SEAL also takes the smallest primitive 2N-th root of unity and leaves transforms in bit-reversed order, so that the
// transforms are equal, not only the products.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import createSeal from 'node-seal';


const DEGREES = [2048, 4096, 8192, 16384];
const ANSWERS = new URL('answers.h', import.meta.url);

// ExpandUniform of sampling.h for the seed 0, 1, ..., 31: one array for each prime.
function expandUniform(n, index, primes) {
  const seed = Buffer.from(Array.from({ length: 32 }, (_, i) => i));
  return primes.map((q) => {
    const mask = (1n << BigInt(q.toString(2).length)) - 1n;
    const values = [];
    for (let block = 0; values.length < n; ++block) {
      const tail = Buffer.alloc(20);
      tail.writeUInt32LE(index, 0);
      tail.writeBigUInt64LE(q, 4);
      tail.writeUInt32LE(n, 12);
      tail.writeUInt32LE(block, 16);
      const bytes = createHash('shake128', { outputLength: 8064 })
        .update('privdnn/v1/expand-a').update(seed).update(tail).digest();
      for (let at = 0; at < bytes.length && values.length < n; at += 8) {
        const word = bytes.readBigUInt64LE(at) & mask;
        if (word < q) values.push(word);
      }
    }
    return values;
  });
}

// The small polynomial of the products: coefficients from -10 to 10.
const smallCoefficient = (k) => ((k * k + 3 * k) % 21) - 10;

function main(seal) {
  const { none } = seal.ComprModeType;
  const rows = DEGREES.map((n) => {
    const plainModulus = 786433n;
    const parameters = seal.EncryptionParameters(seal.SchemeType.bfv);
    parameters.setPolyModulusDegree(n);
    // SEAL's own search of primes for the largest degree, which serve the others too. It keeps the last prime from
    // ciphertexts.
    parameters.setCoeffModulus(seal.CoeffModulus.Create(16384, Int32Array.from([50, 50, 51])));
    parameters.setPlainModulus(seal.Modulus(plainModulus));
    // Nothing secret is encrypted, so no security level is asked for.
    const context = seal.Context(parameters, false, seal.SecurityLevel.none);
    if (!context.parametersSet()) throw new Error(`SEAL refuses the parameters for N=${n}`);
    const evaluator = seal.Evaluator(context);
    const encryptor = seal.Encryptor(context, seal.KeyGenerator(context).createPublicKey());

    // A ciphertext whose two polynomials are replaced by ours: the data are the last bytes of its saved form,
    // polynomial after polynomial, prime after prime in SEAL's order.
    const primes = Array.from(parameters.coeffModulus).slice(0, -1);
    const values = BigUint64Array.from([expandUniform(n, 1, primes), expandUniform(n, 2, primes)].flat(2));
    const cipher = encryptor.encryptZero();
    const saved = cipher.saveArray(none);
    saved.set(new Uint8Array(values.buffer), saved.length - values.byteLength);
    cipher.loadArray(context, saved);

    // Of each polynomial, the largest prime first as in NttPrimes.
    const order = primes.map((_, i) => i).sort((i, j) => (primes[i] < primes[j] ? 1 : -1));
    const fingerprints = (c) => {
      const bytes = c.saveArray(none).slice(-values.byteLength);
      return [0, 1].map((polynomial) => {
        const hash = createHash('sha256');
        for (const i of order) {
          const at = (polynomial * primes.length + i) * 8 * n;
          hash.update(bytes.subarray(at, at + 8 * n));
        }
        return hash.digest('hex');
      });
    };

    const transform = evaluator.cipherTransformToNtt(cipher);
    const back = evaluator.cipherTransformFromNtt(transform);
    if (fingerprints(back).join() !== fingerprints(cipher).join()) throw new Error(`no round trip for N=${n}`);

    const plain = seal.PlainText({ coeffCount: n, capacity: n });
    const plainSaved = plain.saveArray(none);
    const small = BigUint64Array.from({ length: n }, (_, k) => (BigInt(smallCoefficient(k)) + plainModulus) % plainModulus);
    plainSaved.set(new Uint8Array(small.buffer), plainSaved.length - small.byteLength);
    plain.loadArray(context, plainSaved);
    const product = evaluator.multiplyPlain(cipher, plain);
    return { n, primes: order.map((i) => primes[i]), transform: fingerprints(transform)[0], product: fingerprints(product)[1] };
  });

  const text = `// Written by crosscheck.mjs with Microsoft SEAL; do not edit.
// clang-format off
#pragma once

#include <cstddef>
#include <cstdint>

namespace privdnn::seal_crosscheck {

// The two largest primes below 2^50 that are 1 mod 2^15.
inline constexpr uint64_t kPrimes[] = {${rows[0].primes.join(', ')}};

// SHA-256 of little-endian residues, prime after prime: the transform of a_1, and the product of a_2 and the small
// polynomial with coefficients (k*k + 3k) mod 21 - 10, modulo kPrimes.
struct Answer {
  size_t n;
  const char* transform;
  const char* product;
};

inline constexpr Answer kAnswers[] = {
${rows.map((r) => `    {${r.n}, "${r.transform}",\n     "${r.product}"},`).join('\n')}
};

}  // namespace privdnn::seal_crosscheck
`;
  if (process.argv.includes('--check')) {
    if (readFileSync(ANSWERS, 'utf8') !== text) throw new Error('answers.h differs from what SEAL computes');
    console.log('answers.h is what SEAL computes');
  } else {
    writeFileSync(ANSWERS, text);
  }
}

main(await createSeal());
