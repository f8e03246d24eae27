// SPDX-License-Identifier: BSD-2-Clause
//! The review package: what an assessor needs of a system, in one folder that can be checked again with
//! nothing but itself.
//!
//! Primary items are recorded once (model, capability distribution, findings, test results, …); everything
//! else is derived from them by a pure function. [`make`] does both, [`verify`] derives again and compares.
#![forbid(unsafe_code)]

pub mod curated;
mod derive;
mod ffi;
pub mod findings;
mod gsn;
mod html;
mod items;
pub mod model;
pub mod package;
mod page;
mod pictures;
mod policy;
pub mod results;
mod risks;
mod sarif;
mod supply;
mod table;
mod tables;
pub mod tcb;
#[cfg(test)]
mod tests;
mod verdict;
mod verify;
mod view;

use audit::spec::Spec;
use sdf::Diagnostics;
use sdf::model::System;

pub use derive::ReviewError;
use findings::{FINDINGS, Findings};
use model::{Around, Model};
pub use package::Package;
use sarif::SARIF;
pub use sarif::sarif;
pub use supply::{boot_measure, provenance, sbom};
pub use verify::verify;

/// Name of the model in a package.
pub(crate) const MODEL: &str = "10-model.json";
/// Name of the flattened description.
pub(crate) const PLAIN: &str = "11-system.system";
/// Name of the capability distribution.
pub(crate) const CAPDL: &str = "12-capdl.json";

/// What a package is made from.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by every caller")]
pub struct Input<'a> {
    /// Name of the system.
    pub name: &'a str,
    /// The system as the description says it, expanded, with records.
    pub described: &'a System,
    /// The system as it was built, with everything that the build adds; the described one without.
    pub system: &'a System,
    /// The flattened description that the SDK's tool gets.
    pub plain: Option<String>,
    /// What goes beyond the description.
    pub around: Around<'a>,
    /// Findings on the description.
    pub diagnostics: &'a Diagnostics,
    /// The capability distribution, if there is an image.
    pub spec: Option<Spec>,
    /// What the checker says about the image.
    pub findings: Option<Findings>,
    /// Further recorded items by name.
    pub recorded: Package,
}

/// Makes the package.
///
/// # Errors
/// When the recorded items do not fit together.
pub fn make(input: Input<'_>) -> Result<Package, ReviewError> {
    let mut out = input.recorded;
    out.put_json(
        MODEL,
        &Model::of(input.name, input.described, input.system, input.around),
    );
    if let Some(plain) = input.plain {
        out.put(PLAIN, plain);
    }
    if let Some(spec) = &input.spec {
        out.put_json(CAPDL, &spec.to_json());
    }
    if let Some(findings) = &input.findings {
        out.put_json(FINDINGS, findings);
    }
    out.put_json(SARIF, &sarif(input.diagnostics));
    derive::derive(&mut out)?;
    out.seal();
    Ok(out)
}
