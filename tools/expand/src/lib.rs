// SPDX-License-Identifier: BSD-2-Clause
//! From the `<guest>` of a record to what its VMM needs.
//!
//! For each guest the images of its recipe are placed ([`guest::placement`]), its device tree is
//! generated ([`dtb`]), and the system gets:
//!
//! - regions with the pristine images, prefilled: one per recipe and image, shared by all guests
//!   that boot it, and one per guest for its device tree. VMMs map them read-only and copy them at
//!   every start, since a reset must begin from what the build made;
//! - record entries that say where each part goes in the guest and what its SHA-256 is.
//!
//! [`role`] lists the entries. The result is a system without `<guest>` and the files of the new
//! regions.
#![forbid(unsafe_code)]

pub mod role;

mod describe;
mod place;
#[cfg(test)]
mod tests;

use sdf::model::{Guest, ProtectionDomain, System};
use sdf::rules::guest::IMAGE;
use sdf::{Diagnostic, Diagnostics, Files};
use std::collections::HashMap;

/// The images of a recipe.
#[derive(Debug, Clone, Default)]
pub struct Images {
    /// Kernel or firmware.
    pub kernel: Vec<u8>,
    /// Initial RAM disk.
    pub initrd: Option<Vec<u8>>,
    /// The kernel's command line, where the guest does not give one.
    pub command_line: Option<String>,
    /// A fixed seed of the guest's random numbers, for runs that must be repeatable.
    pub rng_seed: Option<[u8; 32]>,
}

/// Makes or finds the images of recipes.
pub trait Recipes {
    /// The images of the recipe called `name`.
    ///
    /// # Errors
    /// Why there are none, as a sentence.
    fn images(&mut self, name: &str) -> Result<Images, String>;
}

/// A system whose guests are spelled out.
#[derive(Debug)]
pub struct Expanded {
    /// The system, without any `<guest>`.
    pub system: System,
    /// Contents of the new regions, by the path that the system names.
    pub files: HashMap<String, Vec<u8>>,
}

/// Spells out every guest of `system`.
///
/// # Errors
/// A located diagnostic for each guest whose images are not there or do not fit.
pub fn expand(
    system: &System,
    recipes: &mut dyn Recipes,
    files: &dyn Files,
) -> Result<Expanded, Diagnostics> {
    let mut expanded = Expanded {
        system: system.clone(),
        files: HashMap::new(),
    };
    let mut out = Diagnostics::new(system.source.clone());
    for index in 0..system.pds.len() {
        let guest = system.pds[index]
            .record
            .as_ref()
            .and_then(|record| record.guest.clone());
        if let Some(guest) = guest
            && let Err(problem) = expand_guest(&mut expanded, index, &guest, recipes, files)
        {
            out.push(Diagnostic::new(&IMAGE, guest.image.span, problem));
        }
    }
    if out.has_errors() {
        return Err(out);
    }
    Ok(expanded)
}

fn expand_guest(
    expanded: &mut Expanded,
    index: usize,
    guest: &Guest,
    recipes: &mut dyn Recipes,
    files: &dyn Files,
) -> Result<(), String> {
    let images = recipes.images(&guest.image)?;
    let mut description = describe::machine(&expanded.system, index, guest, files)?;
    description.rng_seed = images.rng_seed;
    if description.bootargs.is_none() {
        description.bootargs.clone_from(&images.command_line);
    }
    let parts = place::parts(description, &images)?;
    place::add_regions(expanded, index, guest, &images, &parts, files)?;
    let pd: &mut ProtectionDomain = &mut expanded.system.pds[index];
    if let Some(record) = &mut pd.record {
        record.guest = None;
        record
            .entries
            .extend(place::entries(guest, &images, &parts));
    }
    Ok(())
}
