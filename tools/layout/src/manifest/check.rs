// SPDX-License-Identifier: BSD-2-Clause
//! What a manifest must not say.

use super::{Manifest, Region, Role, Side};

/// Says what is wrong with `manifest`.
pub(super) fn check(manifest: &Manifest) -> Result<(), String> {
    manifest
        .region
        .iter()
        .try_for_each(|one| region(manifest, one))?;
    if manifest.budget > manifest.period {
        return Err("the budget is longer than the period".to_owned());
    }
    let serves = matches!(manifest.kind, Role::Backend | Role::Monitor);
    let sensible = manifest.percent.map(|percent| (1..=100).contains(&percent));
    if sensible != serves.then_some(true) {
        return Err("exactly backends and monitors have percent, 1 to 100".to_owned());
    }
    if serves == manifest.prefix.is_empty() {
        return Err("exactly backends and monitors have a prefix".to_owned());
    }
    for link in manifest
        .link
        .iter()
        .filter(|link| link.side == Side::Server)
    {
        if link.many != link.role.contains('{') {
            return Err(format!(
                "link `{}`: exactly a role for many clients has {{name}} or {{slot}}",
                link.role
            ));
        }
    }
    Ok(())
}

fn region(manifest: &Manifest, region: &Region) -> Result<(), String> {
    let sources = [region.device.is_some(), region.size.is_some(), region.ram];
    if sources.into_iter().filter(|is| *is).count() != 1 {
        return Err(format!(
            "region `{}` has not exactly one of device, size and ram",
            region.role
        ));
    }
    let Some(shown) = region.shown else {
        return Ok(());
    };
    if shown.slots == 0 || manifest.kind != Role::Monitor || region.size.is_none() {
        return Err(format!(
            "region `{}`: only a monitor shows memory of its own, for one slot or more",
            region.role
        ));
    }
    Ok(())
}
