// SPDX-License-Identifier: BSD-2-Clause
//! Instructions that mean something to us: "note the counters here", and system calls.

/// `movz xzr, #imm16`: writes nothing.
const MOVZ_XZR: u32 = 0xd280_001f;
const MOVZ_XZR_MASK: u32 = 0xffe0_001f;
/// The immediates of the guest programs' marks 0 to 255.
const MOVZ_MARKS: std::ops::RangeInclusive<u32> = 0xa000..=0xa0ff;

/// `hint #imm7`: those from 0x40 on are unallocated and execute as NOP.
const HINT: u32 = 0xd503_201f;
const HINT_MASK: u32 = 0xffff_f01f;
const FIRST_HINT: u32 = 0x40;

/// `svc #imm16`, with any immediate.
const SVC: u32 = 0xd400_0001;
const SVC_MASK: u32 = 0xffe0_001f;

/// Whether the A64 instruction `opcode` is a system call.
pub(crate) const fn is_system_call(opcode: u32) -> bool {
    opcode & SVC_MASK == SVC
}

/// The mark that the A64 instruction `opcode` is, if it is one.
pub(crate) fn decode(opcode: u32) -> Option<u32> {
    let wide = (opcode >> 5) & 0xffff;
    if opcode & MOVZ_XZR_MASK == MOVZ_XZR && MOVZ_MARKS.contains(&wide) {
        return Some(wide - MOVZ_MARKS.start());
    }
    let hint = (opcode >> 5) & 0x7f;
    (opcode & HINT_MASK == HINT && hint >= FIRST_HINT).then(|| hint - FIRST_HINT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_marks_are_known() {
        assert_eq!(decode(0xd294_001f), Some(0)); // movz xzr, #0xa000
        assert_eq!(decode(0xd294_015f), Some(10)); // movz xzr, #0xa00a
        assert_eq!(decode(0xd294_1fff), Some(255)); // movz xzr, #0xa0ff
        assert_eq!(decode(0xd503_281f), Some(0)); // hint #0x40
        assert_eq!(decode(0xd503_2fff), Some(63)); // hint #0x7f
    }

    #[test]
    fn only_svc_is_a_system_call() {
        assert!(is_system_call(0xd400_0001)); // svc #0
        assert!(is_system_call(0xd41f_ffe1)); // svc #0xffff
        assert!(!is_system_call(0xd400_0002)); // hvc #0
        assert!(!is_system_call(0xd400_0003)); // smc #0
    }

    #[test]
    fn ordinary_instructions_are_no_marks() {
        for opcode in [
            0xd503_201f, // nop
            0xd503_207f, // wfi
            0xd503_27ff, // hint #0x3f
            0xd294_0000, // movz x0, #0xa000
            0xd294_201f, // movz xzr, #0xa100
            0xd2b4_001f, // movz xzr, #0xa000, lsl #16
            0x5294_001f, // movz wzr, #0xa000
            0xf294_001f, // movk xzr, #0xa000
        ] {
            assert_eq!(decode(opcode), None, "{opcode:#x}");
        }
    }
}
