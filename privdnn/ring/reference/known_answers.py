#!/usr/bin/env python3
"""Prints the known answers of modulus_test.cc, ntt_test.cc and sampling_test.cc.

Written from the comments of the headers (sampling.h, ntt_tables.h, base/random.h), with Python's integers and hashlib
only, so that it shares nothing with the library.
"""

import hashlib
import struct

LARGEST = 1125899904679937
WORDS_PER_DRAW = 3072  # of sampling.cc


def is_prime(n):
    if n % 2 == 0:
        return False
    d, s = n - 1, 0
    while d % 2 == 0:
        d, s = d // 2, s + 1
    for a in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37):
        x = pow(a, d, n)
        if a % n == 0 or x in (1, n - 1):
            continue
        for _ in range(s - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


def ntt_primes(count):
    primes, q = [], 2**50 - 2**15 + 1
    while len(primes) < count:
        if is_prime(q):
            primes.append(q)
        q -= 2**15
    return primes


def smallest_root(n, q):
    """The smallest primitive 2n-th root of unity modulo q."""
    x = 2
    while pow(x, (q - 1) // 2, q) != q - 1:
        x += 1
    root = pow(x, (q - 1) // (2 * n), q)
    square, power, smallest = root * root % q, root, root
    for _ in range(n - 1):
        power = power * square % q
        smallest = min(smallest, power)
    return smallest


def expand_uniform(seed, index, q, n):
    values, block, mask = [], 0, (1 << q.bit_length()) - 1
    while len(values) < n:
        message = b"privdnn/v1/expand-a" + seed + struct.pack("<IQII", index, q, n, block)
        words = struct.unpack("<1008Q", hashlib.shake_128(message).digest(8064))
        values += [w & mask for w in words if w & mask < q]
        block += 1
    return values[:n]


def deterministic_groups(seed, groups, words_per_group):
    """Groups of words as DeterministicRandom(seed) gives them, at most WORDS_PER_DRAW words a call."""
    counter, most = 0, WORDS_PER_DRAW // words_per_group
    while groups > 0:
        now = min(groups, most)
        size = now * words_per_group
        message = b"privdnn/v1/test-random" + struct.pack("<QQQ", seed, 0, counter)
        words = struct.unpack(f"<{size}Q", hashlib.shake_128(message).digest(8 * size))
        for g in range(now):
            yield words[g * words_per_group : (g + 1) * words_per_group]
        groups, counter = groups - now, counter + 1


def ternary(seed, n):
    values = []
    for (word,) in deterministic_groups(seed, -(-n // 8), 1):
        for _ in range(8):
            values.append((word * 3 >> 64) - 1)
            word = word * 3 % 2**64
    return values[:n]


def centered_binomial(seed, n):
    side = 2**21 - 1

    def sample(bits):
        return bin(bits & side).count("1") - bin(bits >> 21 & side).count("1")

    values = []
    for a, b in deterministic_groups(seed, -(-n // 3), 2):
        values += [sample(a), sample(b), sample((a >> 42 & side) | (b >> 42 & side) << 21)]
    return values[:n]


def uniform(seed, q, n):
    return [(b << 64 | a) * q >> 128 for a, b in deterministic_groups(seed, n, 2)]


def fingerprint(values, code):
    return hashlib.sha256(b"".join(struct.pack(code, v) for v in values)).hexdigest()


def main():
    primes = ntt_primes(16)
    print("NttPrimes(16):", primes)
    for n in (16, 2048, 4096, 16384):
        print(f"psi for N={n}:", [smallest_root(n, q) for q in primes[:2]])
    for q in (LARGEST, 562949954142209, 1146881):
        a = expand_uniform(bytes(range(32)), 7, q, 4096)
        print(f"ExpandUniform, q={q}:", a[:2], a[-1], fingerprint(a, "<Q"))
    for name, values, code in (
        ("SampleTernary", ternary(1, 40004), "<i"),
        ("SampleCenteredBinomial", centered_binomial(2, 10001), "<i"),
        ("SampleUniform", uniform(3, LARGEST, 10001), "<Q"),
    ):
        print(f"{name}:", values[:12], fingerprint(values, code))


if __name__ == "__main__":
    main()
