// SPDX-License-Identifier: BSD-2-Clause
//! What both kernels' images are made from.

use capdl::{Elf, ElfSet};
use host::Failure;
use sdf::{Files, System};

/// The SDK's tool lists every prefill as a column of numbers, some 25 bytes for one. Above this many
/// bytes of prefills it is asked for a listing without contents, and the contents are read from the
/// image.
const LARGEST_LISTED: u64 = 8 << 20;

use crate::{Overlay, PackError};

/// A system whose files have been found, read and checked.
pub struct Prepared<'a> {
    /// The system in plain SDF.
    pub system: System,
    /// The programs, not patched.
    pub programs: ElfSet,
    /// The user's files and the records.
    pub files: Overlay<'a>,
}

impl<'a> Prepared<'a> {
    /// Lowers `system`, reads its programs and encodes its records.
    ///
    /// # Errors
    /// Every rule that a file breaks, at once.
    pub fn new(
        system: &System,
        files: &'a dyn Files,
        monitor: Option<Elf>,
    ) -> Result<Self, PackError> {
        let lowered = sdf::lower(system, files)?;
        let programs = ElfSet::load(&lowered.system, files, monitor)?;
        let mut overlay = Overlay::new(files);
        for record in &lowered.records {
            let entry = |pd: &str| programs.entry(&lowered.system, pd);
            let bytes = record.encode(&entry).map_err(|error| {
                let pd = &lowered.system.pds[record.pd].name;
                Failure::input(format!("the record of {}: {error}", pd.value))
            })?;
            overlay.insert(record.path.clone(), bytes);
        }
        Ok(Self {
            system: lowered.system,
            programs,
            files: overlay,
        })
    }

    /// Whether prefills are small enough for the SDK's tool to list them.
    #[must_use]
    pub(crate) fn is_listable(&self) -> bool {
        let regions = self.system.regions(&self.files).into_iter().flatten();
        let prefilled = regions.filter(|region| region.prefill.is_some());
        prefilled.map(|region| region.size).sum::<u64>() <= LARGEST_LISTED
    }
}
