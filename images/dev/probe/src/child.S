// SPDX-License-Identifier: BSD-2-Clause
// What the child does. For each action `NAME` is where it starts and `NAME_at` the instruction that traps.
// An action that must not trap ends in `child_done`, an unknown system call that reports x0..x6.

.section .text.start, "ax"
.global _start
_start:
    adrp    x0, microkit_name
    ldrb    w0, [x0, :lo12:microkit_name]
    cmp     w0, #'s'
    b.eq    spin
    cmp     w0, #'p'
    b.ne    spin
    bl      parent_main
spin:
    b       spin

.macro action name
.balign 16
.global \name
.global \name\()_at
\name:
.endm

.macro done
    mov     x7, #-200
    b       child_done
.endm

.section .text.child, "ax"
.global child_done
child_done:
    svc     #0
    b       .

action act_cntvct
act_cntvct_at:
    mrs     x0, cntvct_el0
    done

action act_dc_zva
    adrp    x0, child_data
act_dc_zva_at:
    dc      zva, x0
    done

action act_store_unmapped
    movz    x0, #0xbad0, lsl #16
act_store_unmapped_at:
    str     x1, [x0]
    done

action act_store_text
    mov     x0, #0x200000
act_store_text_at:
    str     w1, [x0]
    done

action act_execute_data
    adrp    x0, child_data
    add     x0, x0, :lo12:child_data
    br      x0
act_execute_data_at:

action act_brk
act_brk_at:
    brk     #0x123

action act_unknown
    mov     x0, #1
    mov     x1, #2
    mov     x2, #3
    mov     x3, #0
    mov     x4, #0
    mov     x5, #0
    mov     x6, #7
    mov     x7, #-100
act_unknown_at:
    svc     #5
    add     x5, x5, #1
    done

action act_undefined
act_undefined_at:
    .word   0
    done

action act_hvc
act_hvc_at:
    .inst   0xd4000002
    done

action act_smc
act_smc_at:
    .inst   0xd4000003
    done

action act_id_register
act_id_register_at:
    mrs     x0, midr_el1
    done

action act_fp
act_fp_at:
    .inst   0x9e670000              // fmov d0, x0
    done

action act_daif
act_daif_at:
    msr     daifset, #2
    done

action act_pmccntr
act_pmccntr_at:
    mrs     x0, pmccntr_el0
    done

action act_cntv_ctl
act_cntv_ctl_at:
    mrs     x0, cntv_ctl_el0
    done

action act_recv_empty
    mov     x0, #50
    mov     x6, #4
    mov     x7, #-7
act_recv_empty_at:
    svc     #0
    done

action act_send_guard
    mov     x0, #(1 << 40)
    mov     x1, #0
    mov     x7, #-5
act_send_guard_at:
    svc     #0
    done

action act_call_empty
    mov     x0, #50
    mov     x1, #0
    mov     x2, #99
    mov     x7, #-1
act_call_empty_at:
    svc     #0
    done

action act_suspend_empty
    mov     x0, #6
    mov     x1, #(12 << 12)
    mov     x2, #99
    mov     x7, #-1
act_suspend_empty_at:
    svc     #0
    done

action act_nb_recv
    mov     x0, #1
    mov     x1, #11
    mov     x2, #12
    mov     x3, #13
    mov     x4, #14
    mov     x5, #15
    mov     x6, #4
    mov     x7, #-8
act_nb_recv_at:
    svc     #0
    done

action act_nb_send_wait
    mov     x0, #1
    mov     x1, #0
    mov     x6, #14                 // notification of the other end of channel 4
    mov     x7, #-4
act_nb_send_wait_at:
    svc     #0
    done

action act_allowed
    adrp    x1, child_data
    dc      cvac, x1
    dc      cvau, x1
    dc      civac, x1
    ic      ivau, x1
    mrs     x2, ctr_el0
    mrs     x3, cntpct_el0
    mrs     x3, cntfrq_el0
    mov     x4, #0x77
    msr     tpidr_el0, x4
    wfe
    yield
    mov     x7, #-11
    svc     #0
    mrs     x0, tpidr_el0
act_allowed_at:
    done

.section .data.child, "aw"
.global child_data
.balign 64
child_data:
    .quad   0, 0, 0, 0, 0, 0, 0, 0
