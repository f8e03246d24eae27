// SPDX-License-Identifier: BSD-2-Clause
//! What programs are told by name: a layout's attributes and `<setting>` elements, as manifests ask.

use super::Expansion;
use super::join::Join;
use super::pd::{Pd, Rank};
use crate::manifest::{Link, Setting, SettingType};
use crate::model::Part;
use crate::rules::{FORM, IDENTITY, SETTING};
use crate::value::Value;
use sdf::rules::name::UNKNOWN;
use sdf::{Diagnostic, Span, Spanned};
use std::collections::HashMap;

/// Takes the `<setting>` elements of `part` for `pd`.
pub(super) fn of_part(work: &mut Expansion<'_>, part: &Part, pd: &mut Pd<'_>) {
    for (name, value) in &part.settings {
        let text = Value::Text(value.value.clone());
        let first = pd
            .settings
            .insert(name.value.clone(), Spanned::new(text, value.span));
        if let Some(first) = first {
            let message = format!("`{}` is set twice", name.value);
            let item = Diagnostic::new(&SETTING, name.span, message);
            work.out.push(item.also(first.span, "first set here"));
        }
    }
}

/// Tells every domain its own settings, and reports those that nobody reads.
pub(super) fn own(work: &mut Expansion<'_>, joins: &[Join]) {
    unread(work, joins);
    for at in 0..work.pds.len() {
        for setting in work.pds[at].manifest.setting.clone() {
            let pd = &work.pds[at];
            let given = pd.settings.get(&setting.name).cloned();
            let clock = pd.device.as_ref().and_then(|device| device.clock);
            let clock = clock.filter(|_| setting.clock).map(Value::Number);
            let clock = clock.map(|clock| Spanned::new(clock, pd.span));
            let role = setting.role.clone().unwrap_or_else(|| setting.name.clone());
            let listener = Listener {
                at,
                rank: Rank::Own,
                role,
                about: at,
            };
            tell(work, &listener, &setting, given.or(clock));
        }
    }
}

/// Reports `<setting>`s that neither the program nor a server of it knows.
fn unread(work: &mut Expansion<'_>, joins: &[Join]) {
    let layout = work.layout;
    for part in &layout.parts {
        let Some(at) = work.pds.iter().position(|pd| pd.name == part.name) else {
            continue;
        };
        let servers = joins.iter().filter(|join| join.client.0 == at);
        let told = servers.flat_map(|join| {
            let (server, link) = join.server;
            work.pds[server].manifest.link[link].setting.iter()
        });
        let own = work.pds[at].manifest.setting.iter();
        let known: Vec<String> = own
            .chain(told)
            .map(|setting| setting.name.clone())
            .collect();
        for (name, _) in &part.settings {
            if !known.contains(&name.value) && !name.is_empty() {
                let message = format!("`{}` has no setting `{}`", part.name.value, name.value);
                let item = Diagnostic::new(&SETTING, name.span, message);
                work.out.push(match known.as_slice() {
                    [] => item.help("it has no settings"),
                    known => item.help(format!("known: {}", known.join(", "))),
                });
            }
        }
    }
}

/// Tells the server of `join` about its client.
pub(super) fn of_client(work: &mut Expansion<'_>, join: &Join, link: &Link, role: &str) {
    for setting in &link.setting {
        let given = join.settings.get(&setting.name).cloned();
        let role = match &setting.role {
            Some(role) => super::wire::fill(role, work, join),
            None => format!("{role}.{}", setting.name),
        };
        let listener = Listener {
            at: join.server.0,
            rank: join.rank,
            role,
            about: join.client.0,
        };
        tell(work, &listener, setting, given);
    }
}

/// Who is told something, and about whom.
struct Listener {
    /// The domain that is told.
    at: usize,
    /// Where it stands in its record.
    rank: Rank,
    /// Under which role.
    role: String,
    /// The domain that it concerns.
    about: usize,
}

/// Tells one setting.
fn tell(
    work: &mut Expansion<'_>,
    listener: &Listener,
    setting: &Setting,
    given: Option<Spanned<Value>>,
) {
    let subject = listener.about;
    let span = work.pds[subject].span;
    let fallback = setting.default.as_ref().map(Value::from);
    let Some(value) = given.or(fallback.map(|value| Spanned::new(value, span))) else {
        if setting.required {
            let name = &work.pds[subject].name.value;
            let message = format!("`{name}` needs the setting `{}`", setting.name);
            work.report(&SETTING, span, message);
        }
        return;
    };
    put(work, listener, setting.form, &value);
}

/// Writes one setting into the listener's record.
fn put(work: &mut Expansion<'_>, listener: &Listener, form: SettingType, value: &Spanned<Value>) {
    let Listener { at, rank, role, .. } = listener;
    let (at, rank) = (*at, *rank);
    match (form, &value.value) {
        (SettingType::Value, Value::Number(number)) => {
            work.pds[at].tell_value(rank, role, Spanned::new(*number, value.span));
        }
        (SettingType::Value, other) => match sdf::xml::parse_number(&text(other)) {
            Some(number) => work.pds[at].tell_value(rank, role, Spanned::new(number, value.span)),
            None => work.report(&FORM, value.span, format!("`{}` is no number", text(other))),
        },
        (SettingType::Text, other) => {
            work.pds[at].tell_text(rank, role, &Spanned::new(text(other), value.span));
        }
        (SettingType::Clients, other) => {
            for name in text(other).split_whitespace() {
                let name = Spanned::new(name.to_owned(), value.span);
                work.pds[at].tell_text(rank, role, &name);
            }
        }
    }
}

/// A value as the layout would write it, without unit.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Texts(texts) => texts.join(" "),
    }
}

/// Reports what must be unique among the clients of a server and is not, and names of other clients
/// that are none.
pub(super) fn identities(work: &mut Expansion<'_>, joins: &[Join]) {
    let mut seen: HashMap<(usize, String, String), (Span, bool)> = HashMap::new();
    for join in joins {
        let (server, at) = join.server;
        for setting in work.pds[server].manifest.link[at].setting.clone() {
            let Some(given) = join.settings.get(&setting.name) else {
                continue;
            };
            if setting.form == SettingType::Clients {
                clients(work, joins, join, given);
            }
            if !setting.unique {
                continue;
            }
            let shares = setting.unless.as_ref().is_some_and(|[name, value]| {
                join.settings
                    .get(name)
                    .is_some_and(|other| text(&other.value) == *value)
            });
            let key = (server, setting.name.clone(), text(&given.value));
            let message = format!("`{}` {} is another client's already", setting.name, key.2);
            if let Some((first, both)) = seen.insert(key, (given.span, shares))
                && !(shares && both)
            {
                let item = Diagnostic::new(&IDENTITY, given.span, message);
                work.out.push(item.also(first, "first one"));
            }
        }
    }
}

fn clients(work: &mut Expansion<'_>, joins: &[Join], join: &Join, given: &Spanned<Value>) {
    for name in text(&given.value).split_whitespace() {
        let is_client = |other: &&Join| other.server == join.server && *other.name == name;
        if !joins.iter().any(|other| is_client(&other)) {
            let server = &work.pds[join.server.0].name.value;
            let message = format!("`{server}` has no client called `{name}`");
            work.report(&UNKNOWN, given.span, message);
        }
    }
}
