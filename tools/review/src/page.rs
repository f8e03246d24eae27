// SPDX-License-Identifier: BSD-2-Clause
//! Items 00: the page to begin with, as Markdown and as HTML. The verdict comes first.

use std::fmt::Write as _;

use crate::gsn;
use crate::html::{escape, page};
use crate::items::ITEMS;
use crate::package::{MANIFEST, Package};
use crate::pictures::Picture;
use crate::table::Table;
use crate::verdict::Verdict;

/// Adds the pages.
pub(crate) fn emit(
    verdict: &Verdict,
    sections: &[(&str, Table)],
    pictures: &[Picture],
    package: &mut Package,
) {
    let made = contents(package);
    package.put("00-README.md", readme(verdict, &made));
    let mut body = top(verdict, package);
    body.push_str(&explained(verdict, &made));
    let claims = package.text(gsn::SVG).unwrap_or_default();
    let claims = ("The assurance case", gsn::NOTE, gsn::SVG, claims);
    let drawn = pictures.iter();
    let drawn = drawn.map(|it| (it.title, it.note.as_str(), it.file, it.svg.as_str()));
    for (title, note, file, svg) in std::iter::once(claims).chain(drawn) {
        body.push_str(&figure(title, note, file, svg));
    }
    for (name, table) in sections {
        body.push_str(&table.html(name));
    }
    let title = format!("Review: {}", verdict.system);
    package.put("index.html", page(&title, &body));
}

/// A picture with its heading; alone in its file it can be made larger.
fn figure(title: &str, note: &str, file: &str, svg: &str) -> String {
    format!(
        "<section class=\"figure\"><h2>{}</h2><p class=\"origin\">{} Alone: {}</p>\n{svg}</section>\n",
        escape(title),
        escape(note),
        link(file)
    )
}

/// Every item: number, what it shows, its files or why there are none.
fn contents(package: &Package) -> Vec<[String; 3]> {
    // The pages themselves and the list of hashes come last.
    let later = ["00-README.md", "index.html", MANIFEST];
    let names = package.files.keys().map(String::as_str).chain(later);
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.dedup();
    let rows = ITEMS.iter().map(|item| {
        let files = names.iter().filter(|name| name.starts_with(item.prefix));
        let files: Vec<&str> = files.copied().collect();
        let found = match files.is_empty() {
            true => format!("not made: needs {}", item.needs),
            false => files.join(" "),
        };
        let how = if item.recorded { "recorded" } else { "derived" };
        [item.shows.to_owned(), how.to_owned(), found]
    });
    rows.collect()
}

fn subject(verdict: &Verdict) -> String {
    let target = &verdict.target;
    let kernel = match (&target.sdk, target.kernel.as_str()) {
        (Some(sdk), "sel4") => format!("seL4 of Microkit SDK {sdk}"),
        (_, "sel4") => "seL4".to_owned(),
        _ => "development kernel (unverified)".to_owned(),
    };
    format!(
        "System {}; {kernel}, configuration {}, AArch64, board {}",
        verdict.system, target.config, target.board
    )
}

const READING: &str = "Read the verdict, then the residual risks, then 20-ffi-matrix; the tables behind them are 13 to 19. Derived \
items follow from the recorded ones: `cargo bulkhead review --verify DIR` derives them again from this folder alone and compares \
every byte, and `sha256sum -c 64-manifest.sha256` checks the hashes. Whether the recorded items describe what was built is for \
the builder to show: rebuild, and compare the hashes.";

fn readme(verdict: &Verdict, made: &[[String; 3]]) -> String {
    let mut out = format!(
        "# Review package\n\n{}\n\n## Verdict: {}\n\n| gate | result | demands | says | evidence |\n|---|---|---|---|---|\n",
        subject(verdict),
        verdict.headline()
    );
    // Writing to a String cannot fail.
    for gate in &verdict.gates {
        writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            gate.id,
            gate.status.word(),
            gate.demands,
            gate.says,
            gate.evidence.join(" ")
        )
        .unwrap_or_default();
    }
    out.push_str("\n## Residual risks\n\n");
    for risk in &verdict.residual_risks {
        writeln!(out, "- {risk}").unwrap_or_default();
    }
    writeln!(
        out,
        "\n## How to read this\n\n{READING}\n\n| shows | how | files |\n|---|---|---|"
    )
    .unwrap_or_default();
    for row in made {
        writeln!(out, "| {} |", row.join(" | ")).unwrap_or_default();
    }
    out
}

/// The first screen: what it is, and the verdict.
fn top(verdict: &Verdict, package: &Package) -> String {
    let class = match (verdict.passed, verdict.complete) {
        (false, _) => "fail",
        (true, false) => "open",
        (true, true) => "pass",
    };
    let mut body = format!(
        "<h1>Review package</h1><p>{}</p>\n<div class=\"verdict {class}\"><strong>{}</strong>\n<table><thead><tr><th>gate</th>\
         <th>result</th><th>says</th><th>evidence</th></tr></thead><tbody>\n",
        escape(&subject(verdict)),
        escape(&verdict.headline())
    );
    for gate in &verdict.gates {
        let made = |name: &str| match package.files.contains_key(name) {
            true => link(name),
            false => format!("{} (not made)", escape(name)),
        };
        let links: Vec<String> = gate.evidence.iter().map(|name| made(name)).collect();
        writeln!(
            body,
            "<tr class=\"{:?}\"><td title=\"{}\">{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            gate.status,
            escape(gate.demands),
            escape(gate.id),
            gate.status.word(),
            escape(&gate.says),
            links.join(" ")
        )
        .unwrap_or_default();
    }
    body.push_str("</tbody></table></div>\n");
    body
}

/// Risks, how to read, and the list of items.
fn explained(verdict: &Verdict, made: &[[String; 3]]) -> String {
    let mut body = String::new();
    body.push_str("<section><h2>Residual risks</h2><ul>\n");
    for risk in &verdict.residual_risks {
        writeln!(body, "<li>{}</li>", escape(risk)).unwrap_or_default();
    }
    writeln!(
        body,
        "</ul></section>\n<section><h2>How to read this</h2><p>{}</p>",
        code(READING)
    )
    .unwrap_or_default();
    body.push_str(
        "<table><thead><tr><th>shows</th><th>how</th><th>files</th></tr></thead><tbody>\n",
    );
    for [shows, how, files] in made {
        let files: Vec<String> = match files.starts_with("not made") {
            true => vec![escape(files)],
            false => files.split(' ').map(link).collect(),
        };
        let cells = [escape(shows), escape(how), files.join(" ")];
        writeln!(body, "<tr><td>{}</td></tr>", cells.join("</td><td>")).unwrap_or_default();
    }
    body.push_str("</tbody></table></section>\n");
    body
}

/// Escaped, with what stands between backticks as code.
fn code(text: &str) -> String {
    let mut out = String::new();
    for (index, part) in text.split('`').enumerate() {
        let part = escape(part);
        out += &match index % 2 {
            0 => part,
            _ => format!("<code>{part}</code>"),
        };
    }
    out
}

fn link(name: &str) -> String {
    let name = escape(name);
    format!("<a href=\"{name}\">{name}</a>")
}
