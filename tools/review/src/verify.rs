// SPDX-License-Identifier: BSD-2-Clause
//! Checking a package with nothing but the package.

use crate::derive::{ReviewError, derive};
use crate::items::is_recorded;
use crate::package::{MANIFEST, Package};

/// What is wrong with `package`, one line each; nothing if it is as it was made and every derived item
/// follows from the recorded ones.
///
/// # Errors
/// When recorded items are missing or cannot be read, so that nothing can be derived.
pub fn verify(package: &Package) -> Result<Vec<String>, ReviewError> {
    let mut out = hashes(package);
    let mut again = Package::default();
    for (name, bytes) in package.files.iter().filter(|(name, _)| is_recorded(name)) {
        again.put(name, bytes.clone());
    }
    derive(&mut again)?;
    again.seal();
    for (name, bytes) in &again.files {
        match package.files.get(name) {
            None => out.push(format!("{name} is missing")),
            Some(found) if found != bytes && *name != MANIFEST => {
                out.push(format!("{name} does not follow from the recorded items"));
            }
            Some(_) => {}
        }
    }
    let strangers = package
        .files
        .keys()
        .filter(|name| !again.files.contains_key(*name));
    out.extend(strangers.map(|name| format!("{name} is no item of a package")));
    Ok(out)
}

/// What the list of hashes says against the files.
fn hashes(package: &Package) -> Vec<String> {
    let Some(stored) = package.text(MANIFEST) else {
        return vec![format!("{MANIFEST} is missing or no text")];
    };
    let now = package.manifest();
    if stored == now {
        return Vec::new();
    }
    let stored: Vec<&str> = stored.lines().collect();
    let now: Vec<&str> = now.lines().collect();
    let name = |line: &str| {
        line.split_once("  ")
            .map_or("?", |(_, name)| name)
            .to_owned()
    };
    let lost = stored.iter().filter(|line| !now.contains(*line));
    let mut out: Vec<String> = lost
        .map(|line| format!("{} is not what {MANIFEST} lists", name(line)))
        .collect();
    let new = now.iter().filter(|line| !stored.contains(*line));
    out.extend(new.map(|line| format!("{} is not in {MANIFEST} like this", name(line))));
    if out.is_empty() {
        out.push(format!("{MANIFEST} is not as it was written"));
    }
    out
}
