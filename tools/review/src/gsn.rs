// SPDX-License-Identifier: BSD-2-Clause
//! Item 01: the assurance case in GSN, as YAML (gsn2x's form) and SVG. Solutions name files of the package
//! and their hashes; goals without evidence are undeveloped, and visibly so.

use std::fmt::Write as _;

use audit::digest::Digest;

use crate::html::escape;
use crate::package::{Package, pretty};
use crate::verdict::{Status, Verdict};

/// The picture's file.
pub(crate) const SVG: &str = "01-claims.svg";
/// What a reader of the picture must know.
pub(crate) const NOTE: &str = "Goals with the files of this package that show them; their hashes are in 01-claims.gsn.yaml. \
    Assumptions are in 02-assumptions.";

/// A goal: id, depth, claim, the gates that must not fail, the files that show it.
struct Goal {
    id: &'static str,
    depth: usize,
    claim: &'static str,
    gates: &'static [&'static str],
    files: &'static [&'static str],
    below: &'static [&'static str],
}

const fn goal(
    id: &'static str,
    depth: usize,
    claim: &'static str,
    gates: &'static [&'static str],
    files: &'static [&'static str],
) -> Goal {
    Goal {
        id,
        depth,
        claim,
        gates,
        files,
        below: &[],
    }
}

const fn above(
    id: &'static str,
    depth: usize,
    claim: &'static str,
    below: &'static [&'static str],
) -> Goal {
    Goal {
        id,
        depth,
        claim,
        gates: &[],
        files: &[],
        below,
    }
}

/// In the order of the tree.
const GOALS: &[Goal] = &[
    above(
        "G1",
        0,
        "The flows that are declared are the only ones between partitions",
        &["G2", "G3", "G4", "G5", "G6"],
    ),
    above(
        "G2",
        1,
        "Space: no partition reaches another's memory undeclared",
        &["G2.1", "G2.2"],
    ),
    goal(
        "G2.1",
        2,
        "Mappings are those declared",
        &["declared-is-real", "checker"],
        &["13-policy.diff", "14-findings.json", "15-memory-map.csv"],
    ),
    goal("G2.2", 2, "Every device with DMA is confined", &[], &[]),
    above(
        "G3",
        1,
        "Time: every partition gets what it is promised",
        &["G3.1", "G3.2"],
    ),
    goal(
        "G3.1",
        2,
        "Budgets limit every thread",
        &["time"],
        &["18-schedule.csv"],
    ),
    goal(
        "G3.2",
        2,
        "Interference through shared hardware is bounded",
        &[],
        &[],
    ),
    above(
        "G4",
        1,
        "Exchange: messages and signals are those declared",
        &["G4.1", "G4.2"],
    ),
    goal(
        "G4.1",
        2,
        "Extracted flows are the declared ones",
        &["declared-is-real"],
        &["13-policy.diff", "13-policy-extracted.json"],
    ),
    goal(
        "G4.2",
        2,
        "The stated policy holds",
        &["policy"],
        &["13-policy-extracted.json"],
    ),
    above("G5", 1, "What boots is what was checked", &["G5.1", "G5.2"]),
    goal(
        "G5.1",
        2,
        "The image holds the checked distribution and programs",
        &["checker"],
        &["14-findings.json", "66-boot-measure.json"],
    ),
    goal("G5.2", 2, "Only that image boots (signed boot)", &[], &[]),
    above(
        "G6",
        1,
        "What is trusted deserves it",
        &["G6.1", "G6.2", "G6.3"],
    ),
    goal(
        "G6.1",
        2,
        "The kernel enforces the distribution (proof for this configuration)",
        &[],
        &[],
    ),
    goal(
        "G6.2",
        2,
        "The checker finds what is wrong",
        &["controls"],
        &["43-negative-controls.json"],
    ),
    goal(
        "G6.3",
        2,
        "Drivers, services and monitors work as specified",
        &["tests"],
        &["40-tests.xml"],
    ),
];

/// What became of a goal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Supported,
    Undeveloped,
    Countered,
}

fn state(goal: &Goal, verdict: &Verdict, package: &Package) -> State {
    let gates = || {
        verdict
            .gates
            .iter()
            .filter(|gate| goal.gates.contains(&gate.id))
    };
    if gates().any(|gate| gate.status == Status::Fail) {
        return State::Countered;
    }
    let whole = gates().all(|gate| gate.status == Status::Pass);
    let files = goal
        .files
        .iter()
        .all(|name| package.files.contains_key(*name));
    let shown = whole && files && !goal.files.is_empty();
    if shown || !goal.below.is_empty() {
        State::Supported
    } else {
        State::Undeveloped
    }
}

/// Adds item 01.
pub(crate) fn emit(verdict: &Verdict, package: &mut Package) {
    let yaml = yaml(verdict, package);
    let picture = picture(verdict, package);
    package.put("01-claims.gsn.yaml", yaml);
    package.put(SVG, picture);
}

/// Text as YAML: JSON's strings are YAML's.
fn quoted(text: &str) -> String {
    pretty(&text).trim_end().to_owned()
}

fn yaml(verdict: &Verdict, package: &Package) -> String {
    let target = &verdict.target;
    let mut out = format!(
        "# GSN in the form that gsn2x reads. A solution's text ends with the SHA-256 of the file in this package.\nC1:\n  text: {}\n",
        quoted(&format!(
            "System {}, kernel {} {}, configuration {}, AArch64, board {}; assumptions A1 to A9 of 02-assumptions",
            verdict.system,
            target.kernel,
            target.sdk.as_deref().unwrap_or_default(),
            target.config,
            target.board
        ))
    );
    let mut used: Vec<&str> = Vec::new();
    for goal in GOALS {
        out.push_str(&goal_yaml(
            goal,
            state(goal, verdict, package),
            package,
            &mut used,
        ));
    }
    used.sort_unstable();
    used.dedup();
    for name in used {
        let digest = package
            .files
            .get(name)
            .map(|bytes| Digest::of(bytes).sha256);
        let text = quoted(&format!("{name} sha256:{}", digest.unwrap_or_default()));
        // Writing to a String cannot fail.
        writeln!(out, "{}:\n  text: {text}", solution(name)).unwrap_or_default();
    }
    out
}

/// A goal's node; the files that it rests on are added to `used`.
fn goal_yaml(goal: &Goal, state: State, package: &Package, used: &mut Vec<&'static str>) -> String {
    let mut supported: Vec<String> = goal.below.iter().map(|&id| id.to_owned()).collect();
    let files = goal
        .files
        .iter()
        .filter(|name| package.files.contains_key(**name));
    for name in files.filter(|_| state != State::Undeveloped) {
        supported.push(solution(name));
        used.push(name);
    }
    let mark = if state == State::Countered {
        "COUNTER-EVIDENCE: "
    } else {
        ""
    };
    let text = quoted(&format!("{mark}{}", goal.claim));
    let context = if goal.depth == 0 {
        "  inContextOf: [C1]\n"
    } else {
        ""
    };
    let last = match state {
        State::Undeveloped => "undeveloped: true".to_owned(),
        _ => format!("supportedBy: [{}]", supported.join(", ")),
    };
    format!("{}:\n  text: {text}\n{context}  {last}\n", goal.id)
}

/// Id of the solution that a file is: its number, and a letter where several have one.
fn solution(name: &str) -> String {
    let stem: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("Sn{stem}")
}

const LINE: usize = 44;

/// An indented tree: a row per goal, its evidence to the right. Diamonds stand for undeveloped.
fn picture(verdict: &Verdict, package: &Package) -> String {
    let height = GOALS.len() * LINE + 40;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1180\" height=\"{height}\" viewBox=\"0 0 1180 {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <title>Assurance case</title>\n<text x=\"10\" y=\"20\">{}; a diamond: undeveloped, nothing in this package shows it</text>\n",
        escape(&verdict.headline())
    );
    for (row, goal) in GOALS.iter().enumerate() {
        out.push_str(&drawn(goal, row, state(goal, verdict, package)));
    }
    out.push_str("</svg>\n");
    out
}

/// A goal's box and what stands beside it.
fn drawn(goal: &Goal, row: usize, state: State) -> String {
    let (x, y) = (10 + goal.depth * 40, 34 + row * LINE);
    let (right, middle, line) = (x + 620, y + 16, y + 21);
    let dash = if state == State::Undeveloped {
        " stroke-dasharray=\"5 3\""
    } else {
        ""
    };
    let fill = if state == State::Countered {
        "#fdd"
    } else {
        "#fff"
    };
    let diamond = format!(
        "<path d=\"M{right} {middle} l9 -9 l9 9 l-9 9 z\" fill=\"none\" stroke=\"#333\"/>\n"
    );
    let files = goal.files.join(", ");
    let (mark, said) = match state {
        State::Undeveloped => (diamond, "undeveloped".to_owned()),
        State::Countered => (String::new(), format!("COUNTER-EVIDENCE: {files}")),
        State::Supported => (String::new(), files),
    };
    format!(
        "<rect x=\"{x}\" y=\"{y}\" width=\"600\" height=\"32\" fill=\"{fill}\" stroke=\"#333\"{dash}/><text x=\"{}\" \
         y=\"{line}\">{} {}</text>\n{mark}<text x=\"{}\" y=\"{line}\">{}</text>\n",
        x + 8,
        goal.id,
        escape(goal.claim),
        right + 26,
        escape(&said)
    )
}
