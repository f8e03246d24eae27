// SPDX-License-Identifier: BSD-2-Clause
//! What was built, as far as a package needs it.

use std::path::{Path, PathBuf};

use audit::spec::Spec;
use audit::{Image, Inputs};
use host::{Failure, Outcome};
use pack::names;
use review::findings::Findings;
use review::model::Model;
use sdf::{NoFiles, System};

use crate::cli::{BuildArgs, ReviewArgs};
use crate::command::{audit as auditing, build};
use crate::context::Context;
use crate::kernel::Kernel;
use crate::system;

use super::Subject;

/// What was built.
pub(super) struct Built {
    /// Where.
    pub(super) folder: PathBuf,
    /// The system with everything that the build added.
    pub(super) system: System,
    /// Its text.
    pub(super) plain: String,
    /// The capability distribution.
    pub(super) spec: Spec,
    /// What the checker says.
    pub(super) findings: Findings,
}

/// Builds unless told not to, reads what is there, and lets the checker look at it.
pub(super) fn built(
    context: &Context,
    args: &ReviewArgs,
    kernel: &Kernel,
    subject: &Subject<'_>,
) -> Outcome<Built> {
    let board = &subject.file.board;
    let default = || {
        context
            .output()
            .join(format!("{}-{}", kernel.name(), args.config.name()))
    };
    let folder = args.image.clone().unwrap_or_else(default);
    if !args.no_build {
        let build = BuildArgs {
            system: args.system.clone(),
            kernel: args.kernel,
            config: args.config,
            output: Some(folder.clone()),
        };
        build::build(context, &build)?;
    }
    let wishes = (args.config, args.policy.as_deref());
    let mut inputs = auditing::inputs(kernel, board, &folder, wishes)?;
    let (system, plain) = described(context, &folder)?;
    tell(&mut inputs, subject, &system);
    let report = audit::audit(&inputs).map_err(|error| Failure::input(error.to_string()))?;
    let looked_at = match &inputs.image {
        Some(Image::Dev(_)) => "the development kernel's payload in the image",
        _ => "the capability distribution, the programs and the image taken apart again",
    };
    Ok(Built {
        spec: distribution(inputs, &folder)?,
        findings: Findings::of(looked_at, &report),
        folder,
        system,
        plain,
    })
}

/// The checker does not read the description; what it cannot see in an image is said to it: devices that
/// reach memory, and the policy.
fn tell(inputs: &mut Inputs, subject: &Subject<'_>, system: &System) {
    let around = subject.around(&inputs.platform);
    let model = Model::of("", subject.described, system, around);
    (inputs.platform, inputs.policy) = (model.platform, model.policy);
}

/// The distribution: what the checker read, or what our builder wrote for the development kernel.
fn distribution(inputs: Inputs, folder: &Path) -> Outcome<Spec> {
    if let Some(spec) = inputs.spec {
        return Ok(spec);
    }
    let path = folder.join(names::CAPDL);
    Spec::from_json(&auditing::read(&path)?)
        .map_err(|error| Failure::input(format!("{}: {error}", path.display())))
}

/// The flattened description. What regions are filled with is in the image, not beside it: the
/// development kernel's builds keep no copies.
fn described(context: &Context, folder: &Path) -> Outcome<(System, String)> {
    let bytes = auditing::read(&folder.join(names::PLAIN))?;
    let plain = String::from_utf8(bytes)
        .map_err(|_| Failure::input("the plain description is not UTF-8 text"))?;
    let read = sdf::check(&plain, names::PLAIN, None, &NoFiles);
    match read.system {
        Some(system) => Ok((system, plain)),
        None => {
            system::show(context, &read.diagnostics);
            Err(system::refused(names::PLAIN, &read.diagnostics))
        }
    }
}
