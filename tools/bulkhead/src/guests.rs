// SPDX-License-Identifier: BSD-2-Clause
//! The guests of a system: their images are made and spelled out before anything is packed.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use expand::{Images, Recipes};
use host::{Outcome, output};
use pack::PackError;
use sdf::{Files, System};

use crate::context::Context;

/// A system without `<guest>`, and where the files of its new regions are.
pub(crate) struct Expanded {
    /// The system.
    pub(crate) system: System,
    /// The folder with the images of its guests; none if it has no guests.
    pub(crate) folder: Option<PathBuf>,
}

/// The folder for the images of the guests of the system described by `file`.
pub(crate) fn folder(context: &Context, file: &Path) -> PathBuf {
    let stem = file.file_stem().unwrap_or_default();
    context.output().join("guests/placed").join(stem)
}

/// Images by the names that a system gives them, used instead of recipes.
pub(crate) type Given = HashMap<String, Images>;

/// Makes the images of every guest of `system` that are not `given`, and writes the files that follow
/// from them.
pub(crate) fn expand(
    context: &Context,
    given: &Given,
    system: System,
    files: &dyn Files,
    folder: &Path,
) -> Result<Expanded, PackError> {
    let guests = system
        .pds
        .iter()
        .filter_map(|pd| pd.record.as_ref()?.guest.as_ref());
    if guests.count() == 0 {
        return Ok(Expanded {
            system,
            folder: None,
        });
    }
    let mut shelf = Shelf {
        context,
        cache: cache(context),
        given,
    };
    let expanded = expand::expand(&system, &mut shelf, files)?;
    for (name, bytes) in &expanded.files {
        write_if_changed(&folder.join(name), bytes)?;
    }
    Ok(Expanded {
        system: expanded.system,
        folder: Some(folder.to_path_buf()),
    })
}

/// Where the results of recipes are kept.
pub(crate) fn cache(context: &Context) -> PathBuf {
    context.output().join("guests")
}

/// Leaves a file alone that holds `bytes` already: images are large and rarely change.
fn write_if_changed(path: &Path, bytes: &[u8]) -> Outcome<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    output::write(path, bytes)
}

/// The recipes of `images/guests`, behind images that are there already.
struct Shelf<'a> {
    context: &'a Context,
    cache: PathBuf,
    given: &'a Given,
}

impl Recipes for Shelf<'_> {
    fn images(&mut self, name: &str) -> Result<Images, String> {
        if let Some(images) = self.given.get(name) {
            return Ok(images.clone());
        }
        let recipe = self.context.root.join("images/guests").join(name);
        if !recipe.join("guest.toml").is_file() {
            return Err(format!(
                "there is no recipe images/guests/{name}/guest.toml"
            ));
        }
        let mut progress = |line: &str| self.context.ui.say(line);
        let guest = guests::prepare(&recipe, &self.cache, &mut progress)
            .map_err(|error| error.to_string())?;
        let read = |path: &Path| {
            fs::read(path).map_err(|error| format!("{}: {error}", self.context.show(path)))
        };
        Ok(Images {
            kernel: read(&guest.kernel)?,
            initrd: guest.initrd.as_deref().map(read).transpose()?,
            ..Images::default()
        })
    }
}
