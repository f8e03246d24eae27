// SPDX-License-Identifier: BSD-2-Clause
//! `review`: the package for assessors, and its check.

mod built;
mod recorded;

use std::fs;
use std::path::{Path, PathBuf};

use audit::platform::Platform;
use host::{Failure, Outcome, output};
use layout::Checked;
use review::model::{Around, Target};
use review::{Input, Package};
use sdf::{NoFiles, System};

use crate::cli::{Format, ReviewArgs};
use crate::command::audit as auditing;
use crate::context::Context;
use crate::kernel::{self, Kernel};
use crate::system::{self, SystemFile};
use built::Built;

/// Makes a package, or checks one.
pub(crate) fn run(context: &Context, args: &ReviewArgs) -> Outcome<()> {
    match &args.verify {
        Some(folder) => verify(context, folder),
        None => make(context, args),
    }
}

fn verify(context: &Context, folder: &Path) -> Outcome<()> {
    let mut package = Package::default();
    let mut strangers = Vec::new();
    let entries = fs::read_dir(folder).map_err(|e| Failure::io("read", folder, &e))?;
    for entry in entries {
        let entry = entry.map_err(|e| Failure::io("read", folder, &e))?;
        let path = entry.path();
        // A folder or a link may lead out of the package.
        if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let name = entry.file_name();
            strangers.push(format!("{} is no file", name.to_string_lossy()));
            continue;
        }
        let bytes = fs::read(&path).map_err(|e| Failure::io("read", &path, &e))?;
        package.put(&entry.file_name().to_string_lossy(), bytes);
    }
    let mut found = review::verify(&package).map_err(|e| Failure::input(e.to_string()))?;
    found.extend(strangers);
    match context.format {
        Format::Json => out!(
            "{}",
            serde_json::json!({ "version": 1, "files": package.files.len(), "findings": found })
        ),
        Format::Human => found.iter().for_each(|line| out!("{line}")),
    }
    if !found.is_empty() {
        return Err(Failure::input(format!(
            "the package does not hold: {} findings",
            found.len()
        )));
    }
    if context.format == Format::Human {
        out!(
            "{} files: every hash holds, every derived item follows",
            package.files.len()
        );
    }
    Ok(())
}

fn make(context: &Context, args: &ReviewArgs) -> Outcome<()> {
    let (kernel, _) = kernel::choose(args.kernel, context.sdk()?)?;
    let mut file = SystemFile::open(context, &args.system)?;
    // The package must not depend on where the tree is.
    file.name = file.path.strip_prefix(&context.root).map_or_else(
        |_| {
            file.path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned()
        },
        |path| path.display().to_string(),
    );
    let checked = file.checked(&NoFiles);
    let Some(described) = &checked.system else {
        system::show(context, &checked.diagnostics);
        return Err(system::refused(&file.name, &checked.diagnostics));
    };
    let mut subject = Subject {
        file: &file,
        checked: &checked,
        described,
        target: target(args, &kernel, &file),
        policy: policy(args)?,
        built: None,
    };
    if !args.no_build || args.image.is_some() {
        subject.built = Some(built::built(context, args, &kernel, &subject)?);
    }
    let package = assemble(context, args, &kernel, &subject)?;
    let name = stem(&file.path);
    let default = || {
        let name = format!("{name}-{}-{}", kernel.name(), args.config.name());
        context.output().join("review").join(name)
    };
    let folder = args.output.clone().unwrap_or_else(default);
    write(&package, &folder)?;
    report(context, &package, &folder)
}

fn stem(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn target(args: &ReviewArgs, kernel: &Kernel, file: &SystemFile) -> Target {
    let sdk = match kernel {
        Kernel::Sel4(sdk) => Some(sdk.version()),
        Kernel::Dev => None,
    };
    Target {
        kernel: kernel.name().to_owned(),
        sdk,
        config: args.config.name().to_owned(),
        board: file.board.name.clone(),
    }
}

/// The policy that the user gives instead of the layout's.
fn policy(args: &ReviewArgs) -> Outcome<Option<audit::flow::Policy>> {
    let path = args.policy.as_deref();
    path.map(|path| auditing::policy(Some(path))).transpose()
}

fn name_of(system: &System, file: &SystemFile) -> String {
    let given = system.name.as_ref().map(|name| name.value.clone());
    given.unwrap_or_else(|| stem(&file.path))
}

/// What there is to review.
struct Subject<'a> {
    file: &'a SystemFile,
    checked: &'a Checked,
    described: &'a System,
    target: Target,
    policy: Option<audit::flow::Policy>,
    built: Option<Built>,
}

impl Subject<'_> {
    /// What goes beyond the description, on `platform`.
    fn around<'a>(&'a self, platform: &'a Platform) -> Around<'a> {
        Around {
            target: &self.target,
            board: &self.file.board,
            platform,
            layout: &self.checked.layout,
            owners: &self.checked.owners,
            policy: self.policy.as_ref(),
        }
    }
}

fn assemble(
    context: &Context,
    args: &ReviewArgs,
    kernel: &Kernel,
    subject: &Subject<'_>,
) -> Outcome<Package> {
    let (file, checked) = (subject.file, subject.checked);
    let (described, built) = (subject.described, subject.built.as_ref());
    let name = name_of(described, file);
    let sources = recorded::Sources {
        context,
        args,
        kernel,
        target: &subject.target,
        system: described,
        name: &name,
    };
    let platform = auditing::platform(&file.board);
    let input = Input {
        name: &name,
        described,
        system: built.map_or(described, |built| &built.system),
        plain: built.map(|built| built.plain.clone()),
        around: subject.around(&platform),
        diagnostics: &checked.diagnostics,
        spec: built.map(|built| built.spec.clone()),
        findings: built.map(|built| built.findings.clone()),
        recorded: sources.gather(built)?,
    };
    review::make(input).map_err(|error| Failure::input(error.to_string()))
}

/// Replaces what is in `folder`, and writes the archive beside it.
fn write(package: &Package, folder: &Path) -> Outcome<()> {
    fs::create_dir_all(folder).map_err(|e| Failure::io("create", folder, &e))?;
    let entries = fs::read_dir(folder).map_err(|e| Failure::io("read", folder, &e))?;
    let old: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    let is_package = old
        .iter()
        .any(|path| path.ends_with(review::package::MANIFEST));
    if !old.is_empty() && !is_package {
        return Err(
            Failure::input(format!("{} has files and is no package", folder.display()))
                .help("name an empty folder, or one that this command made: -o DIR"),
        );
    }
    for path in &old {
        fs::remove_file(path).map_err(|e| Failure::io("remove", path, &e))?;
    }
    for (name, bytes) in &package.files {
        output::write(&folder.join(name), bytes)?;
    }
    let archive = folder.with_extension("tar");
    output::write(&archive, &package.archive(&stem(&archive)))
}

fn report(context: &Context, package: &Package, folder: &Path) -> Outcome<()> {
    let text = package.text("99-verdict.json").unwrap_or_default();
    let verdict: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    match context.format {
        Format::Json => out!("{}", text.trim_end()),
        Format::Human => {
            for gate in verdict["gates"].as_array().into_iter().flatten() {
                let word = |name: &str| gate[name].as_str().unwrap_or_default();
                out!("{:9} {:21} {}", word("status"), word("id"), word("says"));
            }
            out!("{}", context.show(&folder.join("index.html")));
        }
    }
    if verdict["passed"] == true {
        return Ok(());
    }
    Err(Failure::input("a gate of the review failed"))
}
