// SPDX-License-Identifier: BSD-2-Clause
//! The kernel's program as the flat bytes that are loaded and entered at their first one.

use capdl::Elf;
use devimage::{KERNEL_PADDR, PAYLOAD_OFFSET};
use host::Failure;

/// The initialised bytes of the kernel, from its load address on.
pub(super) fn flatten(kernel: &Elf) -> Result<Vec<u8>, Failure> {
    if kernel.entry != KERNEL_PADDR {
        return Err(unusable(format!(
            "its entry is {:#x}, not {KERNEL_PADDR:#x}",
            kernel.entry
        )));
    }
    let mut bytes = Vec::new();
    for segment in &kernel.segments {
        let outside = || unusable(format!("its segment at {:#x} lies outside", segment.vaddr));
        let start = segment
            .vaddr
            .checked_sub(KERNEL_PADDR)
            .ok_or_else(outside)?;
        if start.saturating_add(segment.mem_size) > PAYLOAD_OFFSET {
            return Err(outside());
        }
        let start = usize::try_from(start).map_err(|_| outside())?;
        let end = start + segment.data.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[start..end].copy_from_slice(&segment.data);
    }
    Ok(bytes)
}

fn unusable(why: String) -> Failure {
    Failure::environment(format!(
        "the development kernel's program is not usable: {why}"
    ))
    .help("it must be linked for the address that devimage::KERNEL_PADDR names")
}

/// The file: kernel, padding, payload.
pub(super) fn join(mut kernel: Vec<u8>, payload: &[u8]) -> Vec<u8> {
    let offset = usize::try_from(PAYLOAD_OFFSET).unwrap_or(usize::MAX);
    kernel.resize(offset, 0);
    kernel.extend_from_slice(payload);
    kernel
}
