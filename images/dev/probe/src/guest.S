// SPDX-License-Identifier: BSD-2-Clause
// What the guest does, copied to the start of its memory; one action after the other.
// `guest_N` is the instruction at which the parent expects event N.

.section .rodata.guest, "a"
.balign 16
.global guest_start
.global guest_end
guest_start:
.global guest_put
    mov     x7, #-12
    mov     x0, #'G'
guest_put:
    hvc     #0
    mov     x0, #'\n'
    hvc     #0

    mov     x0, #1
    mov     x7, #-100
.global guest_unknown
guest_unknown:
    hvc     #0
    // The reply has set x0..x7; x7 selects the next report.
.global guest_unknown_report
guest_unknown_report:
    hvc     #0

    mov     x7, #-1
    mov     x0, #1
    mov     x1, #0
    hvc     #0
    mov     x7, #-101
.global guest_call
guest_call:
    hvc     #0

    mov     x7, #-5
    mov     x0, #(1 << 40)
.global guest_send
guest_send:
    hvc     #0

.global guest_smc
guest_smc:
    smc     #3

.global guest_wfi
guest_wfi:
    wfi

    movz    x1, #0x5000, lsl #16
    movk    x1, #0x18
.global guest_load
guest_load:
    ldr     x0, [x1]

    movz    x1, #0x801, lsl #16
    mov     w2, #0xf8
    str     w2, [x1, #4]
    mov     w2, #1
    str     w2, [x1]
.global guest_ready
    mov     x7, #-102
guest_ready:
    hvc     #0
    ldr     w3, [x1, #0xc]
    str     w3, [x1, #0x10]
    mov     x0, x3
    mov     x7, #-103
.global guest_irq
guest_irq:
    hvc     #0

    mov     x0, #1000
    msr     cntv_tval_el0, x0
    mov     x0, #1
    msr     cntv_ctl_el0, x0
    isb
.global guest_spin
guest_spin:
    b       guest_spin
.global guest_spin_end
guest_spin_end:

.global guest_debug
guest_debug:
    mrs     x0, mdscr_el1

.global guest_brk
guest_brk:
    brk     #7
guest_end:
