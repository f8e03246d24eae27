// SPDX-License-Identifier: BSD-2-Clause
//! Who talks to whom: each client's server, as named or as the only one there is.

use super::Expansion;
use super::pd::{Pd, Rank, Settings};
use crate::manifest::{Link, Role, Side};
use crate::node::Node;
use crate::rules::{BUSY, SERVER};
use sdf::{Diagnostic, Span, Spanned};
use std::collections::{BTreeMap, HashMap};

/// A conversation.
pub(super) struct Join {
    /// Index of the client's domain and of its link.
    pub(super) client: (usize, usize),
    /// Index of the server's domain and of its link.
    pub(super) server: (usize, usize),
    /// What the server calls the client.
    pub(super) name: Spanned<String>,
    /// Where its entries stand in the server's record.
    pub(super) rank: Rank,
    /// What follows the guest's name where the server has another client of this guest.
    suffix: Option<String>,
    /// What the layout and the client's manifest tell the server.
    pub(super) settings: Settings,
}

/// Finds the server of every client, in file order.
pub(super) fn find(work: &mut Expansion<'_>) -> Vec<Join> {
    let mut joins = Vec::new();
    let mut busy: HashMap<(usize, usize), Span> = HashMap::new();
    for client in 0..work.pds.len() {
        let mut named = work.pds[client].server.clone();
        for at in 0..work.pds[client].manifest.link.len() {
            let link = work.pds[client].manifest.link[at].clone();
            if link.side == Side::Client {
                let explicit = explicit(work, client, &link, &mut named);
                if let Some(wish) = wish(work, client, &link, explicit) {
                    joins.extend(one(work, (client, at), &link, wish, &mut busy));
                }
            }
        }
        if let Some(named) = named {
            let message = format!("`{}` has no server to name", work.pds[client].name.value);
            work.report(&SERVER, named.span, message);
        }
    }
    rank(&mut joins);
    joins
}

/// What a client wants: the server that the file names, and the element that asks.
struct Wish {
    named: Option<Spanned<String>>,
    span: Span,
}

/// The server that the file names for `link`, if it is the one that the file can name.
fn explicit(
    work: &Expansion<'_>,
    client: usize,
    link: &Link,
    named: &mut Option<Spanned<String>>,
) -> Option<Spanned<String>> {
    let internal = own_monitor(work, client, link).is_some();
    if internal || link.optional || link.element.is_some() {
        None
    } else {
        named.take()
    }
}

/// The monitor of the client's guest, if that is who serves `link`.
fn own_monitor(work: &Expansion<'_>, client: usize, link: &Link) -> Option<usize> {
    let guest = work.pds[client].guest?;
    let serves = |pd: &Pd<'_>| {
        pd.guest == Some(guest)
            && pd.manifest.kind == Role::Monitor
            && serving(pd, &link.interface).is_some()
    };
    work.pds.iter().position(serves)
}

/// The link of `pd` that serves `interface`.
fn serving(pd: &Pd<'_>, interface: &str) -> Option<usize> {
    pd.manifest
        .link
        .iter()
        .position(|link| link.side == Side::Server && link.interface == interface)
}

/// Whether `link` is wanted at all: one that depends on an element of the guest may not be.
fn wish(
    work: &Expansion<'_>,
    client: usize,
    link: &Link,
    named: Option<Spanned<String>>,
) -> Option<Wish> {
    let pd = &work.pds[client];
    let Some(element) = &link.element else {
        return Some(Wish {
            named,
            span: pd.span,
        });
    };
    let guest = &work.layout.guests[pd.guest?];
    let asks = |device: &&Node| device.element.name == element;
    let device = guest.devices.iter().find(asks)?;
    Some(Wish {
        named: device.text("to").or(device.text("from")),
        span: device.span,
    })
}

/// Finds the server of one link.
fn one(
    work: &mut Expansion<'_>,
    client: (usize, usize),
    link: &Link,
    wish: Wish,
    busy: &mut HashMap<(usize, usize), Span>,
) -> Option<Join> {
    let server = match own_monitor(work, client.0, link) {
        Some(monitor) => monitor,
        None => choose(work, client.0, link, &wish)?,
    };
    let at = serving(&work.pds[server], &link.interface)?;
    if link.above && !outranks(work, server, client.0) {
        return None;
    }
    if !work.pds[server].manifest.link[at].many
        && let Some(first) = busy.insert((server, at), wish.span)
    {
        let message = format!("`{}` has a client already", work.pds[server].name.value);
        let span = wish.named.as_ref().map_or(wish.span, |named| named.span);
        let item = Diagnostic::new(&BUSY, span, message);
        work.out.push(item.also(first, "its client"));
        return None;
    }
    let pd = &work.pds[client.0];
    let name = pd
        .guest
        .map_or(&pd.name, |guest| &work.layout.guests[guest].name);
    Some(Join {
        client,
        server: (server, at),
        name: name.clone(),
        rank: Rank::First,
        suffix: link.element.clone(),
        settings: told(pd, link),
    })
}

/// What the server is told about `pd`, its client on `link`.
fn told(pd: &Pd<'_>, link: &Link) -> Settings {
    let mut settings = pd.settings.clone();
    for (name, value) in &link.give {
        let value = Spanned::new(value.into(), pd.span);
        settings.entry(name.clone()).or_insert(value);
    }
    settings
}

/// Whether domain `a` has a higher priority than `b`, so that it can be called.
fn outranks(work: &Expansion<'_>, a: usize, b: usize) -> bool {
    work.pds[a].priority().value > work.pds[b].priority().value
}

/// The named server, or the only one.
fn choose(work: &mut Expansion<'_>, client: usize, link: &Link, wish: &Wish) -> Option<usize> {
    let offers = |(at, pd): (usize, &Pd<'_>)| {
        let shared = pd.guest.is_none() && at != client;
        (shared && serving(pd, &link.interface).is_some()).then_some(at)
    };
    let all: Vec<usize> = work.pds.iter().enumerate().filter_map(offers).collect();
    let names: Vec<&str> = all.iter().map(|at| work.pds[*at].name.as_str()).collect();
    let help = match names.as_slice() {
        [] => format!(
            "declare a driver or service that offers `{}`",
            link.interface
        ),
        names => format!("`{}` is offered by {}", link.interface, names.join(", ")),
    };
    if let Some(named) = &wish.named {
        let found = names.iter().position(|name| *name == named.value);
        if found.is_none() {
            let message = format!("`{}` does not offer `{}`", named.value, link.interface);
            let item = Diagnostic::new(&SERVER, named.span, message);
            work.out.push(item.help(help));
        }
        return found.map(|at| all[at]);
    }
    match all.as_slice() {
        [only] => Some(*only),
        [] if link.optional => None,
        several => {
            let count = several.len();
            let message = match count {
                0 => format!("nothing offers `{}`", link.interface),
                _ => format!("{count} offer `{}`", link.interface),
            };
            let item = Diagnostic::new(&SERVER, wish.span, message);
            work.out.push(item.help(help));
            None
        }
    }
}

/// Gives the further clients of one guest at one server names of their own: `guest.uart` for the
/// monitor's, `guest.2` and on for backends.
fn rank(joins: &mut [Join]) {
    let mut seen: BTreeMap<((usize, usize), String), usize> = BTreeMap::new();
    for join in joins {
        let count = seen
            .entry((join.server, join.name.value.clone()))
            .or_insert(0);
        *count += 1;
        if *count > 1 {
            join.rank = Rank::Further;
            let number = || count.to_string();
            let suffix = join.suffix.clone().unwrap_or_else(number);
            join.name.value = format!("{}.{suffix}", join.name.value);
        }
    }
}
