// SPDX-License-Identifier: BSD-2-Clause
//! The requirements, as `tests/requirements/*.toml` lists them, and the gaps that are accepted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidy::{File, Tree};

use crate::Problem;
use crate::tag::Id;

/// Where requirements are.
pub(crate) const FOLDER: &str = "tests/requirements/";
/// The gaps that are accepted: a list that may only shrink.
pub(crate) const ACCEPTED: &str = "tests/requirements/accepted.toml";

/// What this system does about a requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It is met, and tests show so.
    Offered,
    /// The feature is not there, so that nothing has to be met.
    NotOffered,
    /// The feature is there and differs from what is asked for; the remark says how.
    Deviates,
}

/// A requirement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Requirement {
    /// Its identifier.
    pub id: Id,
    /// Who asks for it, and where.
    pub source: String,
    /// What is asked for, in our words.
    pub text: String,
    /// How strongly it is asked for, in the source's terms.
    pub level: String,
    /// What this system does about it.
    pub status: Status,
    /// How it is met, or why it is not; empty if there is nothing to say.
    pub remark: String,
}

/// The requirements of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Set {
    /// The file, relative to the repository.
    pub file: String,
    /// What the requirements have in common.
    pub title: String,
    /// The letters of all its identifiers.
    pub family: String,
    /// The requirements, in the order of their identifiers.
    pub requirements: Vec<Requirement>,
}

/// What an offered requirement can lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lack {
    /// A test that names it.
    Test,
    /// Code that names it.
    Code,
}

/// A gap that is known and accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) id: Id,
    pub(crate) lacks: Lack,
    pub(crate) reason: String,
}

/// All requirements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Catalogue {
    pub(crate) sets: Vec<Set>,
    pub(crate) accepted: Vec<Accepted>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSet {
    title: String,
    #[serde(default)]
    requirement: Vec<RawRequirement>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRequirement {
    id: String,
    source: String,
    text: String,
    level: String,
    status: Status,
    #[serde(default)]
    remark: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAccepted {
    #[serde(default)]
    accepted: Vec<RawGap>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGap {
    id: String,
    lacks: Lack,
    reason: String,
}

impl Catalogue {
    /// Reads the lists in `tree`; what is wrong with them goes to `problems`.
    pub(crate) fn read(tree: &Tree, problems: &mut Vec<Problem>) -> Self {
        let mut catalogue = Self::default();
        for file in &tree.files {
            if file.path == ACCEPTED {
                catalogue.accepted = read_accepted(file, problems);
            } else if is_list(&file.path) {
                catalogue.sets.extend(read_set(file, problems));
            }
        }
        catalogue.check_families(problems);
        catalogue
    }

    /// The letters that identifiers begin with.
    pub(crate) fn families(&self) -> Vec<String> {
        self.sets.iter().map(|set| set.family.clone()).collect()
    }

    /// The requirement called `id`.
    pub(crate) fn find(&self, id: &Id) -> Option<&Requirement> {
        let all = self.sets.iter().flat_map(|set| &set.requirements);
        all.into_iter().find(|requirement| requirement.id == *id)
    }

    fn check_families(&self, problems: &mut Vec<Problem>) {
        let mut seen = BTreeMap::new();
        for set in &self.sets {
            if let Some(other) = seen.insert(&set.family, &set.file) {
                let message = format!("identifiers {}-… are already those of {other}", set.family);
                problems.push(Problem::new(&set.file, 0, message));
            }
        }
    }
}

fn is_list(path: &str) -> bool {
    path.strip_prefix(FOLDER)
        .is_some_and(|name| name.ends_with(".toml") && !name.contains('/'))
}

fn read_set(file: &File, problems: &mut Vec<Problem>) -> Option<Set> {
    let raw: RawSet = parse(file, problems)?;
    let mut requirements: Vec<Requirement> = Vec::new();
    for entry in raw.requirement {
        let text = entry.id.clone();
        match check(entry, requirements.last()) {
            Ok(requirement) => requirements.push(requirement),
            Err(why) => {
                let line = line_of(file, &text);
                problems.push(Problem::new(&file.path, line, format!("{text}: {why}")));
            }
        }
    }
    let family = requirements.first()?.id.family().to_owned();
    Some(Set {
        file: file.path.clone(),
        title: raw.title,
        family,
        requirements,
    })
}

/// A requirement that may follow `previous` in its file.
fn check(raw: RawRequirement, previous: Option<&Requirement>) -> Result<Requirement, &'static str> {
    let id =
        Id::parse(&raw.id).ok_or("not an identifier: capitals, a hyphen, two or three digits")?;
    if previous.is_some_and(|p| p.id.family() != id.family()) {
        return Err("another family of identifiers than the first of this file");
    }
    if previous.is_some_and(|p| p.id >= id) {
        return Err("identifiers are in ascending order, each once");
    }
    if raw.text.is_empty() || raw.source.is_empty() {
        return Err("text and source must not be empty");
    }
    if raw.status == Status::Deviates && raw.remark.is_empty() {
        return Err("say in a remark how it deviates");
    }
    Ok(Requirement {
        id,
        source: raw.source,
        text: raw.text,
        level: raw.level,
        status: raw.status,
        remark: raw.remark,
    })
}

fn read_accepted(file: &File, problems: &mut Vec<Problem>) -> Vec<Accepted> {
    let Some(raw) = parse::<RawAccepted>(file, problems) else {
        return Vec::new();
    };
    let mut accepted: Vec<Accepted> = Vec::new();
    for gap in raw.accepted {
        let line = line_of(file, &gap.id);
        let twice = |id: &Id| accepted.iter().any(|a| a.id == *id && a.lacks == gap.lacks);
        let why = match Id::parse(&gap.id) {
            None => "not an identifier",
            Some(id) if twice(&id) => "listed twice",
            Some(_) if gap.reason.is_empty() => "say why this is accepted",
            Some(id) => {
                accepted.push(Accepted {
                    id,
                    lacks: gap.lacks,
                    reason: gap.reason,
                });
                continue;
            }
        };
        problems.push(Problem::new(&file.path, line, format!("{}: {why}", gap.id)));
    }
    accepted
}

fn parse<T: for<'de> Deserialize<'de>>(file: &File, problems: &mut Vec<Problem>) -> Option<T> {
    toml::from_str(&file.text)
        .map_err(|e| {
            let line = e.span().map_or(0, |span| line_at(&file.text, span.start));
            problems.push(Problem::new(&file.path, line, e.message()));
        })
        .ok()
}

fn line_at(text: &str, offset: usize) -> usize {
    let before = text.get(..offset).unwrap_or(text);
    1 + before.matches('\n').count()
}

/// The line that first has `id` in quotes.
fn line_of(file: &File, id: &str) -> usize {
    let quoted = format!("\"{id}\"");
    file.text
        .find(&quoted)
        .map_or(0, |at| line_at(&file.text, at))
}
