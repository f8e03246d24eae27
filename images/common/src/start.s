// SPDX-License-Identifier: BSD-2-Clause
// First instructions of every protection domain, at its first start and at each restart.
//
// A parent restarts a child by writing its pc alone (libmicrokit, sel4-abi section 5.4), so
// neither the stack pointer nor .data and .bss are what they were. The first start keeps a copy
// of .data (as the system's builder patched it) in .pristine; later starts put it back and clear
// .bss. The state word turns non-zero only after the copy is complete: a restart in the middle of
// the first start finds .data still untouched and saves it again.
    .section .text.bulkhead_start, "ax", %progbits
    .global bulkhead_start
    .type bulkhead_start, %function
bulkhead_start:
    movz x9, #0xe000
    movk x9, #0xffff, lsl #16
    movk x9, #0x00ff, lsl #32
    mov sp, x9
    msr tpidr_el0, xzr
    mov x29, xzr
    mov x30, xzr

    adrp x0, __bulkhead_data_start
    add x0, x0, :lo12:__bulkhead_data_start
    adrp x1, __bulkhead_data_end
    add x1, x1, :lo12:__bulkhead_data_end
    adrp x2, __bulkhead_pristine
    add x2, x2, :lo12:__bulkhead_pristine
    add x3, x2, #16
    ldr x4, [x2]
    cbnz x4, 2f

1:  cmp x0, x1
    b.hs 4f
    ldp x5, x6, [x0], #16
    stp x5, x6, [x3], #16
    b 1b

2:  cmp x0, x1
    b.hs 3f
    ldp x5, x6, [x3], #16
    stp x5, x6, [x0], #16
    b 2b
3:  adrp x0, __bulkhead_bss_start
    add x0, x0, :lo12:__bulkhead_bss_start
    adrp x1, __bulkhead_bss_end
    add x1, x1, :lo12:__bulkhead_bss_end
5:  cmp x0, x1
    b.hs 4f
    stp xzr, xzr, [x0], #16
    b 5b

4:  ldr x4, [x2]
    add x4, x4, #1
    str x4, [x2]
    b _start
    .size bulkhead_start, . - bulkhead_start
