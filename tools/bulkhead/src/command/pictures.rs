// SPDX-License-Identifier: BSD-2-Clause
//! `graph`, `map` and `diff`: what a system description says, for people. Nothing is built.

use std::path::Path;

use facts::{Facts, Source, diff, pictures, text};
use host::ui::Style;
use host::{Failure, Outcome, output};
use layout::Devices;
use sdf::NoFiles;
use serde_json::{Value, json};

use crate::board;
use crate::cli::{DiffArgs, Format, GraphArgs, MapArgs, Picture, SystemArgs};
use crate::context::Context;
use crate::system::{self, SystemFile};

/// What the system that `args` name says. Shows the findings and fails if there is an error among them.
pub(crate) fn facts(context: &Context, args: &SystemArgs) -> Outcome<Facts> {
    let file = SystemFile::open(context, args)?;
    let checked = file.checked(&NoFiles);
    let Some(system) = &checked.system else {
        system::show(context, &checked.diagnostics);
        return Err(system::refused(&file.name, &checked.diagnostics));
    };
    let tree = board::tree(&context.root, &args.board)?;
    let devices = tree.and_then(|tree| Devices::read(&file.board, &tree).ok());
    Ok(facts::facts(&Source {
        system,
        layout: &checked.layout,
        owners: &checked.owners,
        board: Some(&file.board),
        devices: devices.as_ref(),
        files: &file.search_path(&args.search_path, &[]),
    }))
}

/// Draws.
pub(crate) fn graph(context: &Context, args: &GraphArgs) -> Outcome<()> {
    let facts = facts(context, &args.system)?;
    let svg = match args.kind {
        Picture::Parts => picture::graph(&pictures::parts(&facts)),
        Picture::Flows => picture::flows(&pictures::flows(&facts)),
        Picture::Schedule => picture::schedule(&pictures::schedule(&facts)),
    };
    if let Some(path) = &args.output {
        save(context, path, &svg)?;
    }
    match (context.format, &args.output) {
        (Format::Json, _) => out!("{}", drawn(&facts, args.kind)),
        (Format::Human, None) => out!("{}", svg.trim_end()),
        (Format::Human, Some(_)) => {}
    }
    Ok(())
}

fn save(context: &Context, path: &Path, svg: &str) -> Outcome<()> {
    output::write(path, svg.as_bytes())?;
    context.ui.say(&format!("wrote {}", context.show(path)));
    Ok(())
}

/// What a picture is drawn from.
fn drawn(facts: &Facts, kind: Picture) -> Value {
    let Facts { name, subjects, .. } = facts;
    match kind {
        Picture::Parts => json!({
            "version": 1, "system": name, "subjects": subjects, "regions": facts.regions,
            "devices": facts.devices, "authority": facts.authority, "flows": facts.flows,
        }),
        Picture::Flows => json!({
            "version": 1, "system": name, "between": facts.policy, "direct": facts.flows,
        }),
        Picture::Schedule => {
            let threads = subjects
                .iter()
                .map(|subject| json!({ "name": subject.name, "time": subject.time }));
            let threads: Vec<Value> = threads.collect();
            json!({ "version": 1, "system": name, "threads": threads, "domains": facts.domains })
        }
    }
}

/// Shows memory, physical and as each subject sees it.
pub(crate) fn map(context: &Context, args: &MapArgs) -> Outcome<()> {
    let facts = facts(context, &args.system)?;
    if let Some(path) = &args.output {
        save(context, path, &picture::memory(&pictures::memory(&facts)))?;
    }
    match (context.format, &args.output) {
        (Format::Json, _) => {
            let spaces = facts.subjects.iter().map(|subject| {
                json!({
                    "subject": subject.name, "kind": subject.kind, "maps": subject.maps,
                    "stack": subject.stack,
                })
            });
            let spaces: Vec<Value> = spaces.collect();
            out!(
                "{}",
                json!({
                    "version": 1, "system": facts.name, "board": facts.board,
                    "regions": facts.regions, "spaces": spaces,
                })
            );
        }
        (Format::Human, None) => out!("{}", text::map(&facts).trim_end()),
        (Format::Human, Some(_)) => {}
    }
    Ok(())
}

/// Compares two systems.
pub(crate) fn diff(context: &Context, args: &DiffArgs) -> Outcome<()> {
    let read = |path: &Path| {
        facts(
            context,
            &SystemArgs {
                system: Some(path.to_path_buf()),
                board: args.board.clone(),
                search_path: args.search_path.clone(),
            },
        )
    };
    let difference = diff::diff(&read(&args.before)?, &read(&args.after)?);
    let names = [&args.before, &args.after].map(|path| context.show(path));
    show(context, &names, &difference);
    if args.exit_code && !difference.same {
        return Err(Failure::input(format!(
            "{} and {} differ",
            names[0], names[1]
        )));
    }
    Ok(())
}

/// Shows what differs between the systems called `names`.
fn show(context: &Context, names: &[String; 2], difference: &diff::Difference) {
    match context.format {
        Format::Json => out!(
            "{}",
            json!({
                "version": 1, "before": names[0], "after": names[1], "same": difference.same,
                "sections": difference.sections,
            })
        ),
        Format::Human if difference.same => {
            context.ui.say("nothing that a system is made of differs");
        }
        Format::Human => {
            let text = diff::text(difference, |sign, line| {
                let style = match sign {
                    '+' => Style::Green,
                    '-' => Style::Red,
                    _ => Style::Yellow,
                };
                context.ui.paint_result(style, line)
            });
            out!("{}", text.trim_end());
        }
    }
}
