// SPDX-License-Identifier: BSD-2-Clause
//! The guests of a system: their images are made and spelled out before anything is packed.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use expand::{Images, Recipes};
use host::provision::{self, Need};
use host::{Outcome, output};
use pack::PackError;
use sdf::model::Guest;
use sdf::rules::guest::IMAGE;
use sdf::{Diagnostic, Files, System};

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
    let mut guests = guests.peekable();
    if guests.peek().is_none() {
        return Ok(Expanded {
            system,
            folder: None,
        });
    }
    // Recipes build programs of this tree, for Linux guests or bare metal.
    if guests.any(|guest| !given.contains_key(guest.image.value.as_str())) {
        provision::ensure(&context.ui, &[Need::RustTarget], context.may_install)?;
    }
    let mut shelf = Shelf {
        context,
        cache: cache(context),
        given,
        made: HashMap::new(),
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

/// What is wrong with the recipe that `guest` names, if there is none of that name.
pub(crate) fn missing(context: &Context, guest: &Guest) -> Option<Diagnostic> {
    let problem = recipe(context, &guest.image).err()?;
    Some(Diagnostic::new(&IMAGE, guest.image.span, problem))
}

/// The folder of the recipe called `name`.
fn recipe(context: &Context, name: &str) -> Result<PathBuf, String> {
    let folder = context.root.join("images/guests").join(name);
    if folder.join("guest.toml").is_file() {
        return Ok(folder);
    }
    Err(format!(
        "there is no recipe images/guests/{name}/guest.toml"
    ))
}

/// The recipes of `images/guests`, behind images that are there already.
struct Shelf<'a> {
    context: &'a Context,
    cache: PathBuf,
    given: &'a Given,
    /// Those that a guest has had already: each is looked at once.
    made: Given,
}

impl Recipes for Shelf<'_> {
    fn images(&mut self, name: &str) -> Result<Images, String> {
        if let Some(images) = self.given.get(name).or_else(|| self.made.get(name)) {
            return Ok(images.clone());
        }
        let recipe = recipe(self.context, name)?;
        let mut progress = |line: &str| self.context.ui.say(line);
        let guest = guests::prepare(&recipe, &self.cache, &mut progress)
            .map_err(|error| error.to_string())?;
        let read = |path: &Path| {
            fs::read(path).map_err(|error| format!("{}: {error}", self.context.show(path)))
        };
        let images = Images {
            kernel: read(&guest.kernel)?,
            initrd: guest.initrd.as_deref().map(read).transpose()?,
            ..Images::default()
        };
        self.made.insert(name.to_owned(), images.clone());
        Ok(images)
    }
}
