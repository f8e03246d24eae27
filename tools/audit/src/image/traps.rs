// SPDX-License-Identifier: BSD-2-Clause
//! Whether something sets the traps that release kernels leave open (sel4-abi.md 6.9): recognised by its
//! instructions, not by who put it there.

use super::{LoaderImage, half};

/// Where the loader's third instruction is, which a branch may replace.
pub(crate) const DISPLACED_AT: usize = 8;
/// `mov sp, x1`: what is there in the SDK's loader.
const DISPLACED: u32 = 0x9100_003f;

/// The instructions that set the traps, before the one that was displaced.
const INSTRUCTIONS: [u32; 7] = [
    0xd538_4242, // mrs x2, CurrentEL
    0xf100_205f, // cmp x2, #8
    0x5400_00a3, // b.lo over the rest: below EL2 there is nothing to set
    0xd53c_1122, // mrs x2, mdcr_el2
    0xd281_cc03, // mov x3, #0xe60: TDRA, TDOSA, TDA, TPM, TPMCR
    0xaa03_0042, // orr x2, x2, x3
    0xd51c_1122, // msr mdcr_el2, x2
];

/// What enters the kernel.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Traps {
    /// The SDK's loader as it is.
    Unset,
    /// Our instructions first, at this offset of the image, and nothing else is added.
    Set {
        /// Offset in the image.
        at: usize,
    },
    /// Something else.
    Unknown(String),
}

/// What the image's first instructions are.
#[must_use]
pub fn traps(image: &LoaderImage<'_>) -> Traps {
    let first = half(image.loader, DISPLACED_AT);
    match first {
        Some(DISPLACED) if image.rest.is_empty() => Traps::Unset,
        Some(DISPLACED) => Traps::Unknown(format!("{} bytes that nobody enters", image.rest.len())),
        Some(word) => match target(word, DISPLACED_AT) {
            Some(at) => at_target(image, at),
            None => Traps::Unknown(format!("the third instruction is {word:#010x}")),
        },
        None => Traps::Unknown("there is no loader".to_owned()),
    }
}

fn at_target(image: &LoaderImage<'_>, at: usize) -> Traps {
    let unknown = |why: &str| Traps::Unknown(format!("branches to {at:#x}: {why}"));
    let Some(start) = at.checked_sub(image.rest_at).filter(|start| *start < 8) else {
        return unknown("not behind the last region");
    };
    let words = INSTRUCTIONS.iter().chain([&DISPLACED]).enumerate();
    for (number, expected) in words {
        if half(image.rest, start + 4 * number) != Some(*expected) {
            return unknown(&format!("instruction {number} is another"));
        }
    }
    let back_at = start + 4 * (INSTRUCTIONS.len() + 1);
    let back = half(image.rest, back_at).and_then(|word| target(word, image.rest_at + back_at));
    if back != Some(DISPLACED_AT + 4) {
        return unknown("it does not go back to where it came from");
    }
    let padding = image.rest.get(back_at + 4..).unwrap_or_default();
    let before = image.rest.get(..start).unwrap_or_default();
    if padding.len() >= 8 || padding.iter().chain(before).any(|byte| *byte != 0) {
        return unknown("more follows");
    }
    Traps::Set { at }
}

/// Where the branch `word` at `from` goes, if it is one.
fn target(word: u32, from: usize) -> Option<usize> {
    if word >> 26 != 0b00_0101 {
        return None;
    }
    let distance = i64::from((word << 6).cast_signed() >> 6) * 4;
    usize::try_from(i64::try_from(from).ok()?.checked_add(distance)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A loader, and what follows the last region; 24 bytes lie between them.
    fn image<'a>(loader: &'a [u8], rest: &'a [u8]) -> LoaderImage<'a> {
        LoaderImage {
            loader,
            size: 0,
            kernel_entry: 0,
            initialiser: 0..0,
            offset: 0,
            initialiser_entry: 0,
            regions: Vec::new(),
            rest,
            rest_at: loader.len() + 24,
        }
    }

    fn bytes(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// `b` from offset `from` to `to`.
    fn branch(from: i32, to: i32) -> u32 {
        0x1400_0000 | (((to - from) / 4).cast_unsigned() & 0x03ff_ffff)
    }

    /// Loader and instructions as `pack` adds them: at 40, behind 16 bytes of loader and 24 of regions.
    fn guarded() -> (Vec<u32>, Vec<u32>) {
        let mut stub = [&INSTRUCTIONS[..], &[DISPLACED]].concat();
        stub.push(branch(40 + 32, 12));
        stub.push(0);
        (vec![1, 2, branch(8, 40), 4], stub)
    }

    #[test]
    fn our_instructions_are_recognised() {
        let (loader, stub) = guarded();
        assert_eq!(
            traps(&image(&bytes(&loader), &bytes(&stub))),
            Traps::Set { at: 40 }
        );
        let plain = bytes(&[1, 2, DISPLACED, 4]);
        assert_eq!(traps(&image(&plain, &[])), Traps::Unset);
    }

    #[test]
    fn any_other_word_is_not() {
        let (loader, stub) = guarded();
        for at in 0..stub.len() {
            let mut other = stub.clone();
            other[at] ^= 1;
            let found = traps(&image(&bytes(&loader), &bytes(&other)));
            assert!(matches!(found, Traps::Unknown(_)), "{at}: {found:?}");
        }
        for (at, word) in [
            (2, branch(8, 44)),
            (2, branch(8, 36)),
            (2, 0x1400_0000),
            (2, 0x9400_0008),
        ] {
            let mut other = loader.clone();
            other[at] = word;
            let found = traps(&image(&bytes(&other), &bytes(&stub)));
            assert!(matches!(found, Traps::Unknown(_)), "{word:#x}: {found:?}");
        }
        let more = [stub, vec![0]].concat();
        assert!(matches!(
            traps(&image(&bytes(&loader), &bytes(&more))),
            Traps::Unknown(_)
        ));
        let plain = bytes(&[1, 2, DISPLACED, 4]);
        assert!(matches!(traps(&image(&plain, &[0; 4])), Traps::Unknown(_)));
        assert!(matches!(traps(&image(&[], &[])), Traps::Unknown(_)));
    }
}
