// SPDX-License-Identifier: BSD-2-Clause
// SHA-256's compression function with the instructions of Armv8's cryptographic extension.
//
// bulkhead_sha256(x0: state, x1: blocks, x2: number of blocks, not 0, x3: the 64 constants)
// Changes x1, x2, x4 and FP registers, none of which soft-float code has.

    .arch armv8-a+crypto

// Four rounds with the message words in m0; the words 16 rounds on take their place.
.macro SHA256_ROUNDS_SCHEDULE m0, m1, m2, m3
    ld1         {v18.4s}, [x4], #16
    add         v19.4s, v18.4s, \m0\().4s
    sha256su0   \m0\().4s, \m1\().4s
    mov         v20.16b, v0.16b
    sha256h     q0, q1, v19.4s
    sha256h2    q1, q20, v19.4s
    sha256su1   \m0\().4s, \m2\().4s, \m3\().4s
.endm

// The last rounds need no further words.
.macro SHA256_ROUNDS m0
    ld1         {v18.4s}, [x4], #16
    add         v19.4s, v18.4s, \m0\().4s
    mov         v20.16b, v0.16b
    sha256h     q0, q1, v19.4s
    sha256h2    q1, q20, v19.4s
.endm

    .section .text.bulkhead_sha256, "ax"
    .global bulkhead_sha256
    .type bulkhead_sha256, %function
bulkhead_sha256:
    ld1         {v0.4s, v1.4s}, [x0]
1:  ld1         {v4.16b, v5.16b, v6.16b, v7.16b}, [x1], #64
    mov         x4, x3
    mov         v16.16b, v0.16b
    mov         v17.16b, v1.16b
    rev32       v4.16b, v4.16b
    rev32       v5.16b, v5.16b
    rev32       v6.16b, v6.16b
    rev32       v7.16b, v7.16b
.rept 3
    SHA256_ROUNDS_SCHEDULE v4, v5, v6, v7
    SHA256_ROUNDS_SCHEDULE v5, v6, v7, v4
    SHA256_ROUNDS_SCHEDULE v6, v7, v4, v5
    SHA256_ROUNDS_SCHEDULE v7, v4, v5, v6
.endr
    SHA256_ROUNDS v4
    SHA256_ROUNDS v5
    SHA256_ROUNDS v6
    SHA256_ROUNDS v7
    add         v0.4s, v0.4s, v16.4s
    add         v1.4s, v1.4s, v17.4s
    subs        x2, x2, #1
    b.ne        1b
    st1         {v0.4s, v1.4s}, [x0]
    ret
    .size bulkhead_sha256, . - bulkhead_sha256
