// SPDX-License-Identifier: BSD-2-Clause
// First instructions: QEMU enters here at EL2 with the MMU off.

.section .text.boot, "ax"
.global kernel_entry
kernel_entry:
    mrs     x0, CurrentEL
    cmp     x0, #(2 << 2)
    b.ne    2f
    msr     daifset, #0xf
    adrp    x0, kernel_bss_start
    add     x0, x0, :lo12:kernel_bss_start
    adrp    x1, kernel_bss_end
    add     x1, x1, :lo12:kernel_bss_end
1:  cmp     x0, x1
    b.hs    3f
    stp     xzr, xzr, [x0], #16
    b       1b
2:  wfi
    b       2b
3:  adrp    x0, kernel_stack_top
    add     x0, x0, :lo12:kernel_stack_top
    mov     sp, x0
    adrp    x0, kernel_vectors
    add     x0, x0, :lo12:kernel_vectors
    msr     vbar_el2, x0
    isb
    bl      kernel_boot
    b       kernel_exit
