// SPDX-License-Identifier: BSD-2-Clause
// Exception vectors. TPIDR_EL2 points to the devkernel::context::Context of the running thread:
// x0..x30 at 0, sp 248, elr 256, spsr 264, tpidr 272, tpidrro 280, fault_ip 288.

.macro save_context
    str     x0, [sp, #-16]!
    mrs     x0, tpidr_el2
    str     x1, [x0, #8]
    ldr     x1, [sp], #16
    str     x1, [x0]
    stp     x2, x3, [x0, #16]
    stp     x4, x5, [x0, #32]
    stp     x6, x7, [x0, #48]
    stp     x8, x9, [x0, #64]
    stp     x10, x11, [x0, #80]
    stp     x12, x13, [x0, #96]
    stp     x14, x15, [x0, #112]
    stp     x16, x17, [x0, #128]
    stp     x18, x19, [x0, #144]
    stp     x20, x21, [x0, #160]
    stp     x22, x23, [x0, #176]
    stp     x24, x25, [x0, #192]
    stp     x26, x27, [x0, #208]
    stp     x28, x29, [x0, #224]
    mrs     x1, sp_el0
    stp     x30, x1, [x0, #240]
    mrs     x1, elr_el2
    mrs     x2, spsr_el2
    stp     x1, x2, [x0, #256]
    mrs     x1, tpidr_el0
    mrs     x2, tpidrro_el0
    stp     x1, x2, [x0, #272]
.endm

.section .text.vectors, "ax"

lower_sync:
    save_context
    mrs     x0, esr_el2
    mrs     x1, far_el2
    bl      kernel_sync
    b       kernel_exit

lower_irq:
    save_context
    bl      kernel_irq

.global kernel_exit
kernel_exit:
    msr     tpidr_el2, x0
    ldp     x1, x2, [x0, #256]
    msr     elr_el2, x1
    msr     spsr_el2, x2
    ldp     x1, x2, [x0, #272]
    msr     tpidr_el0, x1
    msr     tpidrro_el0, x2
    ldp     x30, x1, [x0, #240]
    msr     sp_el0, x1
    ldp     x2, x3, [x0, #16]
    ldp     x4, x5, [x0, #32]
    ldp     x6, x7, [x0, #48]
    ldp     x8, x9, [x0, #64]
    ldp     x10, x11, [x0, #80]
    ldp     x12, x13, [x0, #96]
    ldp     x14, x15, [x0, #112]
    ldp     x16, x17, [x0, #128]
    ldp     x18, x19, [x0, #144]
    ldp     x20, x21, [x0, #160]
    ldp     x22, x23, [x0, #176]
    ldp     x24, x25, [x0, #192]
    ldp     x26, x27, [x0, #208]
    ldp     x28, x29, [x0, #224]
    ldp     x0, x1, [x0]
    eret

fatal:
    mrs     x1, esr_el2
    mrs     x2, elr_el2
    mrs     x3, far_el2
    bl      kernel_fatal
    b       .

.macro vector target, kind
    .balign 0x80
    .if \kind
    mov     x0, #\kind
    .endif
    b       \target
.endm

.balign 0x800
.global kernel_vectors
kernel_vectors:
    vector  fatal, 1
    vector  fatal, 2
    vector  fatal, 3
    vector  fatal, 4
    vector  fatal, 5
    vector  fatal, 6
    vector  fatal, 7
    vector  fatal, 8
    vector  lower_sync, 0
    vector  lower_irq, 0
    vector  fatal, 11
    vector  fatal, 12
    vector  fatal, 13
    vector  fatal, 14
    vector  fatal, 15
    vector  fatal, 16

// void fpu_save(*mut FpState), void fpu_load(*const FpState): q0..q31, FPCR and FPSR.
.arch_extension fp
.arch_extension simd
.global fpu_save
fpu_save:
    stp     q0, q1, [x0]
    stp     q2, q3, [x0, #32]
    stp     q4, q5, [x0, #64]
    stp     q6, q7, [x0, #96]
    stp     q8, q9, [x0, #128]
    stp     q10, q11, [x0, #160]
    stp     q12, q13, [x0, #192]
    stp     q14, q15, [x0, #224]
    stp     q16, q17, [x0, #256]
    stp     q18, q19, [x0, #288]
    stp     q20, q21, [x0, #320]
    stp     q22, q23, [x0, #352]
    stp     q24, q25, [x0, #384]
    stp     q26, q27, [x0, #416]
    stp     q28, q29, [x0, #448]
    stp     q30, q31, [x0, #480]
    mrs     x1, fpcr
    mrs     x2, fpsr
    str     x1, [x0, #512]
    str     x2, [x0, #520]
    ret

.global fpu_load
fpu_load:
    ldp     q0, q1, [x0]
    ldp     q2, q3, [x0, #32]
    ldp     q4, q5, [x0, #64]
    ldp     q6, q7, [x0, #96]
    ldp     q8, q9, [x0, #128]
    ldp     q10, q11, [x0, #160]
    ldp     q12, q13, [x0, #192]
    ldp     q14, q15, [x0, #224]
    ldp     q16, q17, [x0, #256]
    ldp     q18, q19, [x0, #288]
    ldp     q20, q21, [x0, #320]
    ldp     q22, q23, [x0, #352]
    ldp     q24, q25, [x0, #384]
    ldp     q26, q27, [x0, #416]
    ldp     q28, q29, [x0, #448]
    ldp     q30, q31, [x0, #480]
    ldr     x1, [x0, #512]
    ldr     x2, [x0, #520]
    msr     fpcr, x1
    msr     fpsr, x2
    ret
.arch_extension nosimd
.arch_extension nofp
