// SPDX-License-Identifier: BSD-2-Clause
//! What the kernel leaves undone before it starts: trapping debug and PMU registers.
//!
//! seL4's release kernels never write `MDCR_EL2`. As firmware leaves it, a guest can set a hardware
//! breakpoint on any address of any PD and so stop the whole system (sel4-abi.md 6.9). Whoever owns
//! EL2 before the kernel can prevent that, so a few instructions of ours are put into the SDK's
//! loader: its third instruction branches to them, they set the traps and go on where it came from.
//! The VMM then emulates the registers.
//!
//! Answers BH-24.

use host::Failure;

/// `mov sp, x1`, the loader's third instruction: it depends on no address.
const DISPLACED: u32 = 0x9100_003f;
/// Where that instruction is in the image.
const DISPLACED_AT: usize = 8;
/// Start of the loader's header.
const HEADER_MAGIC: [u8; 8] = 0x5e14_dead_14de_5ead_u64.to_le_bytes();
/// Where the header says how many bytes follow from its start on.
const HEADER_SIZE_AT: usize = 8;

/// The instructions that are added, but the branch back.
const STUB: [u32; 8] = [
    0xd538_4242, // mrs x2, CurrentEL
    0xf100_205f, // cmp x2, #8 (EL2)
    0x5400_00a3, // b.lo (to mov sp: at EL1 the loader stops with a message)
    0xd53c_1122, // mrs x2, mdcr_el2
    0xd281_cc03, // mov x3, #0xe60 (TDRA, TDOSA, TDA, TPM, TPMCR)
    0xaa03_0042, // orr x2, x2, x3
    0xd51c_1122, // msr mdcr_el2, x2
    DISPLACED,
];

/// Makes `image`, as the SDK's tool wrote it, set the traps first.
pub(super) fn guard(image: &mut Vec<u8>) -> Result<(), Failure> {
    let word = |at: usize| image.get(at..at + 4).and_then(|b| b.try_into().ok());
    if word(DISPLACED_AT).map(u32::from_le_bytes) != Some(DISPLACED) {
        return Err(unknown("its loader begins with other instructions"));
    }
    let header = find_header(image).ok_or_else(|| unknown("its loader has another header"))?;
    image.resize(image.len().next_multiple_of(8), 0);
    let stub_at = image.len();
    for instruction in STUB {
        image.extend(instruction.to_le_bytes());
    }
    let back = branch(image.len(), DISPLACED_AT + 4).ok_or_else(|| unknown("it is too large"))?;
    image.extend(back.to_le_bytes());
    image.resize(image.len().next_multiple_of(8), 0);
    let there = branch(DISPLACED_AT, stub_at).ok_or_else(|| unknown("it is too large"))?;
    image[DISPLACED_AT..DISPLACED_AT + 4].copy_from_slice(&there.to_le_bytes());
    // The loader copies itself by this size when it was started elsewhere.
    let size = u64::try_from(image.len() - header).unwrap_or(u64::MAX);
    let size_at = header + HEADER_SIZE_AT;
    image[size_at..size_at + 8].copy_from_slice(&size.to_le_bytes());
    Ok(())
}

fn unknown(why: &str) -> Failure {
    Failure::environment(format!("cannot make the image trap debug registers: {why}"))
        .note("without that, a guest could stop every protection domain on a release kernel")
        .help("use the Microkit SDK 2.3.0, or --config debug, whose kernel sets the traps itself")
}

/// The header, whose size must reach to the end of the image.
fn find_header(image: &[u8]) -> Option<usize> {
    (0..image.len()).step_by(8).find(|at| {
        let rest = &image[*at..];
        let size = rest
            .get(HEADER_SIZE_AT..HEADER_SIZE_AT + 8)
            .and_then(|b| b.try_into().ok());
        rest.starts_with(&HEADER_MAGIC)
            && size.map(u64::from_le_bytes) == u64::try_from(rest.len()).ok()
    })
}

/// The instruction that branches from offset `from` to offset `to`; both are multiples of four.
fn branch(from: usize, to: usize) -> Option<u32> {
    let distance = i64::try_from(to)
        .ok()?
        .checked_sub(i64::try_from(from).ok()?)?
        / 4;
    if !(-(1 << 25)..1 << 25).contains(&distance) {
        return None;
    }
    u32::try_from(distance & 0x03ff_ffff)
        .ok()
        .map(|field| 0x1400_0000 | field)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A loader of 16 instructions, its header and 12 bytes behind it.
    fn image() -> Vec<u8> {
        let mut image = vec![0; 64];
        image[DISPLACED_AT..DISPLACED_AT + 4].copy_from_slice(&DISPLACED.to_le_bytes());
        image.extend(HEADER_MAGIC);
        image.extend(28_u64.to_le_bytes());
        image.extend([7; 12]);
        image
    }

    fn word(image: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(image[at..at + 4].try_into().unwrap())
    }

    /// Where the branch at `at` goes.
    fn target(image: &[u8], at: usize) -> usize {
        let word = word(image, at);
        assert_eq!(word >> 26, 5, "not a branch: {word:#x}");
        let distance = i64::from((word << 6).cast_signed() >> 6);
        usize::try_from(i64::try_from(at).unwrap() + 4 * distance).unwrap()
    }

    // Shows BH-24.
    #[test]
    fn the_stub_runs_between_the_loaders_second_and_fourth_instruction() {
        let mut guarded = image();
        guard(&mut guarded).unwrap();
        let stub = target(&guarded, DISPLACED_AT);
        assert_eq!(stub, 96);
        let words: Vec<_> = (0..STUB.len())
            .map(|i| word(&guarded, stub + 4 * i))
            .collect();
        assert_eq!(words, STUB);
        assert_eq!(target(&guarded, stub + 4 * STUB.len()), DISPLACED_AT + 4);
        assert_eq!(
            guarded[64 + 8..64 + 16],
            (guarded.len() as u64 - 64).to_le_bytes()
        );
        assert_eq!(guarded[80..92], [7; 12]);
    }

    #[test]
    fn another_loader_is_refused() {
        let mut other = image();
        other[DISPLACED_AT] ^= 1;
        assert!(
            guard(&mut other)
                .unwrap_err()
                .to_string()
                .contains("other instructions")
        );
        let mut other = image();
        other.push(0);
        assert!(
            guard(&mut other)
                .unwrap_err()
                .to_string()
                .contains("another header")
        );
        assert!(guard(&mut Vec::new()).is_err());
    }
}
